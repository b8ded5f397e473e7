package demo_test

import (
	"strings"
	"testing"

	"parley/internal/assistant"
	"parley/internal/assistant/flow"
	"parley/internal/assistant/flow/demo"
	"parley/internal/chat"
)

func compiled(t *testing.T) *flow.Assistant {
	t.Helper()
	a, err := flow.Compile(demo.File, demo.Definition())
	if err != nil {
		t.Fatalf("the demo assistant does not compile:\n%v", err)
	}
	return a
}

func TestConversations(t *testing.T) {
	results, err := flow.RunTests(compiled(t), "demo.test.yaml", demo.Tests())
	if err != nil {
		t.Fatal(err)
	}
	if len(results.Tests) == 0 || !results.OK() {
		var b strings.Builder
		if _, err := results.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		t.Errorf("\n%s", b.String())
	}
}

func TestNoWarnings(t *testing.T) {
	r := flow.Check(demo.File, demo.Definition())
	for _, p := range append(r.Errors, r.Warnings...) {
		t.Error(p)
	}
}

// TestForms checks what client apps are shown: the demo is what an SDK is
// pointed at first.
func TestForms(t *testing.T) {
	a := compiled(t)
	say := func(text string) []chat.Content {
		reply, ok := a.Instant(assistant.Input{Entries: []chat.Entry{{Draft: chat.Draft{
			Author: chat.Author{Kind: chat.ByContact}, Purpose: chat.Message, Content: chat.TextContent(text),
		}}}})
		if !ok || len(reply.Messages) != 1 {
			t.Fatalf("%q: got %d messages, instant %v; want one", text, len(reply.Messages), ok)
		}
		return reply.Messages
	}
	if m := say("Hi")[0]; m.Type != chat.TypeText {
		t.Errorf("Hi is answered with %s, want text", m.Type)
	}
	buttons := say("buttons")[0]
	if buttons.Type != chat.TypeChoices || buttons.Choices.Style != chat.StyleButtons {
		t.Fatalf("buttons is answered with %+v", buttons)
	}
	if first := buttons.Choices.Options[0]; first.Value == "" {
		t.Errorf("the first button %+v sends nothing", first)
	}
	if second := buttons.Choices.Options[1]; !strings.HasPrefix(second.URL, "https://") {
		t.Errorf("the second button %+v opens nothing", second)
	}
	if m := say("quick replies")[0]; m.Type != chat.TypeChoices || m.Choices.Style != chat.StyleQuickReplies {
		t.Errorf("quick replies is answered with %+v", m)
	}
}
