package flow_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/assistant"
	"parley/internal/assistant/flow"
	"parley/internal/chat"
)

func TestInstant(t *testing.T) {
	small := talk(t, desk).a
	big, err := flow.Compile("f", large(600))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("how can I send it back ", 50)
	tests := []struct {
		name    string
		a       *flow.Assistant
		entries []chat.Entry
		want    bool
	}{
		{"nothing", small, nil, true},
		{"a phrasing", small, []chat.Entry{message(chat.TextContent("opening hours"))}, true},
		{"other words", small, []chat.Entry{message(chat.TextContent("what are your opening hours"))}, true},
		{"a long text", small, []chat.Entry{message(chat.TextContent(long))}, false},
		{"a long text of spaces", small, []chat.Entry{message(chat.TextContent(strings.Repeat(" ", 5000)))}, true},
		{"the opened chat of a large FAQ", big, []chat.Entry{connect()}, true},
		{"a phrasing of a large FAQ", big, []chat.Entry{message(chat.TextContent("how do i change my order x0"))}, true},
		{"a press in a large FAQ", big, []chat.Entry{message(chat.ClickContent("e5", "Five"))}, true},
		{"other words for a large FAQ", big, []chat.Entry{message(chat.TextContent("my order, please"))}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := assistant.Input{Entries: tt.entries}
			reply, ok := tt.a.Instant(in)
			if ok != tt.want {
				t.Fatalf("instant %v, want %v", ok, tt.want)
			}
			want, err := tt.a.Answer(context.Background(), assistant.Turn{Input: in})
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				want = assistant.Reply{}
			}
			if diff := cmp.Diff(want, reply); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKind(t *testing.T) {
	a, err := flow.Kind{}.Compile("f", []byte(desk))
	if err != nil {
		t.Fatal(err)
	}
	if a.Collects() {
		t.Error("each message gets its own answer")
	}
	if _, ok := a.(assistant.Instant); !ok {
		t.Error("a flow is not instant")
	}
	if a, err := (flow.Kind{}).Compile("f", []byte("-")); err == nil || a != nil {
		t.Errorf("a bad definition gives %v, %v", a, err)
	}
}
