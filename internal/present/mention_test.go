package present

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// A * stands for the zero-width space in what is wanted. Texts in the table
// have no other *.
func TestBreakMentions(t *testing.T) {
	tests := []struct{ name, md, want string }{
		{"nobody", "no one here", "no one here"},
		{"the three", "@all @channel, (@here)", "@*all @*channel, (@*here)"},
		{"a person at the start", "@alice: hello", "@*alice: hello"},
		{"on each line", "a\n@bob\r\n@bob", "a\n@*bob\r\n@*bob"},
		{"after punctuation", "x.@all y-@all z:@all _@all /@all", "x.@*all y-@*all z:@*all _@*all /@*all"},
		{"doubled", "@@all", "@*@*all"},
		{"full width", "＠all ﹫all", "＠*all ﹫*all"},
		{"as an entity", "&#64;all &#x40;all &#0064;all &commat;all &#64 &amp;", "&#64;*all &#x40;*all &#0064;*all &commat;*all &#64 &amp;"},
		{"escaped", `\@all @\all @&#97;ll`, `\@*all @*\all @*&#97;ll`},
		{"alone", "mail @ work, @", "mail @ work, @"},
		{"broken before", "@\u200ball", "@*all"},
		{"capitals", "@ALL @Channel", "@*ALL @*Channel"},
		{"an e-mail address", "Mail help@example.com, or a.b+c@mail.example.org.", "Mail help@example.com, or a.b+c@mail.example.org."},
		{"an address abroad", "max@müller.de", "max@müller.de"},
		{"no e-mail address", "x@all a.@b.com x@all@example.com", "x@*all a.@*b.com x@*all@example.com"},

		{"in code", "run `npm i @vue/cli` now", "run `npm i @vue/cli` now"},
		{"in longer marks", "`` a ` @all ``", "`` a ` @all ``"},
		{"a single mark", "it`s @all", "it`s @*all"},
		{"escaped marks", "\\`@all\\`", "\\`@*all\\`"},
		{"half escaped marks", "\\`a` @all `b`", "\\`a` @all `b`"},
		{"marks of two paragraphs", "`a\n\n@all`", "`a\n\n@*all`"},
		{"after a heading", "# Title `a\n@all` b", "# Title `a\n@all` b"},
		{"a fence", "```py\n@decorator\ndef f(): pass\n```\n@all", "```py\n@decorator\ndef f(): pass\n```\n@*all"},
		{"a fence with tildes", "~~~\n@all\n```\n@all\n~~~\n@all", "~~~\n@all\n```\n@all\n~~~\n@*all"},
		{"a fence without end", "```\n@all", "```\n@all"},
		{"a fence of tabs", "```\n\t@all\n  \t@all\n```", "```\n\t@all\n  \t@all\n```"},
		{"a fence in HTML", "<div>\n```\n@all\n```\n</div>", "<div>\n```\n@all\n```\n</div>"},
		{"a fence in a list", "- a\n\n  ```\n  @all\n  ```\n- @all", "- a\n\n  ```\n  @all\n  ```\n- @*all"},
		{"a fence in a quotation", "> ```\n> @all\n> ```\n> @all", "> ```\n> @all\n> ```\n> @*all"},
		{"indented", "text\n\n    @all\n\n@all", "text\n\n    @all\n\n@*all"},
		{"indented below text", "text\n    @all", "text\n    @*all"},
		{"indented below a heading, which Mattermost does not know", "# title\n    @all", "# title\n    @*all"},
		{"indented below a rule", "***\n    @all", "***\n    @*all"},
		{"indented in a list", "- a\n\n      @all", "- a\n\n      @*all"},
		{"a fence that Mattermost ends sooner", "```\n@all\n``` ```\n@all\n```", "```\n@all\n``` ```\n@*all\n```"},
		{"a fence that Mattermost does not open", "~~~ `\n@all\n~~~", "~~~ `\n@*all\n~~~"},
		{"a fence that only Mattermost opens", "text\n     ```\n     @all\n```\n@all\n", "text\n     ```\n     @*all\n```\n@*all\n"},
		{"an address that swallows a mark", "http://example.com/` @all `", "http://example.com/` @*all `"},
		{"a reference that swallows a mark", "[a]: /u \"`\"\n@all `x`", "[a]: /u \"`\"\n@*all `x`"},

		{"the words of a link", "[@all](https://example.com)", "[@*all](https://example.com)"},
		{"the address of a link", "[her](https://social.example/@alice) @all", "[her](https://social.example/@alice) @*all"},
		{"code in a link", "see [`@alice`](https://social.example/@alice)", "see [`@alice`](https://social.example/@alice)"},
		{"code beside and in addresses", "`https://example.com/@all` and https://example.com/a, `@all`", "`https://example.com/@all` and https://example.com/a, `@all`"},
		{"an e-mail address in a link", "andrew@example.com [andrew@example.com](https://example.com)", "andrew@example.com [andrew@*example.com](https://example.com)"},
		{"no link at all", "her](https://social.example/@alice)", "her](https://social.example/@alice)"},
		{"an address by itself", "See https://social.example/@alice, @all", "See https://social.example/@alice, @*all"},
		{"an address after a bracket", "[1 https://social.example/@alice", "[1 https://social.example/@*alice"},
		{"an address with a name", "https://bob@example.com/x git@example.com:x", "https://bob@example.com/x git@example.com:x"},
		{"an address in doubt", "https://example.com@all/x", "https://example.com@*all/x"},
		{"an address without its scheme", "social.example/@alice", "social.example/@*alice"},
		{"a reference", "[a]\n\n[a]: https://social.example/@alice", "[a]\n\n[a]: https://social.example/@*alice"},
		{"a title", `[a](https://example.com "@all")`, `[a](https://example.com "@*all")`},
		{"an image", "![@all](https://example.com/@alice)", "![@*all](https://example.com/@*alice)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := test.want
			if !strings.Contains(strings.ReplaceAll(test.md, "***", ""), "*") {
				want = strings.ReplaceAll(strings.ReplaceAll(want, "***", "<rule>"), "*", mark)
				want = strings.ReplaceAll(want, "<rule>", "***")
			}
			if got := BreakMentions(test.md); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			checkBroken(t, test.md)
		})
	}
}

// bareName finds an @ with a name that is no part of an e-mail address.
var bareName = regexp.MustCompile(`(?:^|[^\p{L}\p{N}])@[\p{L}\p{N}_.:-]`)

// checkBroken checks what holds for every text.
func checkBroken(t *testing.T, md string) {
	t.Helper()
	got := BreakMentions(md)
	if strings.ReplaceAll(got, mark, "") != strings.ReplaceAll(md, mark, "") {
		t.Errorf("%q became %q", md, got)
	}
	if again := BreakMentions(got); again != got {
		t.Errorf("%q became %q and then %q", md, got, again)
	}
	r := readMarkdown(got)
	for _, at := range bareName.FindAllStringIndex(got, -1) {
		i := at[0] + strings.IndexByte(got[at[0]:], '@')
		if !within(r.code, i) && !within(r.targets, i) {
			t.Errorf("%q became %q, which pings at byte %d", md, got, i)
		}
	}
}

// A hostile text of the longest post takes no time to speak of: two seconds on a
// quiet machine at worst. With the race detector on a busy one it is more, and
// what tries all ways to read it would still not be through.
func TestBreakMentionsOfHostileTexts(t *testing.T) {
	for _, unit := range []string{"@", "@a ", "`", "` ", "[", "![", "[a](", "](", "> ", "- ", "``` \n", "~~~\n", "[a](b)@x ", "http://@", "www.", "<", "&#64;", "\\", "a@b.", "\t", "1. "} {
		md := strings.Repeat(unit, 16383/len(unit)) + "@all"
		checkBroken(t, md)
		start := time.Now()
		BreakMentions(md)
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%q again and again takes %v", unit, took)
		}
	}
	var b strings.Builder
	for i := 1; b.Len() < 16383; i++ {
		b.WriteString(strings.Repeat("`", i) + " @all ")
	}
	checkBroken(t, b.String())
}

func FuzzBreakMentions(f *testing.F) {
	for _, md := range nasty {
		f.Add(md)
	}
	f.Fuzz(func(t *testing.T, md string) { checkBroken(t, md) })
}
