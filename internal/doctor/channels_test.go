package doctor_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/catalog"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/doctor"
	"parley/internal/fault"
	"parley/internal/store"
)

// ward is an installation with channels, and what goes on in it.
type ward struct {
	patient
	options  doctor.Options
	counts   []store.DeliveryCount
	alerts   []store.Alert
	tokens   []store.Token
	stateErr error

	mu     sync.Mutex
	tested []string
	test   func(ctx context.Context, name string) ([]channel.Finding, error)
}

func (w *ward) TestChannel(ctx context.Context, name string) ([]channel.Finding, error) {
	w.mu.Lock()
	w.tested = append(w.tested, name)
	w.mu.Unlock()
	return w.test(ctx, name)
}

func (w *ward) DeliveryCounts(context.Context) ([]store.DeliveryCount, error) {
	return w.counts, w.stateErr
}
func (w *ward) Alerts(context.Context, time.Time) ([]store.Alert, error) { return w.alerts, w.stateErr }
func (w *ward) Tokens(context.Context) ([]store.Token, error)            { return w.tokens, w.stateErr }

func newWard(t *testing.T) *ward {
	w := &ward{patient: *healthy(t)}
	w.channels = []catalog.Channel{
		{Name: "alpha", ID: "mm-1", Type: "mattermost"}, {Name: "beta", ID: "mm-2", Type: "mattermost"},
		{Name: "gone", ID: "mm-3", Type: "mattermost", Disabled: true}, {Name: "hook", ID: "mw-1", Type: "mattermost-webhook"},
	}
	w.test = func(_ context.Context, name string) ([]channel.Finding, error) {
		return []channel.Finding{
			{Level: channel.LevelOK, Name: "server", Text: name + " answers"},
			{Level: channel.LevelOK, Name: "callback", Text: "reached"},
			{Level: channel.LevelWarn, Name: "advice", Text: "said elsewhere", Mend: "x"},
		}, nil
	}
	w.options = doctor.Options{
		Callers:    []string{"mattermost", "mattermost-webhook"},
		Exceptions: map[string]string{"mattermost-webhook": "cannot recover posts"},
	}
	return w
}

func (w *ward) examine() []doctor.Finding {
	o := w.options
	o.Settings, o.Database, o.Catalog, o.State = w.settings, w, w, w
	o.Status = func() *catalog.Status { return &w.status }
	o.Now = func() time.Time { return now }
	return doctor.New(o).Run(context.Background())
}

func link(l doctor.Link) func(*ward) {
	return func(w *ward) { w.options.Links = func() []doctor.Link { return []doctor.Link{l} } }
}

func TestWard(t *testing.T) {
	w := newWard(t)
	var names []string
	for _, f := range w.examine() {
		if (f.Level == doctor.OK) != (f.Mend == "") || f.Level != doctor.OK && f.Name != "disk" {
			t.Errorf("%+v", f)
		}
		names = append(names, f.Name)
	}
	want := []string{"alpha/server", "alpha/callback", "beta/server", "beta/callback", "hook/server", "hook/callback", "hook/promises", "deliveries", "alerts", "api_tokens"}
	got := slices.DeleteFunc(names, func(n string) bool { return !slices.Contains(want, n) })
	if !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	slices.Sort(w.tested)
	if !slices.Equal(w.tested, []string{"alpha", "beta", "hook"}) {
		t.Errorf("tested %v", w.tested)
	}
}

func TestWardFindings(t *testing.T) {
	minutes := func(n int) time.Time { return now.Add(-time.Duration(n) * time.Minute) }
	fails := func(name string) func(context.Context, string) ([]channel.Finding, error) {
		return func(_ context.Context, tested string) ([]channel.Finding, error) {
			if tested != name {
				return nil, nil
			}
			return []channel.Finding{{Level: channel.LevelFail, Name: "token", Text: "refused", Mend: "new token"}}, nil
		}
	}
	for _, test := range []struct {
		name  string
		hurt  func(w *ward)
		check string
		level doctor.Level
		says  string
		mend  string
	}{
		{"test fails", func(w *ward) { w.test = fails("beta") }, "beta/token", doctor.Fail, "refused", "new token"},
		{"test cannot be made", func(w *ward) {
			w.test = func(context.Context, string) ([]channel.Finding, error) { return nil, errors.New("password=x") }
		}, "alpha/test", doctor.Fail, "cannot be tested", "log"},
		{"no public address", func(w *ward) { w.test = fails("none") }, "callbacks", doctor.Warn, "alpha, beta, hook", "public_url"},
		{"link is up", link(doctor.Link{Channel: "beta", Connected: true, Since: minutes(90), LastEvent: now.Add(-3 * time.Second), Live: 5, CatchingUp: 1, Recovered: 12, Late: 2}),
			"beta/link", doctor.OK, "connected for 1h30m, 5 rooms live, 1 catching up, 12 posts recovered after outages, 2 posts too old to be answered, last heard 3s ago", ""},
		{"link just went", link(doctor.Link{Channel: "beta", Since: now.Add(-5 * time.Second), Problem: "restarting"}), "beta/link", doctor.Warn, "down for 5s: restarting", "by itself"},
		{"link is down", link(doctor.Link{Channel: "beta", Since: minutes(6), Problem: "token revoked"}), "beta/link", doctor.Fail, "down for 6m: token revoked", "other lines"},
		{"link never was", link(doctor.Link{Channel: "beta"}), "beta/link", doctor.Warn, "not connected yet", "by itself"},
		{"another node", link(doctor.Link{Channel: "beta", Standby: true, Since: minutes(6)}), "beta/link", doctor.OK, "another node", ""},
		{"deliveries wait", func(w *ward) {
			w.counts = []store.DeliveryCount{{Channel: "mm-1", Open: 3, OldestOpen: minutes(7)}}
		}, "deliveries", doctor.Warn, "channel alpha: 3 wait to be sent, the oldest for 7m", "parley delivery list --channel alpha"},
		{"deliveries just made", func(w *ward) {
			w.counts = []store.DeliveryCount{{Channel: "mm-1", Open: 3, OldestOpen: now}}
		}, "deliveries", doctor.OK, "3 under way", ""},
		{"deliveries given up", func(w *ward) { w.counts = []store.DeliveryCount{{Channel: chat.ChannelID("old-1"), Failed: 2}} },
			"deliveries", doctor.Warn, "channel old-1: 2 were given up", "--status failed"},
		{"alert holds", func(w *ward) {
			w.alerts = []store.Alert{{Name: "disk:1", Text: "The disk is full.", RaisedAt: minutes(3)}}
		}, "alerts", doctor.Warn, "for 3m: The disk is full.", "by itself"},
		{"alert is over", func(w *ward) { w.alerts = []store.Alert{{Text: "x", RaisedAt: minutes(3), ClearedAt: minutes(1)}} }, "alerts", doctor.OK, "no alert", ""},
		{"token for ever", func(w *ward) { w.tokens = []store.Token{{Name: "ci"}} }, "api_tokens", doctor.Warn, "token ci is good for ever", "parley token revoke ci"},
		{"token ends", func(w *ward) { w.tokens = []store.Token{{Name: "ci", ExpiresAt: now.Add(72 * time.Hour)}} }, "api_tokens", doctor.Warn, "ends on 2026-03-04", "parley token create"},
		{"token is fine", func(w *ward) { w.tokens = []store.Token{{Name: "ci", ExpiresAt: now.Add(720 * time.Hour)}} }, "api_tokens", doctor.OK, "1, none", ""},
		{"token was revoked", func(w *ward) { w.tokens = []store.Token{{Name: "ci", RevokedAt: minutes(1)}} }, "api_tokens", doctor.OK, "there is none", ""},
		{"state unreadable", func(w *ward) { w.stateErr = fault.New(fault.Unavailable, "no answer") }, "api_tokens", doctor.Fail, "no answer", "log"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWard(t)
			test.hurt(w)
			found := w.examine()
			for _, f := range found {
				if f.Name == test.check && f.Level == test.level && strings.Contains(f.Text, test.says) && strings.Contains(f.Mend, test.mend) {
					if strings.Contains(f.Text, "password") {
						t.Errorf("the cause is shown: %+v", f)
					}
					return
				}
			}
			t.Errorf("not found: %s %s with %q and mend %q in\n%+v", test.level, test.check, test.says, test.mend, found)
		})
	}
}

// An account that was refused is not tried again: ten tries lock it.
func TestNoTryThatHarms(t *testing.T) {
	w := newWard(t)
	link(doctor.Link{Channel: "beta", Since: now, Problem: "password is wrong", GaveUp: true})(w)
	var said bool
	for _, f := range w.examine() {
		said = said || f.Name == "beta/link" && f.Level == doctor.Fail && strings.Contains(f.Text, "password is wrong")
	}
	if !said || slices.Contains(w.tested, "beta") {
		t.Errorf("said %v, tested %v", said, w.tested)
	}
}

// Channels are tested side by side, and one that hangs is given up.
func TestChannelsSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(t)
		w.test = func(ctx context.Context, _ string) ([]channel.Finding, error) {
			<-ctx.Done()
			return []channel.Finding{{Level: channel.LevelFail, Name: "timeout", Text: "hangs", Mend: "x"}}, nil
		}
		began := time.Now()
		hung := 0
		for _, f := range w.examine() {
			if strings.HasSuffix(f.Name, "/timeout") {
				hung++
			}
		}
		if took := time.Since(began); hung != 3 || took > 31*time.Second {
			t.Errorf("%d given up after %s", hung, took)
		}
	})
}

// With public_url nothing has to be proved.
func TestCallbacksWithPublicURL(t *testing.T) {
	w := newWard(t)
	w.settings.PublicURL, w.settings.TLS = "https://chat.example.com", config.TLS{Cert: "c", Key: "k"}
	w.test = func(context.Context, string) ([]channel.Finding, error) { return nil, nil }
	for _, f := range w.examine() {
		if f.Name == "callbacks" {
			t.Errorf("%+v", f)
		}
	}
}
