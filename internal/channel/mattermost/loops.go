package mattermost

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"parley/internal/channel"
	"parley/internal/chat"
	mm "parley/internal/mattermost"
)

const (
	// loopWindow is the time in which answers are counted.
	loopWindow = time.Minute
	// loopPause is for how long a speaker is not answered after a loop.
	loopPause = 10 * time.Minute
	// loopMemory is with how many earlier messages one is compared.
	loopMemory = 5
	// loopAlike is which part of its words two messages share when they count
	// as the same said again.
	loopAlike = 0.8
)

// loops notices programs that answer our answers: another bot that is run from
// a person's account, say. Such a one says much the same again and again,
// faster than a person, where a person who is fast says different things. The
// times are the posts' own, so that posts read later are judged as if live.
type loops struct {
	mu       sync.Mutex
	speakers *generations[string, *speaker]
	// judged is what was said of the posts of late, by their keys: one that is
	// tried again is not counted again.
	judged *generations[string, judgement]
}

type judgement struct{ tripped, silent bool }

// speaker is one account in one room.
type speaker struct {
	said   []saying
	paused time.Time
}

type saying struct {
	at    time.Time
	words map[string]bool
	// fresh is set when it was unlike what was said shortly before.
	fresh bool
}

func newLoops() *loops {
	return &loops{speakers: newGenerations[string, *speaker](2048), judged: newGenerations[string, judgement](4096)}
}

// judge counts a message that is about to be answered. silent is set when it
// must not be, tripped when that begins with it.
func (l *loops) judge(limit int, s said) (tripped, silent bool) {
	if limit == 0 {
		return false, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	j, again := l.judged.get(s.key)
	if !again {
		j.tripped, j.silent = l.speaker(s.post).judge(limit, mm.Time(s.at), s.verdict.text)
		l.judged.put(s.key, j)
	}
	return j.tripped, j.silent
}

// speaker returns the author of a post in its room. The caller holds l.mu.
func (l *loops) speaker(p mm.Post) *speaker {
	key := p.ChannelID + " " + p.UserID
	s, ok := l.speakers.get(key)
	if !ok {
		s = &speaker{}
		l.speakers.put(key, s)
	}
	return s
}

func (s *speaker) judge(limit int, at time.Time, text string) (tripped, silent bool) {
	if at.Before(s.paused) {
		return false, true
	}
	s.add(at, text, limit)
	fresh := 0
	for _, m := range s.said {
		if m.fresh {
			fresh++
		}
	}
	if len(s.said) <= limit || fresh*3 > len(s.said) {
		return false, false
	}
	s.said, s.paused = nil, at.Add(loopPause)
	return true, true
}

// add notes a message and forgets those out of the window.
func (s *speaker) add(at time.Time, text string, limit int) {
	m := saying{at: at, words: wordsOf(text), fresh: true}
	for _, other := range s.said[max(0, len(s.said)-loopMemory):] {
		if alike(m.words, other.words) {
			m.fresh = false
		}
	}
	s.said = append(s.said, m)
	for len(s.said) > 0 && (at.Sub(s.said[0].at) >= loopWindow || len(s.said) > 4*limit) {
		s.said = s.said[1:]
	}
}

// wordsOf is the set of a text's words. A text that grows by quoting itself
// keeps its words.
func wordsOf(text string) map[string]bool {
	if len(text) > 4096 {
		text = text[:4096]
	}
	words := map[string]bool{}
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		words[w] = true
	}
	return words
}

// alike compares two sets of words: what they share over what they have.
func alike(a, b map[string]bool) bool {
	both := 0
	for w := range a {
		if b[w] {
			both++
		}
	}
	all := len(a) + len(b) - both
	return all == 0 || float64(both) >= loopAlike*float64(all)
}

// tellLoop says once that somebody is not answered for a while.
func (l *link) tellLoop(ctx context.Context, conv chat.Conversation, s said) {
	set, name := l.settings.Load(), nameOf(s.verdict.user)
	l.d.metrics.loops.WithLabelValues(set.name).Inc()
	l.log.Warn("the loop breaker stopped answering somebody who says much the same again and again", "user", s.verdict.user.Username, "room", s.post.ChannelID, "for", loopPause)
	l.mu.Lock()
	l.state.loops++
	l.mu.Unlock()
	text := fmt.Sprintf("%s and I seem to be answering each other in a circle. I stop answering %s here for %s.", name, name, plainDuration(loopPause))
	err := l.d.Gateway.Notice(ctx, channel.Notice{Conversation: conv, Content: chat.TextContent(text), Key: "loop:" + s.external})
	if err != nil {
		l.log.Warn("the loop breaker could not say so", "error", err)
	}
}
