package mmwebhook

import (
	"strings"
	"testing"
	"unicode/utf8"

	"parley/internal/chat"
	"parley/internal/present"
)

func one(text string) []chat.Content { return []chat.Content{chat.TextContent(text)} }

func TestSlackForms(t *testing.T) {
	for text, want := range map[string]string{
		"<!channel> and <!here>, <!all>": "<\u200b!channel> and <\u200b!here>, <\u200b!all>",
		"`<!channel>`":                   "`<\u200b!channel>`",
		"<!DOCTYPE html>":                "<!DOCTYPE html>",
		"<https://a.example|words>":      "[words](https://a.example)",
		"!<https://a.example/x.png|alt>": "[alt](https://a.example/x.png)",
		"a | b <c":                       "a | b <c",
		"hello @channel":                 "hello @\u200bchannel",
	} {
		if got := responseText(one(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if got := posts(chat.TextContent(text)); len(got) != 1 || got[0] != want {
			t.Errorf("%q: posts %q, want %q", text, got, want)
		}
	}
	if got := responseText(one("<@g8sax5ec7fn4tqk9fd1kagdhpe>")); slackMention.MatchString(got) {
		t.Errorf("%q", got)
	}
}

// What Mattermost makes of a text must be what was judged.
func FuzzSlackForms(f *testing.F) {
	f.Add("<a|b> <!channel> !<https://x|y> <@abc>")
	f.Add("<<a|b>|c> ```\n<!here>\n```")
	f.Add("<a|<!channel>>")
	f.Add("`<!all|x>`@all")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			return
		}
		for _, got := range append(posts(chat.TextContent(text)), responseText(one(text))) {
			if slackLink.MatchString(got) || slackMention.MatchString(got) {
				t.Errorf("%q: Mattermost would change %q", text, got)
			}
			if again := present.BreakMentions(got); again != got {
				t.Errorf("%q: a mention is left in %q", text, got)
			}
		}
	})
}

func TestResponseText(t *testing.T) {
	if got := responseText([]chat.Content{chat.TextContent("one"), chat.TextContent(""), chat.TextContent("two")}); got != "one\n\ntwo" {
		t.Errorf("%q", got)
	}
	// An open fence of one entry makes text of the code in the next.
	got := responseText([]chat.Content{chat.TextContent("```\nopen"), chat.TextContent("```\n@alice\n```")})
	if strings.Contains(got, "@alice") {
		t.Errorf("%q", got)
	}
	long := responseText(one("```\n" + strings.Repeat("@alice ", 4000) + "\n```"))
	if strings.Contains(long, "@alice") || utf8.RuneCountInString(long) <= maxPost {
		t.Errorf("Mattermost cuts it, and %.40q is no code after the cut", long)
	}
	if got := responseText(one(strings.Repeat("ü", maxResponse))); len(got) > maxResponse+100 || !utf8.ValidString(got) || !strings.HasSuffix(got, "too long]") {
		t.Errorf("%d bytes, ends with %q", len(got), got[len(got)-40:])
	}
}
