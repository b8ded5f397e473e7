package cli_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/adminapi"
	"parley/internal/app/cli"
	"parley/internal/catalog"
	"parley/internal/channel"
	"parley/internal/config"
)

func TestTokenCommands(t *testing.T) {
	o := serve(t)
	ctx := context.Background()
	code, secret, stderr := o.parley(ctx, "token", "create", "ci", "--scope", "operate, catalog:read", "--expires", "90d")
	secret = strings.TrimSuffix(secret, "\n")
	if code != 0 || !strings.HasPrefix(secret, "pat_") || strings.ContainsAny(secret, " \n") || !strings.Contains(stderr, "not shown again") {
		t.Fatalf("code %d: %q\n%s", code, secret, stderr)
	}
	for _, step := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"token", "create", "ci", "--scope", "operate"}, 1, "already"},
		{[]string{"token", "create", "x", "--scope", "everything"}, 2, "scopes"},
		{[]string{"token", "create", "x"}, 2, "--scope"},
		{[]string{"token", "create", "x", "--scope", "operate", "--expires", "soon"}, 2, "such as 90d"},
		{[]string{"token", "create", "a b", "--scope", "operate"}, 2, "letters, digits"},
		{[]string{"token", "create", "all", "--scope", "*"}, 0, "does not expire"},
		{[]string{"token", "list"}, 0, "ci    living  catalog:read,operate"},
		{[]string{"token", "show", "ci"}, 0, "tk-1"},
		{[]string{"token", "revoke", "ci"}, 0, "revoked ci (tk-1)"},
		{[]string{"token", "revoke", "none"}, 3, `there is no token "none"`},
		{[]string{"token", "list", "--all"}, 0, "ci    revoked"},
		{[]string{"token", "show", "tk-1", "--json"}, 0, `"state": "revoked"`},
	} {
		code, stdout, stderr := o.parley(ctx, step.args...)
		if code != step.code || !strings.Contains(stdout+stderr, step.want) {
			t.Errorf("%v: code %d, want %d with %q\n%s%s", step.args, code, step.code, step.want, stdout, stderr)
		}
		if strings.Contains(stdout+stderr, secret) {
			t.Errorf("%v shows the token again", step.args)
		}
	}
}

// elsewhere is a server that is reached over a network.
type elsewhere struct {
	*data
	*httptest.Server
	tracer *tracer
}

func serveElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{data: mustData(t), tracer: &tracer{
		records: make(chan channel.TraceRecord), asked: make(chan string, 1), ended: make(chan struct{}),
	}}
	e.Server = httptest.NewServer(adminapi.NewRemote(e.services(config.Settings{}, e.tracer, nil)))
	t.Cleanup(e.Close)
	return e
}

// token makes one as the owner of the server would.
func (e *elsewhere) token(t *testing.T, scopes string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "data"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p := cli.Program{Backend: backend{data: e.data}, Stdout: &out, Stderr: &out, Host: catalog.OS{}}
	if code := p.Run(context.Background(), []string{"token", "create", "mine", "--scope", scopes, "--data", dir}); code != 0 {
		t.Fatal(out.String())
	}
	secret, _, _ := strings.Cut(out.String(), "\n")
	return secret
}

func from(env []string, args ...string) (code int, output string) {
	var out bytes.Buffer
	p := cli.Program{Backend: nobody{}, Stdout: &out, Stderr: &out, Host: catalog.OS{}, Environ: env}
	code = p.Run(context.Background(), args)
	return code, out.String()
}

func TestServerElsewhere(t *testing.T) {
	e := serveElsewhere(t)
	secret := e.token(t, "catalog:read,operate")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"PARLEY_URL=" + e.URL + "/", "PARLEY_TOKEN=" + secret}
	moved := httptest.NewServer(http.RedirectHandler("https://elsewhere.example.com/login", http.StatusFound))
	t.Cleanup(moved.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, test := range []struct {
		name string
		env  []string
		args []string
		code int
		want string
	}{
		{"environment", env, []string{"channel", "list"}, 0, "there is none"},
		{"file", nil, []string{"channel", "list", "--url", e.URL, "--token", "@" + file}, 0, "there is none"},
		{"file by environment", []string{"PARLEY_TOKEN=@" + file}, []string{"channel", "list", "--url", e.URL}, 0, "there is none"},
		{"doctor", env, []string{"doctor"}, 1, "a server answers at " + e.URL},
		{"backup", env, []string{"backup", "/srv/copy"}, 0, "on the server's machine"},
		{"backup to a relative folder", env, []string{"backup", "copy"}, 2, "absolute"},
		{"a scope too few", env, []string{"conversation", "list"}, 1, "lacks the scope conversations:read"},
		{"a wrong token", []string{"PARLEY_URL=" + e.URL, "PARLEY_TOKEN=pat_" + strings.Repeat("A", 52)}, []string{"channel", "list"}, 1, "not known"},
		{"no token", []string{"PARLEY_URL=" + e.URL}, []string{"channel", "list"}, 2, "PARLEY_TOKEN"},
		{"a token as an argument", nil, []string{"channel", "list", "--url", e.URL, "--token", secret}, 2, "--token takes @FILE"},
		{"no such file", nil, []string{"channel", "list", "--url", e.URL, "--token", "@/none"}, 2, "cannot be read"},
		{"a token with blanks", []string{"PARLEY_URL=" + e.URL, "PARLEY_TOKEN=a\r\nX-Evil: 1"}, []string{"channel", "list"}, 2, "no API token"},
		{"url and data", nil, []string{"channel", "list", "--url", e.URL, "--data", "x"}, 2, "give one of them"},
		{"token without url", nil, []string{"channel", "list", "--token", "@" + file}, 2, "--token needs --url"},
		{"token with data", nil, []string{"channel", "list", "--data", "x", "--token", "@" + file}, 2, "belongs to --url"},
		{"no address", env, []string{"channel", "list", "--url", "chat.example.com"}, 2, "write scheme and host"},
		{"a password in the address", env, []string{"channel", "list", "--url", "https://u:p@chat.example.com"}, 2, "write scheme and host"},
		{"redirected", env, []string{"channel", "list", "--url", moved.URL}, 2, "points to https://elsewhere.example.com/login"},
		{"nobody there", env, []string{"channel", "list", "--url", gone.URL}, cli.ExitUnreachable, "could not be asked"},
		{"restore", env, []string{"restore", "x", "--url", e.URL}, 2, "leave --url out"},
		{"serve", env, []string{"serve", "--url", e.URL}, 2, "leave --url out"},
	} {
		code, out := from(test.env, test.args...)
		if code != test.code || !strings.Contains(out, test.want) {
			t.Errorf("%s: code %d, want %d with %q\n%s", test.name, code, test.code, test.want, out)
		}
		if strings.Contains(out, secret) {
			t.Errorf("%s shows the token:\n%s", test.name, out)
		}
	}
}

// A folder on the command line wins over a server in the environment.
func TestDataWinsOverEnvironment(t *testing.T) {
	o := serve(t)
	code, out := from([]string{"PARLEY_URL=http://127.0.0.1:1", "PARLEY_TOKEN=x"}, "channel", "list", "--data", o.dir)
	if code != 0 || !strings.Contains(out, "there is none") {
		t.Errorf("code %d\n%s", code, out)
	}
}

func TestTailElsewhere(t *testing.T) {
	e := serveElsewhere(t)
	out := &lines{got: make(chan string, 10)}
	p := cli.Program{Backend: nobody{}, Stdout: out, Stderr: out, Host: catalog.OS{},
		Environ: []string{"PARLEY_URL=" + e.URL, "PARLEY_TOKEN=" + e.token(t, "operate")}}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	code := make(chan int, 1)
	go func() { code <- p.Run(ctx, []string{"tail", "--user", "ann"}) }()
	if got := <-e.tracer.asked; got != " ann" {
		t.Errorf("asked for %q", got)
	}
	if got := out.next(t); !strings.Contains(got, "watching") {
		t.Errorf("first line %q", got)
	}
	e.tracer.records <- channel.TraceRecord{At: at, Direction: "in", Kind: "frame", Body: "hello"}
	if got := out.next(t); !strings.Contains(got, "<- frame    hello") {
		t.Errorf("line %q", got)
	}
	cancel()
	if got := <-code; got != cli.ExitOK {
		t.Errorf("interrupted with code %d", got)
	}
	<-e.tracer.ended
}
