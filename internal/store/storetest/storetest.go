// Package storetest is the behaviour suite that every engine of the store has
// to pass, and the benchmark they are compared by. It knows no engine.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// DB is an empty database of an engine. It goes away with the test.
type DB interface {
	// Open opens a store on the database; the suite closes it.
	Open(t testing.TB) store.Store
	// Shared tells whether several stores may be open at once.
	Shared() bool
	// Poison makes the database refuse every row of raw input with this body,
	// with an error that says nothing about the database as a whole.
	Poison(t testing.TB, body string)
	// Restore brings a backup into a new, empty database and opens it.
	Restore(t testing.TB, dir string) store.Store
}

// Run runs the suite; fresh makes an empty database.
func Run(t *testing.T, fresh func(testing.TB) DB) {
	tests := []struct {
		name string
		run  func(*testing.T, DB)
	}{
		{"place", testPlace},
		{"identity is shared by the places of a channel", testIdentity},
		{"place in many windows at once", testPlaceRace},
		{"accept opens an episode and a turn", testAccept},
		{"duplicates", testDuplicates},
		{"reused key", testReusedKey},
		{"duplicate key in another conversation", testDuplicateAcrossConversations},
		{"fold", testFold},
		{"stale fold", testStaleFold},
		{"idle episode", testIdle},
		{"turns in order", testTurnsInOrder},
		{"collected turns", testCollect},
		{"late reply", testLate},
		{"lost claim", testLost},
		{"failed turn", testFailed},
		{"postponed turn", testPostponed},
		{"reclaim after a new boot", testReclaimBoot},
		{"reclaim after the lease", testReclaimLease},
		{"claims skip turns without a right", testClaimDropsStale},
		{"lease", testLease},
		{"control", testControl},
		{"finish drops waiting turns", testFinishDrops},
		{"edits and deletions", testEdits},
		{"edits that are refused", testEditsRefused},
		{"visible pages", testVisiblePages},
		{"clock steps back", testClock},
		{"delivery", testDelivery},
		{"delivery of what was changed", testDeliveryContent},
		{"questions of a delivery", testDeliveryQuestions},
		{"deliveries that are refused", testDeliveryRefusals},
		{"poison among deliveries", testDeliveryPoison},
		{"deliveries in order", testDeliveryOrder},
		{"backlog of a leg", testDeliveryBacklog},
		{"limits of endpoints", testEndpointLimit},
		{"lost deliveries", testLostDelivery},
		{"endpoints made due", testMakeDue},
		{"resend", testResend},
		{"drop", testDrop},
		{"deliveries of a deleted channel", testGone},
		{"lists of deliveries", testDeliveryLists},
		{"rooms", testRooms},
		{"references", testReferences},
		{"carried replies", testCarry},
		{"repeats among new keys", testRepeatsAmongNew},
		{"replies taken at once", testTake},
		{"taken and lost", testTakeIsLost},
		{"what is not taken", testTakeLeaves},
		{"speakers", testSpeakers},
		{"link", testLink},
		{"alerts", testAlert},
		{"single use", testSingleUse},
		{"confirmations", testConfirmations},
		{"raw input and sweep", testSweep},
		{"sweep of deliveries", testDeliverySweep},
		{"catalog", testCatalog},
		{"catalog conflict", testCatalogConflict},
		{"secrets and meta", testSecretsAndMeta},
		{"tokens", testTokens},
		{"names of tokens", testTokenNames},
		{"use of tokens", testTokenUse},
		{"tokens made at once", testTokenRace},
		{"tokens stay", testTokensStay},
		{"lists", testLists},
		{"bad input", testBadInput},
		{"odd bytes", testOddBytes},
		{"large content", testLarge},
		{"poison", testPoison},
		{"cancelled context", testCancelled},
		{"close drains", testClose},
		{"survives a reopening", testReopen},
		{"backup while committing", testBackup},
		{"random steps against a model", testModel},
		{"two writers", testTwoWriters},
		{"two writers remember", testTwoRemember},
		{"two writers fold", testTwoFold},
		{"two writers claim", testTwoClaim},
		{"two writers and single use", testTwoOnce},
		{"two writers deliver", testTwoDeliver},
		{"two writers and a deleted channel", testTwoGone},
		{"two writers and a link", testTwoLink},
		{"two writers and an alert", testTwoAlert},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, fresh(t)) })
	}
}

const (
	botA  = chat.ChannelID("st-a")
	life  = time.Hour
	owner = "node-1"
)

var (
	noon     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	answerer = store.Answerer{Name: "front-desk", Version: 3}
	me       = store.Owner{Node: owner, Boot: 1}
)

// kit is one test's store with shorthands that fail the test.
type kit struct {
	testing.TB
	store.Store
	now time.Time
}

func open(t testing.TB, db DB) *kit {
	t.Helper()
	s := db.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &kit{TB: t, Store: s, now: noon}
}

func do[O any](k *kit, step store.StepFor[O]) O {
	k.Helper()
	out, err := store.Do(context.Background(), k.Store, step)
	if err != nil {
		k.Fatalf("%T: %v", step, err)
	}
	return out
}

func refused[O any](k *kit, kind fault.Kind, step store.StepFor[O]) {
	k.Helper()
	out, err := store.Do(context.Background(), k.Store, step)
	if !fault.Is(err, kind) {
		k.Errorf("%T = %+v, %v, want a fault %q", step, out, err, kind)
	}
}

// must unwraps the answer of a query.
func must[T any](k *kit) func(T, error) T {
	return func(v T, err error) T {
		k.Helper()
		if err != nil {
			k.Fatal(err)
		}
		return v
	}
}

// lease makes the owner "me" a living one; without it, everybody may take its
// turns.
func (k *kit) lease() *kit {
	k.Helper()
	equal(k, "first boot", do(k, store.RenewLease{Node: owner, Life: life}).Boot, me.Boot)
	return k
}

func (k *kit) tick(d time.Duration) *kit { k.now = k.now.Add(d); return k }

func (k *kit) place(place string) store.OpenPlace {
	return store.OpenPlace{
		Channel: botA, ChannelType: "rtm", Place: place, Person: chat.Person{ExternalID: "user-" + place, Verified: true, Name: "Mia"},
		Mode: chat.LegFeed, Now: k.now,
	}
}

func (k *kit) conversation(place string) chat.Conversation {
	k.Helper()
	return do(k, k.place(place)).Conversation
}

// conversations opens so many, at the places "p0", "p1" and so on.
func (k *kit) conversations(n int) []chat.Conversation {
	k.Helper()
	all := make([]chat.Conversation, n)
	for i := range all {
		all[i] = k.conversation(fmt.Sprint("p", i))
	}
	return all
}

// inbound is a contact's message that owes a turn.
func (k *kit) inbound(c chat.Conversation, text string) store.Accept {
	return store.Accept{
		Conversation: c.Key, Origin: c.Leg, Draft: said(text), Answerer: answerer, OwesTurn: true, Owner: me, Now: k.now,
	}
}

func (k *kit) instant(c chat.Conversation, text string, ep chat.Episode, r store.Reply) store.Accept {
	step := k.inbound(c, text)
	step.Fold = &store.Fold{Episode: ep.Key, Epoch: ep.Epoch, Revision: ep.Revision, Reply: r}
	return step
}

func (k *kit) finish(t *chat.Turn, r store.Reply) store.FinishTurn {
	return store.FinishTurn{Conversation: t.Conversation, Turn: t.Key, Owner: me, Epoch: t.Epoch, Reply: r, Now: k.now}
}

func (k *kit) move(ep chat.Episode, c chat.Change) store.MoveControl {
	return store.MoveControl{Conversation: ep.Conversation, Episode: ep.Key, Epoch: ep.Epoch, Change: c, Now: k.now}
}

func says(texts ...string) store.Reply {
	var r store.Reply
	for _, text := range texts {
		r.Entries = append(r.Entries, answer(text))
	}
	return r
}

func (k *kit) log(c chat.Conversation) []chat.Entry {
	k.Helper()
	return must[[]chat.Entry](k)(k.Entries(context.Background(), c.Key, 0, 0))
}

// texts renders a log for comparison: "visible seq|author|visibility|text".
func texts(entries []chat.Entry) []string {
	var all []string
	for _, e := range entries {
		text := e.Content.Text
		if e.Deleted {
			text = "(deleted)" + text
		}
		all = append(all, fmt.Sprintf("%d|%s|%s|%s", e.VisibleSeq, e.Author.Kind, e.Visibility, text))
	}
	return all
}

func (k *kit) logs(c chat.Conversation, want ...string) {
	k.Helper()
	entries := k.log(c)
	if diff := cmp.Diff(want, texts(entries)); diff != "" {
		k.Errorf("log (-want +got):\n%s", diff)
	}
	for i, e := range entries {
		if e.Seq != int64(i)+1 {
			k.Errorf("entry %d has seq %d", i, e.Seq)
		}
	}
}

func (k *kit) statuses(c chat.Conversation, want ...chat.TurnStatus) []chat.Turn {
	k.Helper()
	turns := must[[]chat.Turn](k)(k.Turns(context.Background(), store.TurnFilter{Conversation: c.Key}))
	var got []chat.TurnStatus
	for i := len(turns) - 1; i >= 0; i-- {
		got = append(got, turns[i].Status)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		k.Errorf("turns, oldest first (-want +got):\n%s", diff)
	}
	return turns
}

func (k *kit) handling(c chat.Conversation) store.Handling {
	k.Helper()
	return must[store.Handling](k)(k.Store.Handling(context.Background(), c.Key))
}

// together runs work n times at once and returns the errors.
func together(n int, work func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = work(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func equal[T comparable](k *kit, what string, got, want T) {
	k.Helper()
	if got != want {
		k.Errorf("%s = %v, want %v", what, got, want)
	}
}
