package mmwebhook

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"parley/internal/chat"
	"parley/internal/present"
)

// maxPost is the most characters of a post.
const maxPost = 16383

// What comes over a webhook is read for Slack's forms first, also inside code,
// and only then as Markdown: <address|words> becomes a link, <!channel> and
// <@user id> become mentions (read in the source of server 11.1).
var (
	slackLink    = regexp.MustCompile(`<([^\n<|>]+)\|([^|\n>]+)>`)
	slackMention = regexp.MustCompile(`<(!(?:channel|here|all)>|@[a-zA-Z0-9]+>)`)
)

// zeroWidth breaks a mention and is not seen.
const zeroWidth = "\u200b"

// markdown is content as Mattermost will read it, whole. Links in Slack's form
// are made before anything is judged, so that none turns into a picture or a
// mention afterwards.
func markdown(c chat.Content) string {
	c.Text = unslack(c.Text)
	return breakSlackMentions(unslack(present.Markdown(c, present.MarkdownOptions{Choices: true})))
}

// safe is a line of our own, with names of people in it.
func safe(line string) string {
	return present.BreakMentions(markdown(chat.TextContent(line)))
}

// unslack makes links of Slack's until none is left. Each round takes one
// bracket away.
func unslack(s string) string {
	for strings.Contains(s, "|") {
		next := slackLink.ReplaceAllString(s, "[${2}](${1})")
		if next == s {
			break
		}
		s = next
	}
	return s
}

func breakSlackMentions(s string) string {
	return slackMention.ReplaceAllString(s, "<"+zeroWidth+"${1}")
}

// posts is content cut into posts that ping nobody.
func posts(c chat.Content) []string { return present.Parts(markdown(c), maxPost) }

// responseText is several contents as the text of one response, empty for
// none. Mattermost itself cuts a long one, also in the middle of code, so
// nothing in such a text may rely on being code.
func responseText(all []chat.Content) string {
	var blocks []string
	for _, c := range all {
		if text := strings.TrimSpace(markdown(c)); text != "" {
			blocks = append(blocks, text)
		}
	}
	text := present.BreakMentions(strings.Join(blocks, "\n\n"))
	if utf8.RuneCountInString(text) <= maxPost {
		return text
	}
	whole := strings.ReplaceAll(text, "@"+zeroWidth, "@")
	return cut(strings.ReplaceAll(whole, "@", "@"+zeroWidth), maxResponse)
}

// maxResponse bounds the text of a response in bytes. Mattermost reads 1 MiB of
// a response, and one that is cut off is posted not at all.
const maxResponse = 300_000

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "\n\n[the rest is left out: the answer is too long]"
}
