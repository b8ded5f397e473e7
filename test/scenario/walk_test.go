package scenario

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/testkit/crowd"
)

// TestWalk is the walk of the README: start, chat, kill in the middle, start,
// go on, look at what was stored.
func TestWalk(t *testing.T) {
	onEngines(t, func(t *testing.T, p *install) {
		app := p.demo()
		if app.BaseURL != p.URL {
			t.Errorf("demo.json says %s, the server listens on %s", app.BaseURL, p.URL)
		}
		ownersOnly(t, p.Data)
		if status, body := crowd.Get(t.Context(), p.URL+"/"); status != 200 || !strings.Contains(body, "<html") {
			t.Errorf("the demo page answers %d %.200s", status, body)
		}
		client := app.Client("walker@example.com", nil)
		s, token := p.visit(client)
		answer, _ := crowd.Exchange(t, s, 1, "Hi")
		if answer.Text() == "" {
			t.Errorf("Hi is answered with nothing: %s", answer.Raw)
		}

		// Killed between what is said and its answer, or around it.
		if err := s.Say(t.Context(), 2, "Hi again"); err != nil {
			t.Fatal(err)
		}
		p.Kill()
		if s.Ended(t.Context()) == nil {
			t.Error("the socket outlived its server")
		}
		p.Start()
		if again := p.demo(); again != app {
			t.Errorf("demo.json changed with a restart: %v, was %v", again.ClientID, app.ClientID)
		}
		back := crowd.Connect(t, client, token, "isReconnect=true")
		crowd.Say(t, back, 2, "Hi again") // the waiting message is sent again
		said(t, p, app.Place(client.User), "Hi", "Hi again")
		crowd.Say(t, back, 3, "And on")
		said(t, p, app.Place(client.User), "Hi", "Hi again", "And on")

		history, err := client.History(t.Context(), token, "limit=50")
		if err != nil {
			t.Fatal(err)
		}
		if history.Total != 7 || len(history.Messages) != 7 { // a welcome, and three times question and answer
			t.Errorf("the history has %d of %d entries, want 7", len(history.Messages), history.Total)
		}
		list := p.must("conversation", "list")
		if !strings.Contains(list, client.User) || !strings.Contains(list, "cv-") {
			t.Errorf("conversation list does not show the conversation:\n%s", list)
		}
		id := p.admin().Conversations(t)[app.Place(client.User)].ID
		if shown := p.must("conversation", "show", id); !strings.Contains(shown, "Hi again") || !strings.Contains(shown, "assistant") {
			t.Errorf("conversation show:\n%s", shown)
		}
		if doctor := p.run("doctor"); doctor.Code != 0 {
			t.Errorf("the doctor finds fault with a fresh install:\n%s", doctor.Stdout)
		}
		// The same without a server.
		p.Stop()
		if offline := p.must("conversation", "list"); !strings.Contains(offline, id) {
			t.Errorf("conversation list without a server:\n%s", offline)
		}
	})
}

// said waits until each message has its answer and compares what was said.
func said(t *testing.T, p *install, user string, want ...string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var got []string
		answers := 0
		for _, e := range p.admin().Entries(t, p.admin().Conversations(t)[user].ID) {
			switch {
			case e.Purpose != "message":
			case e.Author.Kind == "contact":
				got = append(got, e.Content.Text)
			case e.Content.Mark == "":
				answers++
			}
		}
		problem := ""
		if fmt.Sprint(got) != fmt.Sprint(want) || answers != len(want) {
			problem = fmt.Sprintf("the log has %q with %d answers, want %q each answered once", got, answers, want)
		}
		if problem == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(problem)
		}
	}
}

// ownersOnly checks that nobody else can read what is in the data folder.
func ownersOnly(t *testing.T, data string) {
	t.Helper()
	err := filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return nil // a temporary file that is gone
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestWelcome checks when people are greeted.
func TestWelcome(t *testing.T) {
	onEngines(t, func(t *testing.T, p *install) {
		app := p.demo()
		t.Run("opened again and again in silence", func(t *testing.T) {
			client := app.Client("opener", nil)
			_, token := p.visit(client)
			for _, flags := range []string{"", "isReconnect=true", "ConnectionMode=Default", "ConnectionMode=Reconnect", ""} {
				_ = crowd.Connect(t, client, token, flags).Drop()
			}
			if n := welcomes(t, p, app, client.User); n != 1 {
				t.Errorf("%d welcomes, want 1", n)
			}
		})
		t.Run("not after a reconnect", func(t *testing.T) {
			client := app.Client("returning", nil)
			first, token := p.visit(client)
			crowd.Exchange(t, first, 1, "Hi")
			_ = first.Drop()
			for _, flags := range []string{"isReconnect=true", "ConnectionMode=Reconnect", "ConnectionMode=Default", "ConnectionMode=Default&isReconnect=true"} {
				_ = crowd.Connect(t, client, token, flags).Drop()
			}
			if n := welcomes(t, p, app, client.User); n != 1 {
				t.Errorf("%d welcomes, want 1", n)
			}
		})
		t.Run("again with a new page, and on request", func(t *testing.T) {
			client := app.Client("reloading", nil)
			first, token := p.visit(client)
			crowd.Exchange(t, first, 1, "Hi")
			for i, flags := range []string{"", "ConnectionMode=Start_New"} {
				s := crowd.Connect(t, client, token, flags)
				if n := welcomes(t, p, app, client.User); n != i+2 {
					t.Errorf("%d welcomes after %q, want %d", n, flags, i+2)
				}
				crowd.Say(t, s, int64(i+2), "Hi")
			}
		})
		t.Run("a newcomer whose first start failed", func(t *testing.T) {
			// Web SDK 10.1.12 then says isReconnect on its first socket.
			client := app.Client("unlucky", nil)
			granted, err := client.Grant(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p.secret(granted.Authorization.AccessToken)
			s := crowd.Connect(t, client, granted.Authorization.AccessToken, "isReconnect=true")
			if _, err := s.ExpectType(t.Context(), "bot_response"); err != nil {
				t.Error(err)
			}
			if n := welcomes(t, p, app, client.User); n != 1 {
				t.Errorf("%d welcomes, want 1", n)
			}
		})
	})
}

// welcomes counts the greetings in a user's log. They are stored before a
// socket is opened.
func welcomes(t *testing.T, p *install, app crowd.App, user string) int {
	t.Helper()
	n := 0
	for _, e := range p.admin().Entries(t, p.admin().Conversations(t)[app.Place(user)].ID) {
		if e.Content.Mark == "welcome" {
			n++
		}
	}
	return n
}
