package present

import (
	"strings"

	"github.com/yuin/goldmark/ast"
)

// linkTarget returns where the target of an inline link begins, or -1 when the
// link is written in a way that leaves a doubt. References leave one: a [word]
// that is a link itself keeps the link around it from being one.
func (r *reader) linkTarget(n *ast.Link) int {
	if r.references {
		return -1
	}
	last := n.LastChild()
	if last != nil && last.Kind() == ast.KindCodeSpan {
		last = last.LastChild()
	}
	words, ok := last.(*ast.Text)
	if !ok {
		return -1
	}
	// Between them stand at most the marks of a code span.
	rest := strings.TrimLeft(r.md[words.Segment.Stop:], "` ")
	if !strings.HasPrefix(rest, "]("+string(n.Destination)+")") {
		return -1
	}
	return len(r.md) - len(rest) + len("](")
}

// addTargets gathers the addresses of a paragraph: those of links that are
// simply written, and those that stand by themselves before any bracket, where
// Mattermost surely takes them for links.
func (r *reader) addTargets(p span, code []span, links map[int]bool) {
	bracket := false
	for i := p.start; i < p.end; i++ {
		if within(code, i) {
			continue
		}
		switch rest := r.md[i:p.end]; {
		case links[i]:
			target := plainAddress(rest)
			if target > 0 && rest[target:] != "" && rest[target] == ')' {
				r.targets = append(r.targets, span{i, i + target})
				i += target
			}
		case rest[0] == '[':
			bracket = true
		case !bracket && startsWord(r.md, i):
			if target := plainAddress(rest); target > 0 {
				r.targets = append(r.targets, span{i, i + target})
				i += target - 1
			}
		}
	}
}

// plainAddress returns the length of the web address s begins with, 0 if it
// begins with none that every reader takes for one: a known scheme, a host of
// letters and digits, a path, and then only characters that neither end an
// address nor mean anything in Markdown.
func plainAddress(s string) int {
	scheme := 0
	for _, prefix := range []string{"https://", "http://"} {
		if strings.HasPrefix(s, prefix) {
			scheme = len(prefix)
		}
	}
	if scheme == 0 {
		return 0
	}
	i := scheme
	for i < len(s) && (isWordByte(s[i]) || s[i] == '.' || s[i] == '-') {
		i++
	}
	if i == scheme || i == len(s) || s[i] != '/' {
		return 0
	}
	end := i
	for ; i < len(s) && (isWordByte(s[i]) || strings.IndexByte("/@.-_,=?+%~", s[i]) >= 0); i++ {
		// The end of a sentence is no part of the address.
		if isWordByte(s[i]) || s[i] == '/' {
			end = i + 1
		}
	}
	return end
}

// startsWord reports whether a word begins at i.
func startsWord(s string, i int) bool {
	return i == 0 || strings.IndexByte(" \t\n(", s[i-1]) >= 0
}

func isWordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
