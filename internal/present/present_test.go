package present

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"parley/internal/chat"
)

var buttons = chat.ChoicesContent("Which *one*?", chat.StyleButtons,
	chat.Option{Title: "Track a parcel", Value: "track"},
	chat.Option{Title: "Our [shop]", URL: "https://shop.example/a (b)"},
	chat.Option{Title: "Send\nback", Value: "return"},
)

var cards = chat.Content{Version: 1, Type: chat.TypeCards, Text: "Two offers", Cards: []chat.Card{
	{Title: "Tea*", Subtitle: "green", ImageURL: "https://shop.example/tea.png", Options: []chat.Option{{Title: "Buy", Value: "buy tea"}}},
	{Title: "Coffee", Options: []chat.Option{{Title: "Buy", Value: "buy coffee"}, {Title: "More", URL: "javascript:alert(1)"}}},
}}

func file(url, name string) chat.Content {
	return chat.Content{Version: 1, Type: chat.TypeFile, File: &chat.File{URL: url, Name: name}}
}

func TestPlainAndMarkdown(t *testing.T) {
	tests := []struct {
		name    string
		content chat.Content
		plain   string
		bare    string // Markdown without choices
		full    string // and with them; empty when it is the same
	}{
		{"text", chat.TextContent("**as** it is "), "**as** it is ", "**as** it is ", ""},
		{"a click", chat.ClickContent("track", "Track a parcel"), "Track a parcel", "Track a parcel", ""},
		{"an event", chat.EventContent("connect"), "", "", ""},
		{"a type of a later version", chat.Content{Version: 9, Type: "form", Text: "A form"}, "A form", "A form", ""},
		{
			"choices", buttons,
			"Which *one*?\n\n1. Track a parcel\n2. Our [shop]: https://shop.example/a (b)\n3. Send back",
			"Which *one*?",
			"Which *one*?\n\n1. Track a parcel\n2. [Our \\[shop\\]](https://shop.example/a%20%28b%29)\n3. Send back",
		},
		{
			"cards", cards,
			"Two offers\n\nTea*\ngreen\nhttps://shop.example/tea.png\n\n1. Buy\n\nCoffee\n\n2. Buy\n3. More: javascript:alert(1)",
			"Two offers\n\n**Tea\\***\ngreen\nhttps://shop.example/tea.png\n\n**Coffee**",
			"Two offers\n\n**Tea\\***\ngreen\nhttps://shop.example/tea.png\n\n1. Buy\n\n**Coffee**\n\n2. Buy\n3. More",
		},
		{"a file", file("https://x.example/a.pdf", "A [1].pdf"), "A [1].pdf: https://x.example/a.pdf", "[A \\[1\\].pdf](https://x.example/a.pdf)", ""},
		{"a file without a name", file("https://x.example/a.pdf", ""), "https://x.example/a.pdf", "https://x.example/a.pdf", ""},
		{"a file at no address", file("file:///etc/passwd", "*x*"), "*x*: file:///etc/passwd", `\*x\*`, ""},
		{"choices that are missing", chat.Content{Type: chat.TypeChoices, Text: "x"}, "x", "x", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			full := test.full
			if full == "" {
				full = test.bare
			}
			for what, pair := range map[string][2]string{
				"Plain":                 {test.plain, Plain(test.content)},
				"Markdown":              {test.bare, Markdown(test.content, MarkdownOptions{})},
				"Markdown with choices": {full, Markdown(test.content, MarkdownOptions{Choices: true})},
			} {
				if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
					t.Errorf("%s: %s", what, diff)
				}
			}
		})
	}
}

func TestMarkdownLoadsNoImages(t *testing.T) {
	tests := []struct{ md, want string }{
		{"a ![cat](https://x.y/c.png) b", "a [cat](https://x.y/c.png) b"},
		{"![](https://x.y/c.png)", "https://x.y/c.png"},
		{"![cat](https://x.y/c.png =100x50)", "[cat](https://x.y/c.png)"},
		{`![cat](https://x.y/c.png "A cat")`, `[cat](https://x.y/c.png "A cat")`},
		{"[![cat](https://x.y/c.png)](https://x.y)", "[cat](https://x.y)"},
		{"![a ![b](https://x.y/b)](https://x.y/a)", "[a [b](https://x.y/b)](https://x.y/a)"},
		{"![cat](https://x.y/(c).png)", "[cat](https://x.y/(c).png)"},
		{"![cat](https://x.y/c.png", "[cat](https://x.y/c.png"},
		{"![cat][1]\n\n[1]: https://x.y/c.png", "[cat][1]\n\n[1]: https://x.y/c.png"},
		{"`![cat](https://x.y/c.png)`", "`![cat](https://x.y/c.png)`"},
		{"```\n![cat](https://x.y/c.png)\n```", "```\n![cat](https://x.y/c.png)\n```"},
		{"``` ```\n![cat](https://x.y/c.png)", "``` ```\n[cat](https://x.y/c.png)"},
		{"wow![0] x", "wow![0] x"},
		{`\![cat](https://x.y/c.png)`, `\![cat](https://x.y/c.png)`},
		{`\\![cat](https://x.y/c.png)`, `\\[cat](https://x.y/c.png)`},
		{"![" + strings.Repeat("a", 5000) + "](https://x.y/c.png)", "[" + strings.Repeat("a", 5000) + "](https://x.y/c.png)"},
		{"a\r\nb\rc\x00\x0cd\xff", "a\nb\ncd\uFFFD"},
	}
	for _, test := range tests {
		if got := Markdown(chat.TextContent(test.md), MarkdownOptions{}); got != test.want {
			t.Errorf("%q became %q, want %q", test.md, got, test.want)
		}
	}
}

func TestOptions(t *testing.T) {
	if diff := cmp.Diff(buttons.Choices.Options, Options(buttons)); diff != "" {
		t.Error(diff)
	}
	if got := Options(cards); len(got) != 3 || got[1].Value != "buy coffee" {
		t.Errorf("the options of cards are %v", got)
	}
	if got := Options(chat.TextContent("x")); got != nil {
		t.Errorf("text has options: %v", got)
	}
}

func TestChoice(t *testing.T) {
	options := []chat.Option{
		{Title: "Track a parcel", Value: "track"},
		{Title: "Our shop", URL: "https://shop.example"},
		{Title: "Größe & Maß?", Value: "size"},
		{Title: "Crème", Value: "creme"},
		{Title: "Creme", Value: "cream"},
		{Title: "Same", Value: "s1"},
		{Title: "same!", Value: "s2"},
		{Title: "Twice", Value: "t"},
		{Title: "twice", Value: "t"},
		{Title: "1", Value: "one"},
		{Title: "👍", Value: "yes"},
	}
	tests := map[string]string{ // typed: value, or "" for none
		"Track a parcel": "track", "  track  A\tPARCEL ": "track", "track-a-parcel": "track", "“Track a parcel.”": "track", "track": "track",
		"3": "size", "3.": "size", " 3) ": "size", "größe & maß": "size", "GROSSE & MASS": "size", "Gro\u0308ße & Maß": "size",
		"Crème": "creme", "creme": "", "cream": "cream", "Same": "", "s2": "s2", "twice": "t", "👍": "yes", "11": "yes",
		"1": "", "one": "one", "Our shop": "", "2": "", "0": "", "12": "", "100": "", "1.5": "", "": "", " ": "", "parcel": "", "?": "",
		strings.Repeat("x", 5000): "",
	}
	for typed, want := range tests {
		got, ok := Choice(options, typed)
		if ok != (want != "") || got.Value != want {
			t.Errorf("%q means %q (%v), want %q", typed, got.Value, ok, want)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	f.Add("![a](b)", "title", "https://x.y", "2")
	f.Add("`![a](b)` ![c][d]", "*", "javascript:x", "*")
	f.Fuzz(func(t *testing.T, words, title, url, typed string) {
		c := chat.ChoicesContent(words, chat.StyleButtons, chat.Option{Title: title, Value: "v"}, chat.Option{Title: title, URL: url})
		md := Markdown(c, MarkdownOptions{Choices: true})
		for i := range images(md) {
			t.Errorf("an image is left at byte %d of %q", i, md)
		}
		if chosen, ok := Choice(c.Choices.Options, typed); ok && chosen.Value != "v" {
			t.Errorf("%q means %v", typed, chosen)
		}
		if Plain(c) == "" {
			t.Error("nothing to read")
		}
	})
}

// images returns where CommonMark sees images.
func images(md string) map[int]bool {
	found := map[int]bool{}
	doc := newParser(true).Parse(text.NewReader([]byte(md)))
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if n.Kind() == ast.KindImage && entering {
			found[n.Pos()] = true
		}
		return ast.WalkContinue, nil
	})
	return found
}
