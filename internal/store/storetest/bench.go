package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

// BenchFold measures durable folded turns per second: an inbound entry and its
// instant answer with state, de-duplication and raw input, one commit, by the
// given number of callers, each in a conversation of its own. It reports
// "turns/s".
func BenchFold(b *testing.B, callers int, open func(testing.TB) store.Store) {
	s := open(b)
	b.Cleanup(func() { s.Close() })
	people := make([]*talk, callers)
	for i := range people {
		people[i] = newTalk(b, s, fmt.Sprintf("bench-%d", i))
	}
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	began := time.Now()
	for _, who := range people {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := who.fold(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "turns/s")
}

// talk is one contact who talks to an assistant that answers at once.
type talk struct {
	store   store.Store
	conv    chat.Conversation
	episode chat.Episode
	said    int
}

func newTalk(t testing.TB, s store.Store, place string) *talk {
	t.Helper()
	opened, err := store.Do(context.Background(), s, store.OpenPlace{
		Channel: "st-bench", ChannelType: "rtm", Place: place, Person: chat.Person{ExternalID: place}, Mode: chat.LegFeed, Now: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &talk{store: s, conv: opened.Conversation}
}

var benchRaw = []byte(`{"clientMessageId":1700000000000,"message":{"body":"what are your opening hours on Sundays?"},"resourceid":"/bot.message","botInfo":{"chatBot":"demo","taskBotId":"st-0"},"meta":{"timezone":"Europe/Riga","locale":"en-US"}}`)

func (p *talk) fold() error {
	p.said++
	now := time.Now()
	out, err := store.Do(context.Background(), p.store, store.Accept{
		Conversation: p.conv.Key, Origin: p.conv.Leg,
		Draft:  said("what are your opening hours on Sundays?"),
		Dedupe: &store.Dedupe{Key: fmt.Sprintf("%s:%d", p.conv.Place, p.said), HashContent: true, Life: 48 * time.Hour},
		Raw:    benchRaw, RawLife: 30 * 24 * time.Hour,
		Answerer: store.Answerer{Name: "front-desk", Version: 1},
		OwesTurn: true, Owner: store.Owner{Node: "bench", Boot: 1}, Now: now,
		Fold: &store.Fold{Episode: p.episode.Key, Epoch: p.episode.Epoch, Revision: p.episode.Revision, Reply: store.Reply{
			Entries: []chat.Draft{answer("We are open on Sundays from 10 to 16. Is there anything else you would like to know?")},
			State:   []byte(`{"node":"hours","slots":{"day":"sunday"},"visits":3}`), SetState: true,
		}},
	})
	if err != nil {
		return err
	}
	if !out.Folded {
		return fmt.Errorf("turn %d was not folded: %+v", p.said, out)
	}
	p.episode = out.Episode
	return nil
}

func said(text string) chat.Draft {
	return chat.Draft{Author: chat.Author{Kind: chat.ByContact, ID: "ct-1"}, Purpose: chat.Message, Visibility: chat.VisibleToAll, Content: chat.TextContent(text)}
}

func answer(text string) chat.Draft {
	return chat.Draft{Author: chat.Author{Kind: chat.ByAssistant, ID: "front-desk"}, Purpose: chat.Message, Visibility: chat.VisibleToAll, Content: chat.TextContent(text)}
}

// BenchPage measures reading the newest page of 20 and one from the middle, in
// a log of the given length of which a third is not visible.
func BenchPage(b *testing.B, length int, open func(testing.TB) store.Store) {
	s := open(b)
	b.Cleanup(func() { s.Close() })
	who := newTalk(b, s, "page")
	note := answer("note")
	note.Visibility = chat.VisibleToDesk
	for done := 0; done < length; {
		step := store.Append{Conversation: who.conv.Key, Now: time.Now()}
		for range min(600, length-done) {
			d := answer("We are open on Sundays from 10 to 16.")
			if done%3 == 0 {
				d = note
			}
			step.Entries = append(step.Entries, d)
			done++
		}
		if _, err := store.Do(context.Background(), s, step); err != nil {
			b.Fatal(err)
		}
	}
	for name, offset := range map[string]int64{"newest": 0, "middle": int64(length / 3)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				page, err := s.VisiblePage(context.Background(), who.conv.Key, chat.Page{Offset: offset, Limit: 20})
				if err != nil || len(page.Entries) != 20 {
					b.Fatalf("%d entries, %v", len(page.Entries), err)
				}
			}
		})
	}
}
