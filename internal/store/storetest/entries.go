package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

func change(purpose chat.Purpose, target int64, text string) chat.Draft {
	d := said(text)
	d.Purpose, d.Target = purpose, target
	return d
}

func (k *kit) append(c chat.Conversation, drafts ...chat.Draft) []chat.Entry {
	k.Helper()
	return do(k, store.Append{Conversation: c.Key, Origin: c.Leg, Entries: drafts, Now: k.now}).Entries
}

func testEdits(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	step := k.inbound(c, "secret")
	step.Raw, step.RawLife = []byte("raw secret"), life
	first := do(k, step)
	k.tick(time.Minute)
	edited := k.append(c, change(chat.Edit, 1, "changed"))
	if e := edited[0]; e.VisibleSeq != 0 || e.Target != 1 || e.Episode != first.Episode.Key {
		t.Errorf("edit %+v", e)
	}
	k.logs(c, "1|contact|all|changed", "0|contact|all|changed")
	log := k.log(c)
	if !log[0].EditedAt.Equal(k.now) || !log[0].CreatedAt.Equal(noon) {
		t.Errorf("times of the edited entry %+v", log[0])
	}
	k.append(c, change(chat.Edit, 1, "again"), answer("other"))
	k.tick(time.Minute)
	k.append(c, change(chat.Deletion, 1, ""))
	// Nothing of the text is left, not in earlier edits and not in the raw
	// input; an edit that arrives after the deletion brings nothing back.
	k.append(c, change(chat.Edit, 1, "back"))
	k.logs(c, "1|contact|all|(deleted)", "0|contact|all|(deleted)", "0|contact|all|(deleted)", "2|assistant|all|other",
		"0|contact|all|", "0|contact|all|(deleted)")
	if raw, err := k.Raw(t.Context(), c.Key, 1); !fault.Is(err, fault.NotFound) {
		t.Errorf("raw input of a deleted entry: %q, %v, want not found", raw, err)
	}
	page := must[chat.VisiblePage](k)(k.VisiblePage(t.Context(), c.Key, chat.Page{Limit: 10}))
	if diff := cmp.Diff([]string{"1|contact|all|(deleted)", "2|assistant|all|other"}, texts(page.Entries)); diff != "" || page.Total != 2 {
		t.Errorf("page of %d (-want +got):\n%s", page.Total, diff)
	}
	// A whole life in one step.
	d := k.conversation("q")
	k.append(d, answer("x"))
	k.append(d, change(chat.Edit, 1, "y"), change(chat.Deletion, 1, ""))
	k.logs(d, "1|assistant|all|(deleted)", "0|contact|all|(deleted)", "0|contact|all|")
	// An inbound edit goes through Accept as well.
	step = k.inbound(d, "")
	step.Draft, step.OwesTurn = change(chat.Edit, 1, "z"), false
	step.Dedupe = &store.Dedupe{Key: "edit:1:9", Life: life}
	if out := do(k, step); out.Turn != nil || out.Episode.Key != 0 {
		t.Errorf("edit %+v, want no turn and no episode", out)
	}
	equal(k, "repeated edit", do(k, step).Duplicate, true)
}

func testEditsRefused(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	k.append(c, answer("x"))
	note := answer("note")
	note.Visibility = chat.VisibleToDesk
	k.append(c, note, change(chat.Edit, 1, "y"))
	for name, d := range map[string]chat.Draft{"no entry": change(chat.Edit, 99, "z"), "an edit": change(chat.Deletion, 3, "")} {
		want := fault.NotFound
		if name == "an edit" {
			want = fault.Invalid
		}
		step := store.Append{Conversation: c.Key, Entries: []chat.Draft{answer("before"), d}, Now: k.now}
		refused(k, want, step)
	}
	refused(k, fault.Invalid, store.Append{Conversation: c.Key, Entries: []chat.Draft{change(chat.Edit, 0, "z")}, Now: k.now})
	k.logs(c, "1|assistant|all|y", "0|assistant|desk|note", "0|contact|all|y")
	// An edit is no more visible than its target.
	if e := k.append(c, change(chat.Edit, 2, "new note"))[0]; e.Visibility != chat.VisibleToDesk {
		t.Errorf("the edit of a desk note is visible to %q", e.Visibility)
	}
}

func testVisiblePages(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	var want []string
	var drafts []chat.Draft
	for i := range 60 {
		d := answer(fmt.Sprint("t", i))
		switch i % 5 {
		case 1:
			d.Visibility = chat.VisibleToDesk
		case 3:
			d.Purpose, d.Content = chat.Event, chat.EventContent("window.closed")
		default:
			want = append(want, d.Content.Text)
		}
		drafts = append(drafts, d)
	}
	k.append(c, drafts...)
	for _, page := range []chat.Page{{Limit: 1}, {Limit: 7}, {Offset: 5, Limit: 10}, {Offset: 30, Limit: 10}, {Offset: 36, Limit: 5}, {Offset: 99, Limit: 5}, {Limit: 1000}, {Limit: 0}, {Offset: -3, Limit: 2}} {
		got := must[chat.VisiblePage](k)(k.VisiblePage(t.Context(), c.Key, page))
		last := len(want) - int(max(page.Offset, 0))
		first := max(last-page.Limit, 0)
		var expect, have []string
		if last > 0 {
			expect = want[first:last]
		}
		for _, e := range got.Entries {
			have = append(have, e.Content.Text)
		}
		if diff := cmp.Diff(expect, have); len(expect)+len(have) > 0 && diff != "" || got.Total != int64(len(want)) {
			t.Errorf("page %+v of %d (-want +got):\n%s", page, got.Total, diff)
		}
	}
	some := must[[]chat.Entry](k)(k.Entries(t.Context(), c.Key, 10, 3))
	if len(some) != 3 || some[0].Seq != 11 || some[2].Seq != 13 {
		t.Errorf("entries after 10: %v", texts(some))
	}
	between := must[[]chat.Entry](k)(k.EntriesBetween(t.Context(), c.Key, 58, 70))
	if len(between) != 3 || between[0].Seq != 58 {
		t.Errorf("entries from 58: %v", texts(between))
	}
	other := k.conversation("q")
	heads := must[map[chat.ConversationKey]int64](k)(k.Heads(t.Context(), []chat.ConversationKey{c.Key, other.Key, c.Key + 999}))
	if diff := cmp.Diff(map[chat.ConversationKey]int64{c.Key: 60, other.Key: 0}, heads); diff != "" {
		t.Errorf("heads (-want +got):\n%s", diff)
	}
}

func testClock(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	first := do(k, k.inbound(c, "1"))
	do(k, store.PostponeTurn{Conversation: c.Key, Turn: first.Turn.Key, Owner: me, DueAt: k.now})
	k.tick(-time.Hour)
	second := do(k, k.inbound(c, "2"))
	if !second.Entry.CreatedAt.Equal(noon) {
		t.Errorf("created at %v after the clock stepped back, want %v", second.Entry.CreatedAt, noon)
	}
	// A turn made now is due now, whatever an earlier entry's time says.
	k.tick(time.Hour)
	claimed := do(k, store.ClaimTurns{Owner: me, Limit: 1, Now: k.now}).Turns
	k.tick(-time.Hour)
	if len(claimed) != 1 || claimed[0].Key != first.Turn.Key {
		t.Fatalf("claimed %+v", claimed)
	}
	if out := do(k, k.finish(&claimed[0], says("a"))); out.Next == nil || out.Next.Key != second.Turn.Key {
		t.Errorf("next %+v, want the turn made while the clock was behind", out.Next)
	}
	page := must[[]chat.Entry](k)(k.Entries(t.Context(), c.Key, 0, 0))
	for i := 1; i < len(page); i++ {
		if page[i].CreatedAt.Before(page[i-1].CreatedAt) {
			t.Errorf("entry %d is older than the one before it", page[i].Seq)
		}
	}
}
