package crowd

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"parley/internal/testkit/program"
)

// Admin reads a server's data through the command line, as an operator does.
type Admin struct {
	Binary *program.Binary
	Data   string
	// Env are the settings the server has, such as PARLEY_DATABASE.
	Env []string
}

// Conversation is one of `parley conversation list --json`.
type Conversation struct {
	ID       string `json:"id"`
	Channel  string `json:"channel"`
	User     string `json:"user"`
	Entries  int64  `json:"entries"`
	Messages int64  `json:"messages"`
}

// Entry is one line of `parley conversation show --json`.
type Entry struct {
	ID         string    `json:"id"`
	Seq        int64     `json:"seq"`
	VisibleSeq int64     `json:"visible_seq"`
	At         time.Time `json:"at"`
	Author     struct {
		Kind string `json:"kind"`
		ID   string `json:"id"`
	} `json:"author"`
	Purpose    string `json:"purpose"`
	Visibility string `json:"visibility"`
	Content    struct {
		Type string `json:"type"`
		Text string `json:"text"`
		Mark string `json:"mark"`
	} `json:"content"`
}

// Turn is one of `parley turn list --json`.
type Turn struct {
	Conversation string `json:"conversation"`
	Status       string `json:"status"`
	FirstSeq     int64  `json:"first_seq"`
	LastSeq      int64  `json:"last_seq"`
	Attempts     int    `json:"attempts"`
	LastError    string `json:"last_error"`
}

// MaxTurns is how many turns the command line lists at most.
const MaxTurns = 500

// Run runs a command with --json and reads its answer.
func (a Admin) Run(t testing.TB, answer any, args ...string) {
	t.Helper()
	args = append(args, "--data", a.Data, "--json")
	got := a.Binary.Run(t, a.Env, args...)
	if got.Code != 0 {
		t.Fatalf("parley %v ended with %d: %s%s", args, got.Code, got.Stdout, got.Stderr)
	}
	if err := json.Unmarshal([]byte(got.Stdout), answer); err != nil {
		t.Fatalf("parley %v did not answer in JSON: %v\n%s", args, err, got.Stdout)
	}
}

// Conversations lists all conversations by user.
func (a Admin) Conversations(t testing.TB) map[string]Conversation {
	t.Helper()
	all := map[string]Conversation{}
	for before := ""; ; {
		args := []string{"conversation", "list", "--limit", "500"}
		if before != "" {
			args = append(args, "--before", before)
		}
		var page struct {
			Conversations []Conversation `json:"conversations"`
			Next          string         `json:"next"`
		}
		a.Run(t, &page, args...)
		for _, c := range page.Conversations {
			if other, twice := all[c.User]; twice {
				t.Fatalf("user %s has two conversations, %s and %s", c.User, other.ID, c.ID)
			}
			all[c.User] = c
		}
		if before = page.Next; before == "" {
			return all
		}
	}
}

// Entries reads the whole log of a conversation.
func (a Admin) Entries(t testing.TB, id string) []Entry {
	t.Helper()
	var all []Entry
	for after := int64(0); ; {
		var page struct {
			Entries []Entry `json:"entries"`
			Next    int64   `json:"next"`
		}
		a.Run(t, &page, "conversation", "show", id, "--limit", "500", "--after", strconv.FormatInt(after, 10))
		all = append(all, page.Entries...)
		if after = page.Next; after == 0 {
			return all
		}
	}
}

// Turns lists the newest turns of a conversation, at most [MaxTurns].
func (a Admin) Turns(t testing.TB, id string) []Turn {
	t.Helper()
	var list struct {
		Turns []Turn `json:"turns"`
	}
	a.Run(t, &list, "turn", "list", "--conversation", id, "--limit", strconv.Itoa(MaxTurns))
	return list.Turns
}

// Place is how a user of an app is called in the server's data: RTM keeps the
// users of two apps apart.
func (a App) Place(user string) string { return fmt.Sprintf("%s/%s", a.ClientID, user) }
