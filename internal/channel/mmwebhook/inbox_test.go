package mmwebhook_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"parley/internal/testkit/wait"
)

// inbox is the far side of an incoming webhook.
type inbox struct {
	server *httptest.Server
	mu     sync.Mutex
	got    []map[string]any
	// answer, if set, decides about a post.
	answer func(w http.ResponseWriter, post map[string]any) (taken bool)
}

const hookID = "ez1k9j9qoibw3nmm3t6y7hw6fr"

func newInbox(t testing.TB) *inbox {
	t.Helper()
	b := &inbox{}
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v4/system/ping" {
			w.Header().Set("X-Version-Id", "11.4.0.1")
			fmt.Fprint(w, `{"status":"OK"}`)
			return
		}
		var post map[string]any
		if err := json.NewDecoder(r.Body).Decode(&post); err != nil || r.URL.Path != "/hooks/"+hookID {
			refuse(w, 400)
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.answer != nil && !b.answer(w, post) {
			return
		}
		b.got = append(b.got, post)
		fmt.Fprint(w, "ok")
	}))
	t.Cleanup(b.server.Close)
	return b
}

// refuse is how Mattermost refuses a post to an incoming webhook.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"id":"web.incoming_webhook.general.app_error","message":"Failed to handle the payload","status_code":%d}`, status)
}

func (b *inbox) url() string { return b.server.URL + "/hooks/" + hookID }

func (b *inbox) posts() []map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]map[string]any{}, b.got...)
}

// wait returns the posts once there are n.
func (b *inbox) wait(t testing.TB, n int) []map[string]any {
	t.Helper()
	wait.For(t, patience, func() bool { return len(b.posts()) >= n }, fmt.Sprintf("%d posts", n))
	return b.posts()
}

// refuseAll lets the far side refuse every post.
func (b *inbox) refuseAll(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = func(w http.ResponseWriter, _ map[string]any) bool { refuse(w, status); return false }
}
