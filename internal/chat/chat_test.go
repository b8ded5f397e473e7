package chat_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

func TestEntryIDRoundTrip(t *testing.T) {
	id := chat.EntryID{Conversation: "cv-0192f3c4-1d2e-7abc-8def-0123456789ab", Seq: 17}
	text := id.String()
	if text != "ms-0192f3c4-1d2e-7abc-8def-0123456789ab-17" {
		t.Fatalf("String = %q", text)
	}
	got, err := chat.ParseEntryID(text)
	if err != nil || got != id {
		t.Fatalf("Parse = %v, %v", got, err)
	}
	for _, bad := range []string{"", "ms-", "ms-a", "ms-a-", "ms-a-0", "ms-a-01", "ms-a-+1", "cv-a-1", "ms--1"} {
		if got, err := chat.ParseEntryID(bad); err == nil {
			t.Errorf("ParseEntryID(%q) = %v", bad, got)
		}
	}
}

func FuzzParseEntryID(f *testing.F) {
	f.Add("ms-0192f3c4-17")
	f.Add("ms--")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := chat.ParseEntryID(s); err == nil && id.String() != s {
			t.Errorf("%q reads as %v, which writes %q", s, id, id.String())
		}
	})
}

// The drawing in the documentation and the table in the code say the same.
func TestMovesAreDrawn(t *testing.T) {
	doc, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, move := range chat.Moves() {
		from, rest, _ := strings.Cut(move, " -")
		name, to, _ := strings.Cut(rest, "-> ")
		if line := from + " --> " + to + ": " + name; !bytes.Contains(doc, []byte(line)) {
			t.Errorf("docs/architecture.md does not draw %q", line)
		}
	}
}

func TestApplyMoves(t *testing.T) {
	at := time.UnixMilli(1000)
	all := []chat.Control{chat.ControlAssistant, chat.ControlQueue, chat.ControlHuman, chat.ControlNone}
	moves := []chat.Move{chat.HandOver, chat.Take, chat.GiveBack, chat.Requeue, chat.Finish}
	allowed := strings.Join(chat.Moves(), "\n")
	for _, from := range all {
		for _, move := range moves {
			before := chat.Episode{Key: 1, ID: "ep-1", Control: from, Epoch: 4}
			if from == chat.ControlNone {
				before.ClosedAt = at
			}
			after, err := before.Apply(chat.Change{Move: move, Queue: "q", Agent: "a", Outcome: "done", At: at})
			want := strings.Contains(allowed, string(from)+" -"+string(move)+"->")
			switch {
			case want != (err == nil):
				t.Errorf("%s %s: %v", from, move, err)
			case err != nil && !cmp.Equal(before, after):
				t.Errorf("%s %s: a refused move changed the episode", from, move)
			case err == nil && after.Epoch != 5:
				t.Errorf("%s %s: epoch %d", from, move, after.Epoch)
			case err == nil && (after.Queue != "") != (after.Control == chat.ControlQueue):
				t.Errorf("%s %s: queue %q", from, move, after.Queue)
			case err == nil && (after.Agent != "") != (after.Control == chat.ControlHuman):
				t.Errorf("%s %s: agent %q", from, move, after.Agent)
			case err == nil && after.Open() != (after.Control != chat.ControlNone):
				t.Errorf("%s %s: open %v", from, move, after.Open())
			}
		}
	}
}

func TestReaches(t *testing.T) {
	entry := func(v chat.Visibility, origin chat.LegKey) chat.Entry {
		return chat.Entry{Draft: chat.Draft{Purpose: chat.Message, Visibility: v}, Conversation: 1, Episode: 7, Origin: origin}
	}
	event := entry(chat.VisibleToAll, 0)
	event.Purpose = chat.Event
	feed := chat.Leg{Key: 10, Conversation: 1, Kind: chat.LegContact, Mode: chat.LegFeed}
	push := chat.Leg{Key: 11, Conversation: 1, Kind: chat.LegContact, Mode: chat.LegPush}
	desk := chat.Leg{Key: 12, Conversation: 1, Episode: 7, Kind: chat.LegDesk, Mode: chat.LegPush}
	oldDesk := desk
	oldDesk.Episode = 6
	other := push
	other.Conversation = 2
	tests := []struct {
		name  string
		entry chat.Entry
		leg   chat.Leg
		want  bool
	}{
		{"answer to the window", entry(chat.VisibleToAll, 0), feed, true},
		{"own message to other windows", entry(chat.VisibleToAll, 10), feed, true},
		{"own message not back to a push leg", entry(chat.VisibleToAll, 11), push, false},
		{"window message to the desk", entry(chat.VisibleToAll, 10), desk, true},
		{"desk note stays", entry(chat.VisibleToDesk, 12), feed, false},
		{"desk note of the gateway to the desk", entry(chat.VisibleToDesk, 0), desk, true},
		{"desk of an earlier episode", entry(chat.VisibleToAll, 10), oldDesk, false},
		{"another conversation", entry(chat.VisibleToAll, 0), other, false},
		{"events stay inside", event, feed, false},
	}
	for _, tt := range tests {
		if got := chat.Reaches(tt.entry, tt.leg); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestContentRoundTrip(t *testing.T) {
	contents := []chat.Content{
		chat.TextContent("a <b> & c \u2028 \x00"),
		chat.ClickContent("check balance", "Balance"),
		chat.ChoicesContent("Choose", chat.StyleButtons, chat.Option{Title: "A", Value: "a"}, chat.Option{Title: "B", URL: "https://example.com"}),
		{Version: 1, Type: chat.TypeFile, File: &chat.File{URL: "https://example.com/a.png"}},
		chat.EventContent(chat.EventConnect),
	}
	for _, c := range contents {
		b, err := chat.EncodeContent(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := chat.DecodeContent(b)
		if err != nil || !cmp.Equal(got, c) {
			t.Errorf("%s: %v %s", b, err, cmp.Diff(c, got))
		}
	}
}

// A reader shows what a later version wrote by its plain text.
func TestContentOfTheFuture(t *testing.T) {
	for _, future := range []string{
		`{"v":2,"type":"hologram","text":"see me","hologram":{"x":1}}`,
		`{"v":2,"type":"text","text":"see me","click":"now a string"}`,
		`{"v":1,"type":"poll","text":"see me"}`,
		`{"v":1,"type":"choices","text":"see me"}`,
	} {
		got, err := chat.DecodeContent([]byte(future))
		if err != nil || !cmp.Equal(got, chat.TextContent("see me")) {
			t.Errorf("%s: %+v, %v", future, got, err)
		}
	}
	if _, err := chat.DecodeContent([]byte(`{"v":1,"text":5}`)); err == nil {
		t.Error("broken content of our own version is not an error")
	}
}

func TestValidateNamesTheField(t *testing.T) {
	tests := map[string]chat.Content{
		"version":                  {Type: chat.TypeText},
		"newer":                    {Version: chat.ContentVersion + 1, Type: chat.TypeText},
		"not known":                {Version: 1, Type: "poll"},
		"choices: there is none":   chat.ChoicesContent("x", chat.StyleButtons),
		"choices.style":            chat.ChoicesContent("x", "menu", chat.Option{Title: "A", Value: "a"}),
		"choices.options[1].title": chat.ChoicesContent("x", chat.StyleButtons, chat.Option{Title: "A", Value: "a"}, chat.Option{Value: "b"}),
		"either a value or a url":  chat.ChoicesContent("x", chat.StyleButtons, chat.Option{Title: "A"}),
		"text: is empty":           chat.ChoicesContent(" ", chat.StyleButtons, chat.Option{Title: "A", Value: "a"}),
		"file: has no address":     {Version: 1, Type: chat.TypeFile},
		"event: has no name":       {Version: 1, Type: chat.TypeEvent},
		"cards: there is none":     {Version: 1, Type: chat.TypeCards},
	}
	for want, c := range tests {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v does not say %q", c, err, want)
		}
	}
}

func FuzzDecodeContent(f *testing.F) {
	f.Add([]byte(`{"v":1,"type":"text","text":"hi"}`))
	f.Add([]byte(`{"v":9,"type":[],"text":"hi"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := chat.DecodeContent(b)
		if err != nil {
			return
		}
		again, err := chat.EncodeContent(c)
		if err != nil {
			t.Fatalf("%s decodes but does not encode: %v", b, err)
		}
		if !json.Valid(again) {
			t.Fatalf("%s encodes as %s", b, again)
		}
	})
}
