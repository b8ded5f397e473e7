package app

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"parley/internal/catalog"
	"parley/internal/chat"
	"parley/internal/store"
	"parley/internal/testkit/wait"
)

// hook is a channel that posts go to, of which nothing is reached in this test.
const hook = chat.ChannelID("mw-00000000-0000-4000-8000-000000000009")

func withHook(disabled bool) catalog.Manifest {
	m, _ := real("flow", "flow: 1\nlanguages: [en]\n")
	m.Channels["hook"] = catalog.ChannelSpec{Type: "mattermost-webhook", Assistant: "own", Disabled: disabled,
		Settings: json.RawMessage(`{"id":"` + string(hook) + `","outgoing_token":"abcdefghijklmnopqrstuvwxyz","callback_key":"a-callback-key-of-24-char"}`)}
	return m
}

// waits makes n deliveries in a place of the channel.
func waits(t *testing.T, s store.Store, ch chat.ChannelID, n int) {
	t.Helper()
	ctx, now := context.Background(), time.Now()
	opened, err := store.Do(ctx, s, store.OpenPlace{Channel: ch, ChannelType: "mattermost-webhook", Place: "p", Person: chat.Person{ExternalID: "u"}, Mode: chat.LegPush, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		draft := chat.Draft{Author: chat.Author{Kind: chat.ByAssistant, ID: "own"}, Visibility: chat.VisibleToAll, Purpose: chat.Message, Content: chat.TextContent("late")}
		if _, err := store.Do(ctx, s, store.Append{Conversation: opened.Conversation.Key, Entries: []chat.Draft{draft}, Now: now}); err != nil {
			t.Fatal(err)
		}
	}
}

func dropped(t *testing.T, s store.Store, ch chat.ChannelID) (n int) {
	t.Helper()
	all, err := s.Deliveries(context.Background(), store.DeliveryFilter{Channel: ch, Status: chat.DeliveryDropped})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if d.LastError == store.ChannelGone {
			n++
		}
	}
	return n
}

func held(t *testing.T, a *App) []string {
	t.Helper()
	all, err := a.alerts.Holding(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, one := range all {
		names = append(names, one.Name)
	}
	return names
}

// What a channel has left is ended although it was deleted while no server ran;
// and a channel that is only out of service keeps everything.
func TestDeletedChannel(t *testing.T) {
	data := t.TempDir()
	ctx := context.Background()
	a := begin(t, data)
	apply(t, data, withHook(true))
	waits(t, a.store, hook, 3)
	const alert = "mattermost.token." + string(hook)
	for _, name := range []string{alert, "deliveries:" + string(hook), "mattermost.link.mm-never-was"} {
		if err := a.alerts.Raise(ctx, name, "It burns."); err != nil {
			t.Fatal(err)
		}
	}
	poke(a.deleted)
	wait.For(t, time.Minute, func() bool { return len(held(t, a)) == 2 }, "the alert of a channel that never was to be cleared")
	if n := dropped(t, a.store, hook); n != 0 {
		t.Errorf("%d were dropped of a channel that is disabled", n)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}

	off := &App{Options: options(settings(t, data, nil), &logbook{})}
	s, err := openStore(ctx, off.Settings, off.Logger, hooks{})
	if err != nil {
		t.Fatal(err)
	}
	if off.box, err = openKeys(ctx, off.Settings.KeyFile, s, off.Logger, false); err != nil {
		t.Fatal(err)
	}
	service, err := catalog.New(catalog.Options{Store: s, Sealer: off.box, Kinds: off.kinds(), Types: channelTypes(off.prober())})
	if err != nil {
		t.Fatal(err)
	}
	result, err := service.Delete(ctx, store.ItemChannel, "hook", "owner")
	if err != nil || result.Dropped != 3 || dropped(t, s, hook) != 3 {
		t.Errorf("deleted: %+v, %v", result, err)
	}
	waits(t, s, hook, 2) // what was said when the deletion came
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	a = begin(t, data)
	wait.For(t, time.Minute, func() bool { return len(held(t, a)) == 0 && dropped(t, a.store, hook) == 5 }, "what the channel has left to be ended")
}
