package alert_test

import (
	"testing"
	"time"

	"parley/internal/alert"
	"parley/internal/chat"
)

func TestChannelOf(t *testing.T) {
	for name, want := range map[string]chat.ChannelID{
		"deliveries:mm-1": "mm-1", "mattermost.token.mm-1": "mm-1", "mattermost.link.mm-1": "mm-1", "custom.x.ch.1": "ch.1",
		"disk:node-1": "", "deliveries:": "", "mattermost.token.": "", "mattermost.token": "", "": "", "x": "", ".": "", "..": "",
	} {
		if got, ok := alert.ChannelOf(name); got != want || ok != (want != "") {
			t.Errorf("%q is about %q, %v, want %q", name, got, ok, want)
		}
	}
}

// What holds for a channel is cleared when it is gone, in whatever process it
// was raised; what holds for others stays.
func TestClearChannel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, r := newMemory(), &room{}
		one := begin(t, m, r)
		for _, name := range []string{"mattermost.token.mm-1", "deliveries:mm-1", "deliveries:mm-11", "disk:mm-1"} {
			must(t, one.Raise(t.Context(), name, name+" burns."))
		}
		after(time.Second)
		one.end()
		two := begin(t, m, r)
		about, err := two.Channels(t.Context())
		must(t, err)
		want(t, "channels", about, []chat.ChannelID{"mm-1", "mm-11", "mm-1"})
		must(t, two.ClearChannel(t.Context(), "mm-1"))
		must(t, two.ClearChannel(t.Context(), "mm-2"))
		after(time.Second)
		for name, cleared := range map[string]bool{"mattermost.token.mm-1": true, "deliveries:mm-1": true, "deliveries:mm-11": false, "disk:mm-1": false} {
			want(t, name, m.cleared(name), cleared)
		}
		want(t, "said", len(r.got()), 4+2)
	})
}

// Deliveries of a channel that is not in force raise nothing, so that what was
// cleared stays so; and what holds is not taken for well.
func TestDeliveriesOutOfForce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemory()
		b := begin(t, m)
		watch(t, b, m, map[chat.ChannelID]string{})
		m.set(func() {
			m.deliveries = []chat.Delivery{{Channel: "mm-1", EndedAt: time.Now()}, {Channel: "mm-2", EndedAt: time.Now()}}
		})
		must(t, b.Raise(t.Context(), "deliveries:mm-1", "It was raised while the channel was there."))
		after(10 * time.Minute)
		want(t, "mm-1 cleared", m.cleared("deliveries:mm-1"), false)
		want(t, "steps", m.asked(), 1)
		must(t, b.ClearChannel(t.Context(), "mm-1"))
		after(10 * time.Minute)
		want(t, "mm-1 cleared", m.cleared("deliveries:mm-1"), true)
	})
}
