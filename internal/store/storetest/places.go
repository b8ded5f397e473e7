package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

func testPlace(t *testing.T, db DB) {
	k := open(t, db)
	first := do(k, k.place("p"))
	c := first.Conversation
	if !first.Created || !strings.HasPrefix(string(c.ID), chat.PrefixConversation) || !strings.HasPrefix(string(c.ContactID), chat.PrefixContact) ||
		c.Key == 0 || c.Leg == 0 || c.Contact == 0 || c.Channel != botA || c.Place != "p" || !c.CreatedAt.Equal(noon) || !c.LastAt.IsZero() {
		t.Errorf("opened %+v", first)
	}
	k.now = noon.AddDate(0, 0, 1)
	again := do(k, k.place("p"))
	if diff := cmp.Diff(store.OpenedPlace{Conversation: c, Speaker: c.ContactID}, again); diff != "" {
		t.Errorf("opened again (-want +got):\n%s", diff)
	}
	ctx := t.Context()
	for name, read := range map[string]func() (chat.Conversation, error){
		"by key":   func() (chat.Conversation, error) { return k.Conversation(ctx, c.Key) },
		"by id":    func() (chat.Conversation, error) { return k.ConversationByID(ctx, c.ID) },
		"by place": func() (chat.Conversation, error) { return k.ConversationByPlace(ctx, botA, "p") },
	} {
		got := must[chat.Conversation](k)(read())
		if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := k.ConversationByPlace(ctx, "st-other", "p"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a place of another channel: %v, want not found", err)
	}
	if _, err := k.Conversation(ctx, c.Key+1000); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown key: %v, want not found", err)
	}
	if _, err := k.Store.Handling(ctx, c.Key+1000); !fault.Is(err, fault.NotFound) {
		t.Errorf("handling of an unknown key: %v, want not found", err)
	}
}

func testIdentity(t *testing.T, db DB) {
	k := open(t, db)
	dm := k.place("dm")
	dm.Person = chat.Person{ExternalID: "u1", Name: "Mia"}
	room := k.place("room")
	room.Person = chat.Person{ExternalID: "u1", Verified: true}
	a, b := do(k, dm).Conversation, do(k, room).Conversation
	equal(k, "contact", b.ContactID, a.ContactID)
	person := must[chat.Person](k)(k.Person(t.Context(), a.Contact, botA))
	equal(k, "person", person, chat.Person{ExternalID: "u1", Verified: true, Name: "Mia"})
	// An unsigned opening must not be taken for a signed one.
	dm.Person.Name = "Mia Berg"
	do(k, dm)
	person = must[chat.Person](k)(k.Person(t.Context(), a.Contact, botA))
	equal(k, "person", person, chat.Person{ExternalID: "u1", Name: "Mia Berg"})
	if _, err := k.Person(t.Context(), a.Contact, "st-other"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a person on another channel: %v, want not found", err)
	}
	other := dm
	other.Channel = "st-b"
	equal(k, "same contact on another channel", do(k, other).Conversation.ContactID == a.ContactID, false)
}

func testPlaceRace(t *testing.T, db DB) {
	k := open(t, db)
	stores := k.stores(db)
	keys := make([]chat.ConversationKey, 40)
	made := make([]bool, len(keys))
	err := together(len(keys), func(i int) error {
		out, err := store.Do(context.Background(), stores[i%len(stores)], k.place(fmt.Sprintf("p%d", i%4)))
		keys[i], made[i] = out.Conversation.Key, out.Created
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	created := 0
	for i := range keys {
		if made[i] {
			created++
		}
		equal(k, fmt.Sprintf("key of opening %d", i), keys[i], keys[i%4])
	}
	equal(k, "created", created, 4)
}

// stores opens a second store where the engine allows it.
func (k *kit) stores(db DB) []store.Store {
	if !db.Shared() {
		return []store.Store{k.Store}
	}
	return []store.Store{k.Store, open(k.TB, db).Store}
}
