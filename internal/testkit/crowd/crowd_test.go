package crowd

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// recorder takes an auditor's complaints in place of a test.
type recorder struct {
	testing.TB
	complaints []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}

// book is a person who has said texts, all acknowledged.
func book(texts ...string) *Person {
	p := &Person{Name: "mia", seen: map[string]int{}}
	for _, text := range texts {
		p.said = append(p.said, &message{text: text, ackedAt: time.Now()})
		p.acked++
	}
	return p
}

// journal is a log: "c:text" is said by the contact, "a:text" by the assistant,
// "w:text" is a welcome.
func journal(lines ...string) []Entry {
	var all []Entry
	for i, line := range lines {
		kind, text, _ := strings.Cut(line, ":")
		e := Entry{Seq: int64(i) + 1, VisibleSeq: int64(i) + 1, Purpose: "message", Visibility: "all"}
		e.Content.Text = text
		e.Author.Kind = map[string]string{"c": "contact", "a": "assistant", "w": "assistant"}[kind]
		if kind == "w" {
			e.Content.Mark = "welcome"
		}
		all = append(all, e)
	}
	return all
}

// TestAuditorNotices shows the auditor logs with each thing wrong that a fault
// could bring about.
func TestAuditorNotices(t *testing.T) {
	good := journal("w:hello", "c:one", "a:1", "c:two", "a:2")
	turns := []Turn{{Status: "done", FirstSeq: 2, LastSeq: 2}, {Status: "done", FirstSeq: 4, LastSeq: 4}}
	for name, test := range map[string]struct {
		entries []Entry
		turns   []Turn
		wrong   bool
	}{
		"all is well":           {good, turns, false},
		"a message is lost":     {journal("w:hello", "c:one", "a:1"), turns[:1], true},
		"a message is doubled":  {journal("w:hello", "c:one", "a:1", "c:two", "a:2", "c:two", "a:2"), turns, true},
		"the order is wrong":    {journal("w:hello", "c:two", "a:1", "c:one", "a:2"), turns, true},
		"an answer is lost":     {journal("w:hello", "c:one", "a:1", "c:two"), turns, true},
		"an answer is doubled":  {journal("w:hello", "c:one", "a:1", "a:1", "c:two", "a:2"), []Turn{turns[0], {Status: "done", FirstSeq: 5, LastSeq: 5}}, true},
		"two welcomes":          {journal("w:hello", "w:hello", "c:one", "a:1", "c:two", "a:2"), []Turn{{Status: "done", FirstSeq: 3, LastSeq: 3}, {Status: "done", FirstSeq: 5, LastSeq: 5}}, true},
		"a turn failed":         {good, []Turn{turns[0], {Status: "failed", FirstSeq: 4, LastSeq: 4}}, true},
		"a message has no turn": {good, turns[:1], true},
		"a message has two":     {good, append(slices.Clone(turns), turns[1]), true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{TB: t}
			a := audit{t: r, p: book("one", "two"), entries: test.entries}
			a.sequence()
			a.messages()
			a.turns(test.turns)
			if (len(r.complaints) > 0) != test.wrong {
				t.Errorf("the auditor says %q", r.complaints)
			}
		})
	}
}

func TestSequence(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		spoil func(e []Entry)
		want  string
	}{
		"good":             {func([]Entry) {}, ""},
		"a gap":            {func(e []Entry) { e[2].Seq = 4 }, "entry 4 follows 2"},
		"twice the number": {func(e []Entry) { e[2].Seq = 2 }, "entry 2 follows 2"},
		"time goes back":   {func(e []Entry) { e[1].At, e[2].At = now, now.Add(-time.Hour) }, "older"},
		"visible gap":      {func(e []Entry) { e[2].VisibleSeq = 4 }, "visible number 4"},
	} {
		t.Run(name, func(t *testing.T) {
			entries := journal("c:one", "a:1", "c:two")
			test.spoil(entries)
			if got := Sequence(entries); got == "" != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestOpenTurns(t *testing.T) {
	for status, want := range map[string]bool{"done": false, "failed": false, "waiting": true, "claimed": true} {
		if got := openTurns([]Turn{{Status: "done"}, {Status: status}}); (got != nil) != want {
			t.Errorf("%s: %v", status, got)
		}
	}
}

// TestPersonRepeats checks what a person sends again, and when.
func TestPersonRepeats(t *testing.T) {
	c := &Crowd{Options: Options{Window: 2, Patience: time.Minute}, began: time.Now()}
	c.Talk()
	p := &Person{Name: "mia", crowd: c, seen: map[string]int{}}
	texts := func() (all []string) {
		for _, m := range p.due() {
			all = append(all, m.text)
		}
		return all
	}
	expect := func(want ...string) {
		t.Helper()
		if got := texts(); !slices.Equal(got, want) {
			t.Errorf("says %q, want %q", got, want)
		}
	}
	expect("mia says 1")
	expect("mia says 2")
	expect() // two wait for their ack
	p.said[1].ackedAt = time.Now()
	expect("mia says 3") // an ack may overtake
	p.unsend()           // a new socket
	expect("mia says 1", "mia says 3")
	p.said[0].at = time.Now().Add(-time.Hour) // no ack came
	expect("mia says 1", "mia says 3")
	c.Hush()
	p.said[0].ackedAt, p.said[2].ackedAt = time.Now(), time.Now()
	expect()
}
