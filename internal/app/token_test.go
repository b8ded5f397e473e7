package app

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/adminapi"
)

// overSocket asks the admin API as the owner of the data folder.
func overSocket(t *testing.T, data, method, path, body string) []byte {
	t.Helper()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return adminapi.Dial(data) }}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://parley"+adminapi.Prefix+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s, %v", method, path, res.Status, b, err)
	}
	return b
}

func apiToken(t *testing.T, data, request string) adminapi.APITokenAnswer {
	t.Helper()
	var made adminapi.APITokenAnswer
	if err := json.Unmarshal(overSocket(t, data, http.MethodPost, "/tokens", request), &made); err != nil {
		t.Fatal(err)
	}
	return made
}

// askAPI asks over the network; header is pairs.
func askAPI(t *testing.T, address, method, path, token string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+adminapi.Prefix+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func TestAdminAPIOverHTTP(t *testing.T) {
	data, book := t.TempDir(), &logbook{}
	a, err := Start(t.Context(), options(settings(t, data, nil), book))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Stop()
	public := a.Addr().String()
	made := apiToken(t, data, `{"name":"ci","scopes":["catalog:read","tokens"]}`)
	for _, test := range []struct {
		method, path, token string
		code                int
	}{
		{http.MethodGet, "/channels", made.Secret, 200},
		{http.MethodGet, "/channels", "", 401},
		{http.MethodGet, "/channels", "pat_" + strings.Repeat("A", 52), 401},
		{http.MethodGet, "/doctor", made.Secret, 403},
		{http.MethodGet, "/openapi.json", "", 200},
		{http.MethodGet, "/nothing", "", 404},
	} {
		res := askAPI(t, public, test.method, test.path, test.token, "Origin", "https://evil.example.com")
		if res.StatusCode != test.code || res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s: %s %v", test.method, test.path, res.Status, res.Header)
		}
		if test.code >= 400 && res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %s", test.method, test.path, res.Header.Get("Content-Type"))
		}
	}
	if _, text := a.get(t, "/metrics"); !strings.Contains(text, `listener="public",method="GET",route="/api/v1/channels",status="401"`) {
		t.Error("metrics do not show refused requests by route")
	}
	overSocket(t, data, http.MethodDelete, "/tokens/ci", "")
	if res := askAPI(t, public, http.MethodGet, "/channels", made.Secret); res.StatusCode != 401 {
		t.Errorf("after revoking: %s", res.Status)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(book.String(), made.Secret) || !strings.Contains(book.String(), made.ID) {
		t.Errorf("the log has to name the token's id and never the token:\n%s", book.String())
	}
	if diff := cmp.Diff([]string{"owner token.create " + made.ID + " ", "owner token.revoke " + made.ID + " "}, auditOf(t, data, "token.%")); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func auditOf(t *testing.T, data, verbs string) (all []string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT actor || ' ' || verb || ' ' || subject || ' ' || note FROM audit WHERE verb LIKE ? ORDER BY key", verbs)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	return all
}

// With a port of its own the admin API leaves the public one.
func TestAdminAPIOnItsOwnPort(t *testing.T) {
	data := t.TempDir()
	a := start(t, options(settings(t, data, map[string]string{"admin-listen": "127.0.0.1:0"}), &logbook{}))
	made := apiToken(t, data, `{"name":"ci","scopes":["*"]}`)
	if res := askAPI(t, a.Addr().String(), http.MethodGet, "/channels", made.Secret); res.StatusCode != 404 {
		t.Errorf("on the public port: %s", res.Status)
	}
	if res := askAPI(t, a.admin.Addr().String(), http.MethodGet, "/channels", made.Secret); res.StatusCode != 200 {
		t.Errorf("on the admin port: %s", res.Status)
	}
	if res := askAPI(t, a.admin.Addr().String(), http.MethodGet, "/channels", ""); res.StatusCode != 401 {
		t.Errorf("on the admin port without a token: %s", res.Status)
	}
}

// Behind a proxy, one who guesses does not shut out the others.
func TestGuessesAreCountedPerClient(t *testing.T) {
	a := start(t, options(settings(t, t.TempDir(), map[string]string{"trusted-proxies": "127.0.0.0/8"}), &logbook{}))
	guess := func(client string) int {
		return askAPI(t, a.Addr().String(), http.MethodGet, "/channels", "pat_"+strings.Repeat("A", 52), "X-Forwarded-For", client).StatusCode
	}
	for range 10 {
		guess("192.0.2.1")
	}
	if got := guess("192.0.2.1"); got != http.StatusTooManyRequests {
		t.Errorf("the eleventh guess: %d", got)
	}
	if got := guess("192.0.2.2"); got != http.StatusUnauthorized {
		t.Errorf("somebody else: %d", got)
	}
}

func TestTailOverHTTP(t *testing.T) {
	data := t.TempDir()
	a := start(t, options(settings(t, data, nil), &logbook{}))
	made := apiToken(t, data, `{"name":"ops","scopes":["operate"]}`)
	res := askAPI(t, a.Addr().String(), http.MethodGet, "/tail?user=ann", made.Secret)
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() || !strings.Contains(lines.Text(), "watching") {
		t.Fatalf("%s: %q, %v", res.Status, lines.Text(), lines.Err())
	}
	login(t, deadline(t), demoJSON(t, data).client("ann"))
	if !lines.Scan() || !strings.Contains(lines.Text(), `"direction"`) {
		t.Fatalf("no record of a login: %q, %v", lines.Text(), lines.Err())
	}
	// The stop sends the watcher away rather than waiting for it.
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("cut off: %v", err)
	}
}
