package mattermost_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/testkit/mmtest"
)

func TestButtons(t *testing.T) {
	w := newWorld(t, nil)
	w.talker.says = func(c chat.Content) chat.Content {
		switch c.Input() {
		case "menu":
			return chat.ChoicesContent("Which one?", chat.StyleQuickReplies,
				chat.Option{Title: "The red one", Value: "red"}, chat.Option{Title: "@all blue", Value: "blue"})
		case "links":
			return chat.ChoicesContent("Where to?", chat.StyleButtons,
				chat.Option{Title: "Home", URL: "https://www.example.com"}, chat.Option{Title: "Away", Value: "away"})
		}
		return echo(c)
	}
	w.up()
	alice := w.mm.Alice
	name := "@" + w.bot.Username
	root := alice.Post(t, w.room.ID, name+" menu", "")
	menu := w.answers(alice, w.room.ID, 1)[0]
	if !strings.Contains(menu.Message, "1. The red one") || !strings.Contains(menu.Message, "2. ") {
		t.Errorf("no words to type: %q", menu.Message)
	}
	if menu.Props["attachments"] == nil {
		t.Fatalf("no buttons: %v", menu.Props)
	}
	if err := w.mm.Bob.ClickButton(t.Context(), menu.ID, "option1"); err != nil {
		t.Fatal(err)
	}
	w.answered(alice, w.room.ID, 2, "bob> re: red", root)
	entries := w.talk(th(w.room.ID, root))
	if c := entries[2].Content; c.Click == nil || c.Click.Display != "The red one" || c.Speaker != "bob" {
		t.Errorf("the press: %+v", entries[2])
	}
	// Quick replies are gone, text and key of the post are not.
	after := alice.GetPost(t, menu.ID)
	if after.Props["attachments"] != nil || after.Message != menu.Message || after.Props["parley"] == nil || after.Props["unsafe_links"] != "true" {
		t.Errorf("after the press: %+v", after)
	}
	if err := w.mm.Bob.ClickButton(t.Context(), menu.ID, "option2"); err == nil {
		t.Error("a button that is gone can be pressed")
	}
	alice.Post(t, w.room.ID, "links", root)
	links := w.answers(alice, w.room.ID, 3)
	var last mmtest.Post
	for _, p := range links {
		if strings.Contains(p.Message, "Where to?") {
			last = p
		}
	}
	for i := range 2 { // buttons stay
		if err := alice.ClickButton(t.Context(), last.ID, "option1"); err != nil {
			t.Fatal(err)
		}
		w.answers(alice, w.room.ID, 4+i)
	}
}

// pressOf calls us as Mattermost does, about a button that we have signed.
func (w *world) pressOf(signed map[string]any, by *mmtest.User, post, trigger string) string {
	w.t.Helper()
	payload, err := json.Marshal(signed)
	if err != nil {
		w.t.Fatal(err)
	}
	token := w.options.Signer.Sign("mattermost action", payload, time.Now().Add(time.Hour))
	body, err := json.Marshal(map[string]any{
		"user_id": by.ID, "channel_id": w.room.ID, "post_id": post, "trigger_id": trigger, "context": map[string]string{"token": token},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.Post(w.hooks.URL+"/mattermost/"+string(w.id)+"/actions", "application/json", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s, %v", resp.Status, err)
	}
	return string(text)
}

func TestWhosePressCounts(t *testing.T) {
	w := newWorld(t, settings{"replies": map[string]any{"room": "flat"}}).up()
	alice, bob := w.mm.Alice, w.mm.Bob
	alice.Post(t, w.room.ID, "@"+w.bot.Username+" hello", "")
	ours := w.answered(alice, w.room.ID, 1, "alice> re: hello", "")
	dm := bob.Direct(t, w.bot.ID)
	bob.Post(t, dm, "between us", "")
	elsewhere := w.answered(bob, dm, 1, "re: between us", "")

	place := "room:" + w.room.ID + ":" + alice.ID
	conv, err := w.store.ConversationByPlace(t.Context(), w.id, place)
	if err != nil {
		t.Fatal(err)
	}
	button := func(value string) map[string]any {
		return map[string]any{"c": w.id, "v": conv.ID, "p": place, "s": value, "t": value, "q": true, "e": 2}
	}
	if got := w.pressOf(button("red"), bob, ours.ID, "t1"); !strings.Contains(got, "somebody else's question") {
		t.Errorf("by another person: %s", got)
	}
	// Quick replies go away, and what they stand under is never told of another room.
	if got := w.pressOf(button("red"), alice, elsewhere.ID, "t2"); strings.Contains(got, "between us") {
		t.Errorf("a post of another room is told: %s", got)
	}
	// The first press counts, also when the second comes before they are gone.
	if got := w.pressOf(button("blue"), alice, ours.ID, "t3"); !strings.Contains(got, `"update"`) {
		t.Errorf("the second press: %s", got)
	}
	w.answered(alice, w.room.ID, 2, "alice> re: red", "")
	for _, e := range w.talk(place) {
		if c := e.Content.Click; c != nil && c.Value != "red" {
			t.Errorf("counted: %+v", e)
		}
	}
	if n := len(w.talk(place)); n != 4 {
		t.Errorf("%d entries", n)
	}
}

func TestForgedPress(t *testing.T) {
	w := newWorld(t, nil).up()
	url := w.hooks.URL + "/mattermost/" + string(w.id) + "/actions"
	good := `{"user_id":"` + w.mm.Alice.ID + `","channel_id":"` + w.room.ID + `","post_id":"` + w.room.ID + `","trigger_id":"x","context":{"token":"`
	for body, want := range map[string]int{
		`{}`: 400, `not json`: 400, `{"user_id":"x"}`: 400, "{\"x\":\"" + strings.Repeat("x", 70<<10) + "\"}": 400,
		good + `"}}`: 200, good + `AAAA"}}`: 200, good + strings.Repeat("A", 9<<10) + `"}}`: 200,
	} {
		resp, err := http.Post(url, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var text [4096]byte
		n, _ := resp.Body.Read(text[:])
		resp.Body.Close()
		if resp.StatusCode != want || want == 200 && !strings.Contains(string(text[:n]), "not valid any more") {
			t.Errorf("%.40s: %s %s", body, resp.Status, text[:n])
		}
	}
	if resp, err := http.Get(url); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v %v", resp, err)
	}
}
