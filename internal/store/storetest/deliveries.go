package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// pushed makes a conversation whose contact leg is pushed.
func (k *kit) pushed(ch chat.ChannelID, place string) chat.Conversation {
	k.Helper()
	step := k.place(place)
	step.Channel, step.ChannelType, step.Mode, step.Thread = ch, "push", chat.LegPush, "root of "+place
	return do(k, step).Conversation
}

// says appends what the gateway says to the contact.
func (k *kit) says(c chat.Conversation, texts ...string) []chat.Entry {
	k.Helper()
	step := store.Append{Conversation: c.Key, Now: k.now}
	for _, text := range texts {
		step.Entries = append(step.Entries, answer(text))
	}
	return do(k, step).Entries
}

func (k *kit) claims() store.ClaimDeliveries {
	return store.ClaimDeliveries{Owner: me, PerEndpoint: 100, Limit: 100, Now: k.now}
}

// claimed claims and returns the deliveries as "place/seq", sorted.
func (k *kit) claimed(want ...string) []store.ClaimedDelivery {
	k.Helper()
	return k.claimedBy(k.claims(), want...)
}

func (k *kit) claimedBy(step store.ClaimDeliveries, want ...string) []store.ClaimedDelivery {
	k.Helper()
	out := do(k, step).Deliveries
	slices.SortFunc(out, func(a, b store.ClaimedDelivery) int { return int(a.Key - b.Key) })
	var got []string
	for _, d := range out {
		got = append(got, fmt.Sprintf("%s/%d", d.Conversation.Place, d.Seq))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		k.Fatalf("claimed deliveries (-want +got):\n%s", diff)
	}
	return out
}

// partsOf makes a part of each body.
func partsOf(key chat.DeliveryKey, bodies ...string) []chat.Part {
	var all []chat.Part
	for i, body := range bodies {
		all = append(all, chat.Part{Number: i + 1, ID: fmt.Sprintf("part%022d", int(key)*100+i), Body: []byte(body)})
	}
	return all
}

func (k *kit) render(d store.ClaimedDelivery, bodies ...string) []chat.Part {
	k.Helper()
	out := do(k, store.RenderDelivery{Delivery: d.Key, Owner: me, Parts: partsOf(d.Key, bodies...)})
	equal(k, "rendering was lost", out.Lost, false)
	return out.Parts
}

func (k *kit) sent(d store.ClaimedDelivery, part int, external string, done bool) {
	k.Helper()
	out := do(k, store.SentPart{Delivery: d.Key, Owner: me, Part: part, External: external, Done: done, Now: k.now})
	equal(k, "sent part was lost", out.Lost, false)
}

// send sends a claimed delivery as one part.
func (k *kit) send(d store.ClaimedDelivery) {
	k.Helper()
	k.render(d, "body")
	k.sent(d, 1, fmt.Sprintf("post-%s-%d", d.Conversation.Place, d.Seq), true)
}

func (k *kit) end(d store.ClaimedDelivery, status chat.DeliveryStatus, due time.Time) {
	k.Helper()
	out := do(k, store.EndDelivery{Delivery: d.Key, Owner: me, Status: status, DueAt: due, Error: "went wrong", CountAttempt: true, Now: k.now})
	equal(k, "end was lost", out.Lost, false)
}

func (k *kit) delivery(key chat.DeliveryKey) (chat.Delivery, []chat.Part) {
	k.Helper()
	d, parts, err := k.Store.Delivery(context.Background(), key)
	if err != nil {
		k.Fatal(err)
	}
	return d, parts
}

func (k *kit) refers(ch chat.ChannelID, external string) chat.Reference {
	k.Helper()
	return must[chat.Reference](k)(k.Reference(context.Background(), ch, external))
}

// testDelivery follows an answer of two parts, its edit and its deletion.
func testDelivery(t *testing.T, db DB) {
	k := open(t, db).lease()
	c := k.pushed(botA, "p")
	in := k.instant(c, "hello", chat.Episode{}, says("a", "b"))
	in.External = "question"
	do(k, in)
	d := k.claimed("p/2")[0]
	ref := func(external string, seq int64, part int) chat.Reference {
		return chat.Reference{Channel: botA, External: external, Conversation: c.Key, Seq: seq, Leg: c.Leg, Part: part}
	}
	want := store.ClaimedDelivery{
		Delivery: chat.Delivery{
			Key: d.Key, Conversation: c.Key, Seq: 2, Leg: c.Leg, Channel: botA, Status: chat.DeliveryClaimed, DueAt: k.now, CreatedAt: k.now,
		},
		Entry:        k.log(c)[1],
		Conversation: must[chat.Conversation](k)(k.Conversation(t.Context(), c.Key)),
		Leg:          chat.Leg{Key: c.Leg, Conversation: c.Key, Kind: chat.LegContact, Mode: chat.LegPush, Channel: botA, Place: "p", Thread: "root of p"},
		Questions:    []chat.Reference{ref("question", 1, 0)},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Fatalf("claimed (-want +got):\n%s", diff)
	}
	parts := k.render(d, "one", "two")
	if diff := cmp.Diff(partsOf(d.Key, "one", "two"), parts); diff != "" {
		t.Errorf("rendered (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(parts, k.render(d, "another")); diff != "" {
		t.Errorf("a second rendering changed the parts:\n%s", diff)
	}
	for id, want := range map[string]bool{parts[1].ID: true, "unknown": false, "\x00": false} {
		equal(k, "has part "+id, must[bool](k)(k.HasPart(t.Context(), id)), want)
	}
	k.tick(time.Second)
	k.sent(d, 1, "post-1", false)
	k.sent(d, 1, "post-other", false) // a repeat keeps what is there
	now, stored := k.delivery(d.Key)
	equal(k, "status", now.Status, chat.DeliveryClaimed)
	parts[0].External, parts[0].SentAt = "post-1", k.now
	if diff := cmp.Diff(parts, stored); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	equal(k, "reference of a part", k.refers(botA, "post-1"), ref("post-1", 2, 1))
	k.claimed() // the leg is busy
	k.sent(d, 2, "post-2", true)
	now, _ = k.delivery(d.Key)
	equal(k, "status", now.Status, chat.DeliverySent)
	equal(k, "ended", now.EndedAt, k.now)
	equal(k, "sent after the end", do(k, store.SentPart{Delivery: d.Key, Owner: me, Part: 2, Done: true, Now: k.now}).Lost, true)
	k.send(k.claimed("p/3")[0])
	posts := []chat.Reference{ref("post-1", 2, 1), ref("post-2", 2, 2)}
	k.changes(c, chat.Edit, 4, posts)
	// The edit has added a post.
	k.changes(c, chat.Deletion, 5, append(posts, ref("post-p-4", 4, 1)))
	k.claimed()
}

// changes edits or deletes what was sent as post-1 and post-2.
func (k *kit) changes(c chat.Conversation, purpose chat.Purpose, seq int64, want []chat.Reference) {
	k.Helper()
	draft := answer("changed")
	draft.Purpose, draft.Target = purpose, 2
	do(k, store.Append{Conversation: c.Key, Entries: []chat.Draft{draft}, Now: k.now})
	d := k.claimed(fmt.Sprintf("p/%d", seq))[0]
	if diff := cmp.Diff(want, d.Targets); diff != "" {
		k.Errorf("targets of the %s (-want +got):\n%s", purpose, diff)
	}
	if d.Entry.Purpose != purpose || d.Entry.Target != 2 || purpose == chat.Edit && d.Entry.Content.Text != "changed" || len(d.Questions) != 0 {
		k.Errorf("entry %+v", d.Entry)
	}
	k.send(d)
}

// testDeliveryContent claims what was changed before it was sent.
func testDeliveryContent(t *testing.T, db DB) {
	k := open(t, db).lease()
	c := k.pushed(botA, "p")
	k.says(c, "first", "second")
	for _, draft := range []chat.Draft{{Purpose: chat.Edit, Target: 1}, {Purpose: chat.Deletion, Target: 2}} {
		changed := answer("newest")
		changed.Purpose, changed.Target = draft.Purpose, draft.Target
		do(k, store.Append{Conversation: c.Key, Entries: []chat.Draft{changed}, Now: k.now})
	}
	d := k.claimed("p/1")[0]
	equal(k, "text", d.Entry.Content.Text, "newest")
	k.send(d)
	d = k.claimed("p/2")[0]
	equal(k, "deleted", d.Entry.Deleted, true)
	equal(k, "text", d.Entry.Content.Text, "")
	k.end(d, chat.DeliveryDropped, time.Time{})
	d = k.claimed("p/3")[0]
	equal(k, "targets of an edit", len(d.Targets), 1)
	k.send(d) // and says that it has added a post
	d = k.claimed("p/4")[0]
	equal(k, "targets of what was never sent", len(d.Targets), 0)
	k.end(d, chat.DeliveryDropped, time.Time{})
	again := answer("newer still")
	again.Purpose, again.Target = chat.Edit, 1
	do(k, store.Append{Conversation: c.Key, Entries: []chat.Draft{again}, Now: k.now})
	var targets []string
	for _, r := range k.claimed("p/5")[0].Targets {
		targets = append(targets, fmt.Sprintf("%d.%d", r.Seq, r.Part))
	}
	equal(k, "targets of a second edit", fmt.Sprint(targets), "[1.1 3.1]")
}

// testDeliveryQuestions answers a turn of several entries.
func testDeliveryQuestions(t *testing.T, db DB) {
	k := open(t, db).lease()
	c := k.pushed(botA, "p")
	var last *chat.Turn
	for i := range 4 {
		step := k.inbound(c, "q")
		step.Answerer.Collect, step.External = true, fmt.Sprint("q", i+1)
		if i == 3 {
			step.External = ""
		}
		last = do(k, step).Turn
		if i == 1 {
			k.says(c, "wait")
		}
	}
	first := do(k, store.ClaimTurns{Owner: me, Limit: 1, Now: k.now}) // the first is at work already
	equal(k, "claimed turns", len(first.Turns), 0)
	turns := must[[]chat.Turn](k)(k.Turns(t.Context(), store.TurnFilter{Conversation: c.Key}))
	out := do(k, k.finish(&turns[len(turns)-1], says("answer 1")))
	equal(k, "next turn", out.Next.Key, last.Key)
	do(k, k.finish(out.Next, says("answer 2")))
	asked := func(d store.ClaimedDelivery, want ...string) {
		k.Helper()
		var got []string
		for _, r := range d.Questions {
			got = append(got, r.External)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			k.Errorf("questions of entry %d (-want +got):\n%s", d.Seq, diff)
		}
		k.send(d)
	}
	asked(k.claimed("p/3")[0])
	asked(k.claimed("p/6")[0], "q1")
	asked(k.claimed("p/7")[0], "q2", "q3")
}

func testDeliveryRefusals(t *testing.T, db DB) {
	k := open(t, db).lease()
	k.says(k.pushed(botA, "p"), "a", "b")
	d := k.claimed("p/1")[0]
	parts := partsOf(d.Key, "one")
	for name, spoil := range map[string]func([]chat.Part) []chat.Part{
		"no parts":   func([]chat.Part) []chat.Part { return nil },
		"bad number": func(p []chat.Part) []chat.Part { p[0].Number = 2; return p },
		"no id":      func(p []chat.Part) []chat.Part { p[0].ID = ""; return p },
	} {
		step := store.RenderDelivery{Delivery: d.Key, Owner: me, Parts: spoil(partsOf(d.Key, "one"))}
		if _, err := store.Do(t.Context(), k.Store, step); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	refused(k, fault.Invalid, store.ClaimDeliveries{Limit: 1, Now: k.now})
	refused(k, fault.Invalid, store.EndDelivery{Delivery: d.Key, Owner: me, Status: chat.DeliverySent, Now: k.now})
	refused(k, fault.Invalid, store.SentPart{Delivery: d.Key, Owner: me, External: "\x00", Now: k.now})
	refused(k, fault.NotFound, store.SentPart{Delivery: d.Key, Owner: me, Part: 1, Now: k.now})
	k.render(d, "one")
	refused(k, fault.NotFound, store.SentPart{Delivery: d.Key, Owner: me, Part: 2, Now: k.now})
	for name, other := range map[string]store.Owner{"node": {Node: "other", Boot: 1}, "boot": {Node: owner, Boot: 2}} {
		equal(k, "rendered by another "+name, do(k, store.RenderDelivery{Delivery: d.Key, Owner: other, Parts: parts}).Lost, true)
		equal(k, "sent by another "+name, do(k, store.SentPart{Delivery: d.Key, Owner: other, Part: 1, Done: true, Now: k.now}).Lost, true)
		equal(k, "ended by another "+name, do(k, store.EndDelivery{Delivery: d.Key, Owner: other, Status: chat.DeliveryFailed, Now: k.now}).Lost, true)
	}
	equal(k, "an unknown delivery", do(k, store.EndDelivery{Delivery: d.Key + 999, Owner: me, Status: chat.DeliveryFailed, Now: k.now}).Lost, true)
	k.sent(d, 1, "", true) // the far side may give no id
	now, _ := k.delivery(d.Key)
	equal(k, "status", now.Status, chat.DeliverySent)
	if _, _, err := k.Store.Delivery(t.Context(), d.Key+999); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown delivery: %v, want not found", err)
	}
}

// testDeliveryPoison renders many deliveries at once, one of which cannot be
// stored.
func testDeliveryPoison(t *testing.T, db DB) {
	k := open(t, db).lease()
	const legs = 20
	for i := range legs {
		k.says(k.pushed(botA, fmt.Sprint("p", i)), "x")
	}
	all := do(k, k.claims()).Deliveries
	equal(k, "claimed", len(all), legs)
	taken := k.render(all[0], "one")[0].ID
	errs := make([]error, legs)
	_ = together(legs, func(i int) error {
		parts := partsOf(all[i].Key, "one")
		if i == 5 {
			parts[0].ID = taken
		}
		_, errs[i] = store.Do(context.Background(), k.Store, store.RenderDelivery{Delivery: all[i].Key, Owner: me, Parts: parts})
		return nil
	})
	for i, err := range errs {
		if (err != nil) != (i == 5) {
			t.Errorf("rendering %d: %v", i, err)
		}
	}
	for i, d := range all {
		_, parts := k.delivery(d.Key)
		equal(k, fmt.Sprintf("parts of delivery %d", i), len(parts) == 1, i != 5)
	}
}
