package mmwebhook

import (
	"slices"
	"strings"
	"unicode"
)

// said is what a post says to the assistant: its text without the trigger word,
// and a note for each file, which is not read yet.
func said(p payload, words []string) string {
	text := stripTrigger(p.Text, p.TriggerWord, words)
	lines := []string{}
	if text != "" {
		lines = append(lines, text)
	}
	for range p.Files {
		lines = append(lines, "[file]")
	}
	return strings.Join(lines, "\n")
}

// stripTrigger takes the first word off a text when it is one of the channel's
// own trigger words. A text that has nothing else stays whole.
//
// Only a channel's own words count. When several hooks match a post, Mattermost
// tells all of them the word of the last one (seen with server 11.4), so told
// decides in one case only: a hook may fire for words that begin with a trigger
// word, and then the rest of the first word is part of what is said.
func stripTrigger(text, told string, words []string) string {
	whole := strings.TrimSpace(text)
	first, rest := whole, ""
	if end := strings.IndexFunc(whole, unicode.IsSpace); end >= 0 {
		first, rest = whole[:end], strings.TrimSpace(whole[end:])
	}
	trigger := longestPrefix(first, words)
	switch {
	case trigger == "":
		return whole
	case trigger == first:
	case told == trigger || strings.Trim(first[len(trigger):], ",:;.!") == "":
		left := strings.TrimLeft(first[len(trigger):], ",:;.!")
		rest = strings.TrimSpace(left + strings.TrimPrefix(whole, first))
	default:
		return whole
	}
	if rest == "" {
		return whole
	}
	return rest
}

// longestPrefix is the longest of the words that s begins with, or "".
func longestPrefix(s string, words []string) string {
	if slices.Contains(words, s) {
		return s
	}
	found := ""
	for _, w := range words {
		if strings.HasPrefix(s, w) && len(w) > len(found) {
			found = w
		}
	}
	return found
}
