package crowd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/internal/channel/rtm/rtmtest"
)

// visitWithin bounds one step of a visit.
const visitWithin = time.Minute

// Visit logs in somebody new, takes the welcome, and returns the listening
// socket and the access token. The socket goes with the test.
func Visit(t testing.TB, client *rtmtest.Client) (*rtmtest.Socket, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), visitWithin)
	defer cancel()
	granted, err := client.Grant(ctx)
	if err != nil {
		t.Fatalf("grant for %s: %v", client.User, err)
	}
	s := Connect(t, client, granted.Authorization.AccessToken, "")
	if _, err := s.ExpectType(ctx, "bot_response"); err != nil {
		t.Fatalf("the welcome: %v", err)
	}
	return s, granted.Authorization.AccessToken
}

// Connect opens a listening socket that goes with the test. flags are those
// clients append to its address, such as "isReconnect=true".
func Connect(t testing.TB, client *rtmtest.Client, token, flags string) *rtmtest.Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), visitWithin)
	defer cancel()
	s, err := client.Connect(ctx, token, flags)
	if err != nil {
		t.Fatalf("open a socket for %s: %v", client.User, err)
	}
	t.Cleanup(func() { _ = s.Drop() }) // the test may have ended it
	return s.Listen()
}

// Say says something and wants its ack.
func Say(t testing.TB, s *rtmtest.Socket, id int64, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), visitWithin)
	defer cancel()
	if err := s.Say(ctx, id, text); err != nil {
		t.Fatalf("say %.100q: %v", text, err)
	}
	if _, err := s.ExpectAck(ctx, fmt.Sprint(id)); err != nil {
		t.Fatalf("%.500s", err)
	}
}

// Exchange says something, wants its ack and an answer, and returns the answer
// and the time both took.
func Exchange(t testing.TB, s *rtmtest.Socket, id int64, text string) (answer rtmtest.Frame, took time.Duration) {
	t.Helper()
	began := time.Now()
	Say(t, s, id, text)
	ctx, cancel := context.WithTimeout(t.Context(), visitWithin)
	defer cancel()
	answer, err := s.ExpectType(ctx, "bot_response")
	if err != nil {
		t.Fatalf("%.500s", err)
	}
	return answer, time.Since(began)
}

// Get asks for a page and returns status and body; status 0 is no answer, and
// the body then says why.
func Get(ctx context.Context, url string) (int, string) {
	const within = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	// A kept connection would belong to the process before a restart.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

var jwtForm = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`)

// NoSecrets searches what a program wrote for the given secrets, for anything
// that looks like a JWT, and for the single-use part of socket addresses.
func NoSecrets(t testing.TB, written string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if secret != "" && strings.Contains(written, secret) {
			t.Errorf("a secret that begins with %.6q was written", secret)
		}
	}
	if found := jwtForm.FindString(written); found != "" {
		t.Errorf("a JWT that begins with %.12q was written", found)
	}
	if i := strings.Index(written, "sid="); i >= 0 && len(written) > i+10 {
		t.Errorf("a sid that begins with %.10q was written", written[i:])
	}
}
