package mattermost

import (
	"strings"
	"testing"
)

func TestMentions(t *testing.T) {
	for text, want := range map[string]bool{
		"@helper hi": true, "hi @HELPER": true, "@helper, hi": true, "@helper.": true, "@helper...": true, "(@helper)": true,
		"**@helper**": true, "@helper-": true, "a\n@helper\nb": true, "@helper@helper": true, "@helper: x": true, "> @helper": true,
		"@helper's": true, "`a` @helper": true, "` @helper": true, "``` `a` ``` x @helper": true,
		"helper": false, "@helper2": false, "@helper.two": false, "@helpers": false, "mail@helper": false, "@helperé": false,
		"`@helper`": false, "``a ` @helper``": false, "```\n@helper\n```": false, "~~~\n@helper\n~~~": false, "x\n\n    @helper": false,
		"    @helper": false, "```\n@helper": false, "@all @channel @here": false, "": false, "@": false, "@ helper": false,
		"x\n    @helper": true, "```\na\n```\n@helper": true,
	} {
		if got := mentions(text, "helper"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestStripMention(t *testing.T) {
	for text, want := range map[string]string{
		"@helper hi": "hi", "@helper: hi": "hi", "@Helper, hi": "hi", "  @helper   hi  ": "hi", "hi @helper": "hi", "hi, @helper!": "hi!",
		"what says @helper about it": "what says helper about it", "@helper @helper hi": "hi", "@helper": "", "@helper `@helper`": "`@helper`",
		"nothing": "nothing", "@helpers hi": "@helpers hi", "@helper\n```\n@helper\n```": "```\n@helper\n```", "@helper.": ".",
	} {
		if got := stripMention(text, "helper"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestCutPrefix(t *testing.T) {
	for text, want := range map[string]string{"!bot hi": "hi", "!BOT": "", " !bot, hi": "hi", "!bot\nhi": "hi", "!bot:hi": "hi"} {
		if got, ok := cutPrefix(text, "!bot"); !ok || got != want {
			t.Errorf("%q: %q %v", text, got, ok)
		}
	}
	for _, text := range []string{"!bots", "!bot-x", "x !bot", "!bo", "", "!boté"} {
		if _, ok := cutPrefix(text, "!bot"); ok {
			t.Errorf("%q was taken", text)
		}
	}
}

func FuzzMention(f *testing.F) {
	for _, seed := range []string{"@helper hi", "`@helper`", "```\n@helper\n```\n@helper", "    @helper\n", "~~~~\n```\n~~~", "é@helperé", "\x00@\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if mentions(text, "helper") && !strings.Contains(strings.ToLower(text), "@helper") {
			t.Errorf("a mention in %q", text)
		}
		out := stripMention(text, "helper")
		if len(out) > len(text) {
			t.Errorf("%q grew to %q", text, out)
		}
		for _, s := range codeSpans(text) {
			if s.from < 0 || s.to > len(text) || s.from > s.to {
				t.Errorf("%q: span %v", text, s)
			}
		}
		cutPrefix(text, "!bot")
	})
}

func FuzzPlace(f *testing.F) {
	id := strings.Repeat("a1", 13)
	for _, seed := range []string{"dm:" + id, "th:" + id + ":" + id, "room:" + id + ":" + id, "alerts:" + id, "th:" + id, "dm:" + id + ":" + id, "", ":", "dm:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if p, ok := parsePlace(key); ok && p.key() != key {
			t.Errorf("%q became %q", key, p.key())
		}
	})
}
