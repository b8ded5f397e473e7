package delivery_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/delivery"
	"parley/internal/store"
	"parley/internal/store/sqlite"
	"parley/internal/testkit/wait"
)

// real is the service on a real store, with the real clock and short pauses.
type real struct {
	*delivery.Service
	t     *testing.T
	store *sqlite.Store
	end   func()
}

func openStore(t *testing.T) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// onStore starts another boot.
func onStore(t *testing.T, s *sqlite.Store, f *far) *real {
	t.Helper()
	lease, err := store.Do(t.Context(), s, store.RenewLease{Node: "node-1", Life: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	p := delivery.DefaultPolicy()
	p.FirstRetry, p.LastRetry, p.LastProbe, p.Tick = time.Millisecond, 5*time.Millisecond, 5*time.Millisecond, 5*time.Millisecond
	service, err := delivery.New(delivery.Options{
		Store: s, SenderFor: func(chat.ChannelID) (channel.Sender, bool) { return f, true },
		Owner: func() store.Owner { return store.Owner{Node: "node-1", Boot: lease.Boot} }, Logger: slog.New(slog.DiscardHandler), Policy: p,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { service.Run(ctx, 0); close(done) }()
	r := &real{Service: service, t: t, store: s, end: func() { cancel(); <-done }}
	t.Cleanup(r.end)
	return r
}

func (r *real) place(ch chat.ChannelID, key string) chat.Conversation {
	r.t.Helper()
	out, err := store.Do(r.t.Context(), r.store, store.OpenPlace{
		Channel: ch, ChannelType: "far", Place: key, Person: chat.Person{ExternalID: key}, Mode: chat.LegPush, Now: time.Now(),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out.Conversation
}

func (r *real) append(c chat.Conversation, drafts ...chat.Draft) {
	r.t.Helper()
	if _, err := store.Do(r.t.Context(), r.store, store.Append{Conversation: c.Key, Entries: drafts, Now: time.Now()}); err != nil {
		r.t.Fatal(err)
	}
	r.Wake()
}

func draft(text string) chat.Draft {
	return chat.Draft{Author: chat.Author{Kind: chat.BySystem}, Purpose: chat.Message, Visibility: chat.VisibleToAll, Content: chat.TextContent(text)}
}

func (r *real) list(f store.DeliveryFilter) []chat.Delivery {
	r.t.Helper()
	all, err := r.store.Deliveries(r.t.Context(), f)
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

func (r *real) idle() {
	r.t.Helper()
	wait.For(r.t, 30*time.Second, func() bool {
		counts, err := r.store.DeliveryCounts(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for _, c := range counts {
			if c.Open > 0 {
				return false
			}
		}
		return true
	}, "all deliveries to end")
}

// The storm on a real store: restarts, random failures, two endpoints.
func TestStormOnSQLite(t *testing.T) {
	d := &dice{r: rand.New(rand.NewPCG(1, 2))}
	s, f := openStore(t), newFar()
	f.send = func(o channel.Outgoing, _ chat.Part) (bool, error) {
		arrives, err := strike(d, o.Leg.Channel, o.Attempt > 3)
		if e, ok := err.(*channel.SendError); ok {
			e.Delay = min(e.Delay, time.Millisecond)
		}
		return arrives, err
	}
	r := onStore(t, s, f)
	var places []chat.Conversation
	for i := range 4 {
		places = append(places, r.place(chat.ChannelID(fmt.Sprintf("st-%d", i%2)), fmt.Sprintf("room-%d", i)))
	}
	wrote := make(map[chat.LegKey][]string)
	for i := range 60 {
		c := places[d.pick(len(places))]
		r.append(c, draft(fmt.Sprintf("%d.1\n%d.2", i, i)))
		wrote[c.Leg] = append(wrote[c.Leg], fmt.Sprintf("%d.1", i), fmt.Sprintf("%d.2", i))
		if d.one(10) {
			r.end()
			r = onStore(t, s, f)
		}
	}
	r.idle()
	for leg, texts := range wrote {
		want(t, fmt.Sprintf("leg %d", leg), f.legs[leg], texts)
	}
	refs, err := s.References(t.Context(), places[0].Key, 1)
	if err != nil || len(refs) != 2 || refs[0].Part != 1 || refs[1].Part != 2 || refs[0].External == "" {
		t.Errorf("references %+v, %v", refs, err)
	}
}

// An operator's words, an edit, and a deletion of what was never sent.
func TestChangesOnSQLite(t *testing.T) {
	s, f := openStore(t), newFar()
	broken := true
	var edited []chat.Reference
	f.send = func(o channel.Outgoing, p chat.Part) (bool, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if o.Entry.Purpose == chat.Edit {
			edited = o.Targets
		}
		if string(p.Body) == "b" && broken {
			return false, says(channel.SendPermanent, false)
		}
		return true, nil
	}
	r := onStore(t, s, f)
	c := r.place("st-1", "room")
	r.append(c, draft("a\nb\nc"), draft("d"))
	r.idle()
	failed := r.list(store.DeliveryFilter{Status: chat.DeliveryFailed})
	if len(failed) != 1 || failed[0].Seq != 1 || failed[0].LastError != "permanent: no luck" || failed[0].Attempts != 1 {
		t.Fatalf("failed %+v", failed)
	}
	want(t, "arrived", f.got(), []string{"a", "d"})
	f.mu.Lock()
	broken = false
	f.mu.Unlock()
	change := func(verb string) {
		t.Helper()
		if _, err := store.Do(t.Context(), s, store.ChangeDelivery{Delivery: failed[0].Key, Verb: verb, Actor: "owner", Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
		r.Wake()
	}
	change("drop")
	change("resend")
	r.idle()
	want(t, "arrived", f.got(), []string{"a", "d", "b", "c"})
	edit := draft("A")
	edit.Purpose, edit.Target = chat.Edit, 1
	r.append(c, edit)
	r.idle()
	want(t, "targets", len(edited), 3)
	if all := r.list(store.DeliveryFilter{Status: chat.DeliverySent}); len(all) != 3 {
		t.Errorf("sent %+v", all)
	}
}
