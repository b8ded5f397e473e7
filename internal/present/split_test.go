package present

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name  string
		md    string
		limit int
		want  []string
	}{
		{"nothing", "", 10, nil},
		{"only white space", " \n\t\n", 10, nil},
		{"fits", "  as it is\n", 20, []string{"  as it is\n"}},
		{"just fits", "12345", 5, []string{"12345"}},
		{"between paragraphs", "one two\nthree\n\nfour five six", 22, []string{"one two\nthree", "four five six"}},
		{"between lines", "one two\nthree four\nfive six", 20, []string{"one two\nthree four", "five six"}},
		{"after a sentence", "One two three. Four five six seven", 24, []string{"One two three.", "Four five six seven"}},
		{"after a Chinese sentence", "一二三四五。六七八九十", 8, []string{"一二三四五。", "六七八九十"}},
		{"between words", "one two three four", 10, []string{"one two", "three four"}},
		{"in a word", "abcdefghijkl", 5, []string{"abcde", "fghij", "kl"}},
		{"a good border far back is too far", "a\n\nbbbb cccc dddd eeee", 16, []string{"a\n\nbbbb cccc", "dddd eeee"}},
		{"no half of a flag", "🇩🇪🇫🇷🇬🇧", 3, []string{"🇩🇪", "🇫🇷", "🇬🇧"}},
		{"no half of a family", "ab👨‍👩‍👧cd", 6, []string{"ab", "👨‍👩‍👧c", "d"}},
		{"no letter without its marks", "abe\u0301\u0323d", 4, []string{"ab", "e\u0301\u0323d"}},
		{"skin tones", "aa👍🏽👍🏽", 3, []string{"aa", "👍🏽", "👍🏽"}},
		{"four-byte characters count one", strings.Repeat("😀", 9), 4, []string{"😀😀😀😀", "😀😀😀😀", "😀"}},
		{"more marks than there is room for", "e" + strings.Repeat("\u0301", 5), 4, []string{"e\u0301\u0301\u0301", "\u0301\u0301"}},
		{"a limit below one", "ab", 0, []string{"a", "b"}},
		{"bytes that are no text", "\xff\xfe\xfd", 2, []string{"\xff\xfe", "\xfd"}},
		{
			"a fence is closed and opened again", "Look:\n```go\nline one\nline two\nline three\n```\nDone.", 34,
			[]string{"Look:\n```go\nline one\nline two\n```", "```go\nline three\n```\nDone."},
		},
		{
			"a longer fence and tildes", "~~~~ a b\nx1\n~~~\nx2\nx3\nx4\nx5\n~~~~", 28,
			[]string{"~~~~ a b\nx1\n~~~\nx2\nx3\n~~~~", "~~~~ a b\nx4\nx5\n~~~~"},
		},
		{
			"rather before a fence than in it", "Text that is long enough.\n```\ncode\ncode\n```", 34,
			[]string{"Text that is long enough.", "```\ncode\ncode\n```"},
		},
		{
			"the closing mark is not cut off", "```\n1234\n5678\n```\n\ntext", 18,
			[]string{"```\n1234\n5678\n```", "text"},
		},
		{
			"a long line of code", "```\naaaaaaaaaaaaaaaaaaaa\n```", 16,
			[]string{"```\naaaaaaaa\n```", "```\naaaaaaaa\n```", "```\naaaa\n```"},
		},
		{
			"a fence in a list", "- item\n\n  ```sh\n  one\n  two\n  three\n  ```\n- next", 34,
			[]string{"- item\n\n  ```sh\n  one\n  two\n  ```", "```sh\nthree\n```\n- next"},
		},
		{
			"a deep fence in a list", "1. a\n   - b\n     ```sh\n     one\n       two\n     three\n     ```\n", 44,
			[]string{"1. a\n   - b\n     ```sh\n     one\n     ```", "```sh\n  two\nthree\n```"},
		},
		{
			"a fence beside the marker", "- ```\n  one\n  two\n  three\n  ```\n- next", 24,
			[]string{"- ```\n  one\n  two\n  ```", "```\nthree\n```\n- next"},
		},
		{
			"a fence that only its list ends", "- ```\n  one\n  two\n  three\nnext", 24,
			[]string{"- ```\n  one\n  two\n  ```", "```\nthree\n```\nnext"},
		},
		{
			"a fence in a quotation", "> ```\n> one\n> two\n> three\n> ```\nend", 24,
			[]string{"> ```\n> one\n> two\n> ```", "> ```\n> three\n> ```\nend"},
		},
		{
			"three marks in a line are no fence", "```one``` two three four five", 17,
			[]string{"```one``` two", "three four five"},
		},
		{
			"a shown fence is no fence", "    ```\n    one two\n\nthree four five six", 24,
			[]string{"    ```\n    one two", "three four five six"},
		},
		{
			"a fence too long to repeat", "```" + strings.Repeat("x", 30) + "\na b c d", 40,
			[]string{"```" + strings.Repeat("x", 30), "a b c d"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Split(test.md, test.limit)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			checkPieces(t, test.md, test.limit)
		})
	}
}

// checkPieces checks what holds for every text and limit.
func checkPieces(t *testing.T, md string, limit int) {
	t.Helper()
	limit = max(limit, 1)
	pieces := split(md, limit)
	var all strings.Builder
	for i, p := range pieces {
		part := p.head + p.body + p.tail
		if n := utf8.RuneCountInString(part); n > limit {
			t.Errorf("part %d has %d characters, the limit is %d: %q", i, n, limit, part)
		}
		if strings.TrimSpace(p.body) == "" {
			t.Errorf("part %d is empty: %q", i, part)
		}
		all.WriteString(p.body)
	}
	// What is out of its list may have got a closing mark; it is text here.
	if got, want := solid(all.String()), solid(md); got != want && !strings.ContainsAny(md, "-*+.)") {
		t.Errorf("the parts say %q, the text says %q", got, want)
	}
	if again := fmt.Sprint(split(md, limit)); again != fmt.Sprint(pieces) {
		t.Errorf("cut again gives %s, first %s", again, fmt.Sprint(pieces))
	}
}

// solid is a text without white space.
func solid(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

func TestSplitLongText(t *testing.T) {
	const limit = 16383
	for name, unit := range map[string]string{
		"words": "word ", "one word": "x", "code": "```\ncode\n```\n", "open fence": "```\n", "marks": "`", "brackets": "![", "list": "- ", "at": "@a ",
	} {
		md := strings.Repeat(unit, 100_000/len(unit))
		checkPieces(t, md, limit)
		if got := len(Split(md, limit)); got > 9 {
			t.Errorf("%s: %d parts", name, got)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for _, md := range []string{
		"one two\n\nthree. four", "```go\na\nb\n```\nc", "- x\n  ~~~\n  y\n  ~~~", "> ```\n> z", "🇩🇪👍🏽e\u0301", "@all `@here` \\`", "\r\n\t\x00",
	} {
		f.Add(md, 7)
	}
	f.Fuzz(func(t *testing.T, md string, limit int) {
		limit = 1 + (limit%200+200)%200
		md = strings.ToValidUTF8(md, "?") // dropping white space could make a letter of stray bytes
		checkPieces(t, md, limit)
		for i, p := range Parts(md, limit) {
			if n := utf8.RuneCountInString(p); n > limit && limit > 1 {
				t.Errorf("part %d has %d characters, the limit is %d: %q", i, n, limit, p)
			}
			if limit > 1 && BreakMentions(p) != p {
				t.Errorf("part %d can ping: %q", i, p)
			}
		}
	})
}
