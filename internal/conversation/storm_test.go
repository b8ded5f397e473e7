package conversation_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/fault"
	"parley/internal/store"
)

// dice fall the same way in every run.
type dice struct{ n atomic.Uint64 }

// oneIn is true about once in n calls.
func (d *dice) oneIn(n uint64) bool {
	h := fnv.New64a()
	fmt.Fprint(h, d.n.Add(1))
	return h.Sum64()%n == 0
}

// stormy fails one step in ten before and one after it was stored.
type stormy struct {
	conversation.Store
	dice *dice
	over *atomic.Bool
}

func (s stormy) Commit(ctx context.Context, step store.Step) (any, error) {
	gone := fault.New(fault.Unavailable, "the database is away")
	if !s.over.Load() && s.dice.oneIn(10) {
		return nil, gone
	}
	out, err := s.Store.Commit(ctx, step)
	if err == nil && !s.over.Load() && s.dice.oneIn(10) {
		return nil, gone
	}
	return out, err
}

// TestStorm has a database that comes and goes, an assistant that fails, and a
// node that loses its lease; people repeat what was not acknowledged. In the end
// everybody has one answer to each message, in order.
func TestStorm(t *testing.T) {
	const people, messages = 6, 25
	var d dice
	var over atomic.Bool
	over.Store(true)
	answers := echo()
	instant, answer := answers.instant, answers.answer
	answers.instant = func(in assistant.Input) (assistant.Reply, bool) {
		if d.oneIn(2) {
			return assistant.Reply{}, false
		}
		return instant(in)
	}
	answers.answer = func(ctx context.Context, turn assistant.Turn) (assistant.Reply, error) {
		if !over.Load() && d.oneIn(4) {
			return assistant.Reply{}, errors.New("not now")
		}
		return answer(ctx, turn)
	}
	b := begin(t, answers, realClock, func(o *conversation.Options) {
		o.Store = stormy{o.Store, &d, &over}
		o.Policy.Attempts, o.Policy.Running = 1000, 3
	})
	over.Store(false)
	var talk sync.WaitGroup
	convs := make([]chat.Conversation, people)
	for p := range people {
		name := fmt.Sprint("cs-1/person-", p)
		opened, err := store.Do(t.Context(), b.store, store.OpenPlace{Channel: "st-1", ChannelType: "rtm", Place: name, Person: chat.Person{ExternalID: name}, Mode: chat.LegFeed, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		convs[p] = opened.Conversation
		talk.Go(func() {
			for m := range messages {
				in := channel.Inbound{Conversation: convs[p], Purpose: chat.Message, Content: chat.TextContent(fmt.Sprint(m)), DedupeKey: fmt.Sprint(p, " ", m)}
				for {
					_, err := b.Accept(context.Background(), in)
					if err == nil {
						break
					}
					if !fault.Is(err, fault.Unavailable) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for range 3 {
		b.claims.wait(t)
		b.newBoot(t)
	}
	talk.Wait()
	over.Store(true)

	var want []string
	for m := range messages {
		want = append(want, fmt.Sprintf("re: %d", m))
	}
	for _, c := range convs {
		var got []string
		b.until("all answers", func() bool {
			page, err := b.store.VisiblePage(t.Context(), c.Key, chat.Page{Limit: 500})
			if err != nil {
				t.Fatal(err)
			}
			got = nil
			for _, e := range page.Entries {
				if e.Author.Kind != chat.ByContact {
					got = append(got, e.Content.Text)
				}
			}
			return len(got) >= messages
		})
		if !slices.Equal(got, want) {
			t.Errorf("answers %q", got)
		}
	}
}
