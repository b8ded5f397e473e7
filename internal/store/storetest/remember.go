package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

// testTwoRemember changes a conversation through one store that another one has
// just written: what that one remembers of it is old, and must not count.
func testTwoRemember(t *testing.T, db DB) {
	k := open(t, db)
	stores := k.stores(db)
	here, there := k, &kit{TB: t, Store: stores[len(stores)-1], now: k.now}
	take := chat.Change{Move: chat.Take, Agent: "ag"}
	finish := chat.Change{Move: chat.Finish, Outcome: "finished"}
	for name, test := range map[string]struct {
		meanwhile func(c chat.Conversation, ep chat.Episode)
		// entries are those it makes.
		entries int64
		folded  bool
		control chat.Control
		// anew tells that the episode has ended.
		anew bool
	}{
		"nothing":  {func(chat.Conversation, chat.Episode) {}, 0, true, chat.ControlAssistant, false},
		"an entry": {func(c chat.Conversation, ep chat.Episode) { do(there, there.instant(c, "b", ep, says("b!"))) }, 2, true, chat.ControlAssistant, false},
		"a turn":   {func(c chat.Conversation, _ chat.Episode) { do(there, there.inbound(c, "b")) }, 1, false, chat.ControlAssistant, false},
		"a person": {func(_ chat.Conversation, ep chat.Episode) { do(there, there.move(ep, take)) }, 0, false, chat.ControlHuman, false},
		"an end":   {func(_ chat.Conversation, ep chat.Episode) { do(there, there.move(ep, finish)) }, 0, false, chat.ControlAssistant, true},
		"a state":  {func(c chat.Conversation, ep chat.Episode) { answerWithState(there, c, ep) }, 2, false, chat.ControlAssistant, false},
		"a done one": {func(c chat.Conversation, _ chat.Episode) {
			do(there, there.finish(do(there, there.inbound(c, "b")).Turn, says("b!")))
		}, 2, true, chat.ControlAssistant, false},
	} {
		t.Run(name, func(t *testing.T) {
			here, c := &kit{TB: t, Store: here.Store, now: here.now}, k.conversation(name)
			ep := do(here, here.instant(c, "a", chat.Episode{}, says("a!"))).Episode
			do(here, here.instant(c, "a", ep, says("a!")))
			test.meanwhile(c, ep)
			out := do(here, here.instant(c, "c", ep, says("c!")))
			if out.Entry.Seq != 5+test.entries || out.Folded != test.folded || out.Episode.Control != test.control || (out.Episode.Key != ep.Key) != test.anew {
				t.Errorf("%+v, want entry %d, folded %v, %s, another episode %v", out, 5+test.entries, test.folded, test.control, test.anew)
			}
			contiguous(here, must[chat.Conversation](here)(here.Conversation(t.Context(), c.Key)))
			if h := here.handling(c); h.Episode.Key != out.Episode.Key || h.Episode.Control != out.Episode.Control {
				t.Errorf("handling %+v, want episode %+v", h, out.Episode)
			}
		})
	}
}

// answerWithState answers at once and changes the assistant's state.
func answerWithState(k *kit, c chat.Conversation, ep chat.Episode) {
	k.Helper()
	r := says("b!")
	r.State, r.SetState = []byte("new"), true
	do(k, k.instant(c, "b", ep, r))
}

// testTwoFold lets two stores answer at once in the same conversations: each
// message is there once and answered once, or owed.
func testTwoFold(t *testing.T, db DB) {
	k := open(t, db)
	stores := k.stores(db)
	const rounds = 40
	all := k.conversations(6)
	var work sync.WaitGroup
	for w := range 4 {
		for _, c := range all {
			work.Go(func() {
				var ep chat.Episode
				for i := range rounds {
					step := k.instant(c, fmt.Sprint(w, "/", i), ep, says(fmt.Sprint("re ", w, "/", i)))
					// Two of the writers bring the same messages.
					step.Dedupe = &store.Dedupe{Key: fmt.Sprintf("%s/%d/%d", c.Place, w/2, i), Life: life}
					out, err := store.Do(context.Background(), stores[w%len(stores)], step)
					if err != nil {
						t.Error(err)
						return
					}
					ep = out.Episode
					if out.Turn == nil {
						continue
					}
					if _, err := store.Do(context.Background(), stores[w%len(stores)], k.finish(out.Turn, says("late"))); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	work.Wait()
	k.tick(time.Hour)
	for _, c := range all {
		conv := must[chat.Conversation](k)(k.Conversation(t.Context(), c.Key))
		contiguous(k, conv)
		said, answers := map[string]int{}, 0
		for _, e := range must[[]chat.Entry](k)(k.EntriesBetween(t.Context(), c.Key, 1, conv.Seq)) {
			if e.Author.Kind == chat.ByContact {
				said[e.Content.Text]++
			} else {
				answers++
			}
		}
		equal(k, "messages", len(said), 2*rounds)
		for text, n := range said {
			equal(k, "how often is "+text, n, 1)
		}
		if open := k.handling(c).OpenTurns; answers+open < 2*rounds {
			t.Errorf("%d answers and %d open turns for %d messages", answers, open, 2*rounds)
		}
	}
}
