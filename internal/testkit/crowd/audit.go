package crowd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/testkit/wait"
)

const (
	auditWithin = 3 * time.Minute
	// historyLimit is the largest page of the history endpoint.
	historyLimit = 100
)

// History reads a person's whole history over the wire, oldest first.
func History(ctx context.Context, client *rtmtest.Client, token string) ([]rtmtest.HistoryItem, error) {
	var all []rtmtest.HistoryItem
	for offset := 0; ; offset += historyLimit {
		page, err := client.History(ctx, token, fmt.Sprintf("limit=%d&offset=%d", historyLimit, offset))
		if err != nil {
			return nil, err
		}
		all = append(slices.Clone(page.Messages), all...)
		if page.MoreAvailable == nil {
			return nil, fmt.Errorf("a history page lacks moreAvailable")
		}
		if !*page.MoreAvailable {
			return all, nil
		}
	}
}

// Missing compares what was acknowledged since the last call with the server's
// history and says what it lacks, or has twice. It may be asked while people
// talk: what they say meanwhile is not missed.
func (c *Crowd) Missing() error {
	ctx, cancel := context.WithTimeout(context.Background(), auditWithin)
	defer cancel()
	for _, p := range c.People {
		acked := p.Acked()
		if err := p.missing(ctx, acked[p.checked:]); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		p.checked = len(acked)
	}
	return nil
}

// missing reads back until all texts were found.
func (p *Person) missing(ctx context.Context, texts []string) error {
	there, counted := map[string]int{}, map[string]bool{}
	lacking := func() int {
		return slices.IndexFunc(texts, func(text string) bool { return there[text] == 0 })
	}
	for offset := 0; lacking() >= 0; offset += historyLimit {
		page, err := p.client.History(ctx, p.Token(), fmt.Sprintf("limit=%d&offset=%d", historyLimit, offset))
		if err != nil {
			return fmt.Errorf("history: %w", err)
		}
		for _, item := range page.Messages {
			// Pages count from the newest entry, so what is said between two
			// requests makes them overlap.
			if item.Type == "incoming" && !counted[item.ID] {
				counted[item.ID] = true
				there[item.Text()]++
			}
		}
		last := page.MoreAvailable == nil || !*page.MoreAvailable
		if i := lacking(); last && i >= 0 {
			return fmt.Errorf("%q was acknowledged and is not in the history, which has %d entries", texts[i], page.Total)
		}
	}
	for text, n := range there {
		if n > 1 {
			return fmt.Errorf("%q is in the history %d times", text, n)
		}
	}
	return nil
}

// Audit compares the books of a settled crowd with the history over the wire,
// the log and the turns: each message is there once and in order, belongs to
// one turn that is done, and was answered once; each answer was shown to the
// person, and never twice over one socket.
func Audit(t testing.TB, c *Crowd, admin Admin) {
	t.Helper()
	conversations := admin.Conversations(t)
	said, resent := 0, 0
	for _, p := range c.People {
		found, there := conversations[c.App.Place(p.Name)]
		if !there {
			t.Errorf("%s has no conversation", p.Name)
			continue
		}
		// Turns that need a second attempt end a little later.
		var turns []Turn
		wait.Succeed(t, auditWithin, func() error {
			turns = admin.Turns(t, found.ID)
			return openTurns(turns)
		}, "the turns of "+p.Name)
		a := audit{t: t, p: p, conversation: found, entries: admin.Entries(t, found.ID)}
		a.sequence()
		a.messages()
		a.turns(turns)
		a.history()
		a.shown()
		p.mu.Lock()
		for _, odd := range p.odd {
			t.Errorf("%s: %s", p.Name, odd)
		}
		said += len(p.said)
		for _, times := range p.seen {
			resent += times - 1
		}
		p.mu.Unlock()
	}
	if said == 0 {
		t.Error("nobody said anything: the test proves nothing")
	}
	t.Logf("%d people said %d messages; %d entries were shown again after a reconnect", len(c.People), said, resent)
}

func openTurns(turns []Turn) error {
	for _, turn := range turns {
		if turn.Status == "waiting" || turn.Status == "claimed" {
			return fmt.Errorf("entries %d-%d are %s after %d attempts: %s", turn.FirstSeq, turn.LastSeq, turn.Status, turn.Attempts, turn.LastError)
		}
	}
	return nil
}

// audit is the audit of one person.
type audit struct {
	t            testing.TB
	p            *Person
	conversation Conversation
	entries      []Entry
}

func (a *audit) errorf(format string, args ...any) {
	a.t.Helper()
	a.t.Errorf("%s (%s): %s", a.p.Name, a.conversation.ID, fmt.Sprintf(format, args...))
}

// sequence checks that numbers have no gap and time does not go back.
func (a *audit) sequence() {
	a.t.Helper()
	if problem := Sequence(a.entries); problem != "" {
		a.errorf("%s", problem)
	}
}

// Sequence says what is wrong with the numbers and times of a whole log, or
// nothing.
func Sequence(entries []Entry) string {
	visible := int64(0)
	for i, e := range entries {
		if e.Seq != int64(i)+1 {
			return fmt.Sprintf("entry %d follows %d entries", e.Seq, i)
		}
		if i > 0 && e.At.Before(entries[i-1].At) {
			return fmt.Sprintf("entry %d is older than the one before it", e.Seq)
		}
		if e.Visibility == "all" && e.Purpose == "message" {
			if visible++; e.VisibleSeq != visible {
				return fmt.Sprintf("entry %d has visible number %d, want %d", e.Seq, e.VisibleSeq, visible)
			}
		}
	}
	return ""
}

// messages checks that the log has what was said, once and in order, and as
// many answers.
func (a *audit) messages() {
	a.t.Helper()
	var got []string
	answers, welcomes := 0, 0
	for _, e := range a.entries {
		switch {
		case e.Purpose != "message":
		case e.Author.Kind == "contact":
			got = append(got, e.Content.Text)
		case e.Content.Mark == "welcome":
			welcomes++
		case e.Author.Kind == "assistant" && e.Content.Mark == "":
			answers++
		default:
			a.errorf("entry %d of %s is unexpected: %q %s", e.Seq, e.Author.Kind, e.Content.Text, e.Content.Mark)
		}
	}
	want := a.p.Acked()
	if !slices.Equal(got, want) {
		a.errorf("the log has %d messages and %d were acknowledged; %s", len(got), len(want), difference(want, got))
	}
	if answers != len(want) {
		a.errorf("%d messages have %d answers", len(want), answers)
	}
	if welcomes > 1 {
		a.errorf("the welcome was said %d times", welcomes)
	}
}

// difference describes the first place where two lists part.
func difference(want, got []string) string {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(want):
			return fmt.Sprintf("from %d on the log has more: %q", i+1, got[i])
		case i >= len(got):
			return fmt.Sprintf("from %d on the log lacks %q", i+1, want[i])
		case want[i] != got[i]:
			return fmt.Sprintf("at %d the log has %q, want %q", i+1, got[i], want[i])
		}
	}
	return "they are equal"
}

// turns checks that each message belongs to one turn that is done.
func (a *audit) turns(turns []Turn) {
	a.t.Helper()
	in := map[int64]int{}
	oldest := int64(1)
	for _, turn := range turns {
		if turn.Status != "done" {
			a.errorf("the turn of entries %d-%d is %s: %s", turn.FirstSeq, turn.LastSeq, turn.Status, turn.LastError)
		}
		for seq := turn.FirstSeq; seq <= turn.LastSeq; seq++ {
			in[seq]++
		}
	}
	if len(turns) == MaxTurns {
		oldest = turns[len(turns)-1].FirstSeq
	}
	for _, e := range a.entries {
		if e.Seq >= oldest && e.Author.Kind == "contact" && e.Purpose == "message" && in[e.Seq] != 1 {
			a.errorf("entry %d (%q) belongs to %d turns", e.Seq, e.Content.Text, in[e.Seq])
		}
	}
}

// history checks that what the person can read is the log.
func (a *audit) history() {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), auditWithin)
	defer cancel()
	items, err := History(ctx, a.p.client, a.p.Token())
	if err != nil {
		a.errorf("history: %v", err)
		return
	}
	var got, want []string
	for _, item := range items {
		got = append(got, item.ID+" "+item.Type)
	}
	for _, e := range a.entries {
		if e.Visibility != "all" || e.Purpose != "message" {
			continue
		}
		kind := "outgoing"
		if e.Author.Kind == "contact" {
			kind = "incoming"
		}
		want = append(want, e.ID+" "+kind)
	}
	if !slices.Equal(got, want) {
		a.errorf("history differs from the log: %s", difference(want, got))
	}
	if !slices.IsSortedFunc(items, func(x, y rtmtest.HistoryItem) int { return strings.Compare(x.CreatedOn, y.CreatedOn) }) {
		a.errorf("the history is not in the order of time")
	}
}

// shown checks that every answer reached a socket of the person, sooner or
// later.
func (a *audit) shown() {
	a.t.Helper()
	wait.Succeed(a.t, auditWithin, func() error {
		seen := a.p.Seen()
		for _, e := range a.entries {
			// A welcome is never sent again after a reconnect, so a connection
			// that broke may have lost it.
			if e.Author.Kind == "assistant" && e.Content.Mark != "welcome" && seen[e.ID] == 0 {
				return fmt.Errorf("entry %d (%q) was not shown", e.Seq, e.Content.Text)
			}
		}
		return nil
	}, "all answers to reach "+a.p.Name)
}
