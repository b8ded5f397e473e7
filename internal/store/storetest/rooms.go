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

// rooms compares the rooms of a channel, as "room status position".
func (k *kit) rooms(ch chat.ChannelID, want ...string) {
	k.Helper()
	var got []string
	for _, r := range must[[]store.Room](k)(k.Rooms(k.Context(), ch)) {
		got = append(got, fmt.Sprintf("%s %s %s", r.Room, r.Status, r.Position))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		k.Errorf("rooms (-want +got):\n%s", diff)
	}
}

// testRooms moves rooms with entries and without.
func testRooms(t *testing.T, db DB) {
	k := open(t, db)
	room := func(name, position string) *store.Room {
		return &store.Room{Room: name, Status: store.RoomLive, Position: position}
	}
	move := func(ch chat.ChannelID, rooms ...store.Room) {
		do(k, store.MoveRooms{Channel: ch, ChannelType: "push", Rooms: rooms, Now: k.now})
	}
	move("new", *room("r2", "1"), *room("r1", "1"), store.Room{Room: "r3", Status: store.RoomGone}, *room("r2", "2"))
	k.rooms("new", "r1 live 1", "r2 live 2", "r3 gone ")
	k.rooms("unknown")
	c := k.pushed(botA, "p")
	step := k.inbound(c, "hello")
	step.Dedupe = &store.Dedupe{Key: "post:1", Life: life}
	step.External, step.Room = "post-1", room("r1", "10")
	do(k, step)
	k.rooms(botA, "r1 live 10")
	step.External, step.Room = "post-2", &store.Room{Room: "r1", Status: store.RoomCatchingUp, Position: "11"}
	out := do(k, step)
	equal(k, "duplicate", out.Duplicate, true)
	k.rooms(botA, "r1 catching up 11")
	equal(k, "reference of the entry", k.refers(botA, "post-1"), chat.Reference{Channel: botA, External: "post-1", Conversation: c.Key, Seq: 1, Leg: c.Leg})
	if _, err := k.Reference(t.Context(), botA, "post-2"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a repeat made a reference: %v", err)
	}
	k.tick(time.Minute)
	move(botA, *room("r1", "12"))
	if r := must[[]store.Room](k)(k.Rooms(t.Context(), botA))[0]; !r.ChangedAt.Equal(k.now) || r.Status != store.RoomLive {
		t.Errorf("room %+v", r)
	}
	// A step that is refused moves nothing.
	step = k.inbound(c, "x")
	step.Draft.Purpose, step.Draft.Target, step.Room = chat.Edit, 99, room("r1", "99")
	refused(k, fault.NotFound, step)
	k.rooms(botA, "r1 live 12")
	for name, bad := range map[string]store.Room{"no name": {Status: store.RoomLive}, "no status": {Room: "r"}, "bad position": {Room: "r", Status: store.RoomLive, Position: "\xff"}} {
		if _, err := store.Do(t.Context(), k.Store, store.MoveRooms{Channel: botA, Rooms: []store.Room{bad}, Now: k.now}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
		step := k.inbound(c, "x")
		step.Room = &bad
		refused(k, fault.Invalid, step)
	}
}

func testReferences(t *testing.T, db DB) {
	k := open(t, db)
	c := k.pushed(botA, "p")
	for i, external := range []string{"x", "y", "x"} {
		step := k.inbound(c, fmt.Sprint(i))
		step.External = external
		do(k, step)
	}
	added := store.Append{
		Conversation: c.Key, Origin: c.Leg, Entries: []chat.Draft{said("a"), said("b")}, External: "z",
		Dedupe: &store.Dedupe{Key: "edit:1", Life: life}, Room: &store.Room{Room: "r", Status: store.RoomLive, Position: "1"}, Now: k.now,
	}
	equal(k, "appended", len(do(k, added).Entries), 2)
	added.Room = &store.Room{Room: "r", Status: store.RoomLive, Position: "2"}
	again := do(k, added)
	if !again.Duplicate || len(again.Entries) != 0 {
		t.Errorf("a repeat: %+v", again)
	}
	k.rooms(botA, "r live 2")
	for external, seq := range map[string]int64{"x": 1, "y": 2, "z": 4} {
		equal(k, "entry behind "+external, k.refers(botA, external).Seq, seq)
	}
	k.logs(c, "1|contact|all|0", "2|contact|all|1", "3|contact|all|2", "4|contact|all|a", "5|contact|all|b")
	// The same id on another channel is another one.
	other := k.inbound(k.pushed("st-b", "p"), "x")
	other.External = "x"
	do(k, other)
	equal(k, "references of entry 1", len(must[[]chat.Reference](k)(k.References(t.Context(), c.Key, 1))), 1)
	equal(k, "references of entry 3", len(must[[]chat.Reference](k)(k.References(t.Context(), c.Key, 3))), 0)
	for name, spoil := range map[string]func(*store.Append){
		"hash":       func(s *store.Append) { s.Dedupe = &store.Dedupe{Key: "k", Hash: []byte{1}} },
		"own hash":   func(s *store.Append) { s.Dedupe = &store.Dedupe{Key: "k", HashContent: true} },
		"key":        func(s *store.Append) { s.Dedupe = &store.Dedupe{Key: "\x00"} },
		"no entries": func(s *store.Append) { s.Entries = nil },
		"external":   func(s *store.Append) { s.External = "\xff" },
	} {
		step := added
		spoil(&step)
		if _, err := store.Do(t.Context(), k.Store, step); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

// testCarry lets callers bring instant replies themselves.
func testCarry(t *testing.T, db DB) {
	k := open(t, db).lease()
	c := k.pushed(botA, "p")
	carry := func(text string, ep chat.Episode) store.Accepted {
		step := k.instant(c, text, ep, says("a", "b"))
		step.Carry = true
		return do(k, step)
	}
	out := carry("1", chat.Episode{})
	if !out.Folded || !out.Carried || len(out.Replies) != 2 {
		t.Fatalf("%+v, want carried replies", out)
	}
	k.claimed()
	k.says(c, "note")
	out = carry("2", out.Episode)
	equal(k, "carried while a delivery is open", out.Carried, false)
	for _, seq := range []string{"p/4", "p/6", "p/7"} {
		equal(k, "carried before "+seq, out.Carried, false)
		k.send(k.claimed(seq)[0])
	}
	out = carry("3", out.Episode)
	equal(k, "carried afterwards", out.Carried, true)
	// Not without a fold, nor over a leg that is not pushed.
	step := k.inbound(c, "4")
	step.Carry = true
	equal(k, "carried without a fold", do(k, step).Carried, false)
	step = k.instant(k.conversation("feed"), "1", chat.Episode{}, says("a"))
	step.Carry = true
	equal(k, "carried over a feed", do(k, step).Carried, false)
	k.claimed()
}

// testSpeakers has several people in one place.
func testSpeakers(t *testing.T, db DB) {
	k := open(t, db)
	step := k.place("room")
	step.Person = chat.Person{ExternalID: "u1", Name: "Ada"}
	first := do(k, step)
	equal(k, "first speaker", first.Speaker, first.Conversation.ContactID)
	step.Person = chat.Person{ExternalID: "u2", Verified: true, Name: "Bo"}
	second := do(k, step)
	if second.Created || second.Speaker == "" || second.Speaker == first.Speaker || second.Conversation.ContactID != first.Speaker {
		t.Errorf("second speaker %+v", second)
	}
	equal(k, "second speaker again", do(k, step).Speaker, second.Speaker)
	step.Person = chat.Person{}
	equal(k, "no speaker", do(k, step).Speaker, first.Speaker)
	own := k.place("own")
	own.Person = chat.Person{ExternalID: "u2"}
	opened := do(k, own)
	equal(k, "contact of the speaker's own place", opened.Conversation.ContactID, second.Speaker)
	equal(k, "person", must[chat.Person](k)(k.Person(t.Context(), opened.Conversation.Contact, botA)), chat.Person{ExternalID: "u2", Name: "Bo"})
}
