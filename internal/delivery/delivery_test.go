package delivery_test

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/delivery"
	"parley/internal/store"
)

const ch = chat.ChannelID("st-1")

// bubble runs a test on the fake clock.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// after lets time pass and everything come to rest.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Everything of a leg arrives in order, in parts, with references, and without
// waiting for the clock.
func TestSends(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		began := time.Now()
		first := b.say(1, ch, "a\nb\nc")
		b.say(1, ch, "d")
		b.say(2, ch, "e")
		b.Wake()
		synctest.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		want(t, "leg 1", b.legs[1], []string{"a", "b", "c", "d"})
		want(t, "leg 2", b.legs[2], []string{"e"})
		r := b.at(first)
		want(t, "status", r.Status, chat.DeliverySent)
		id := regexp.MustCompile(`^[a-z0-9]{26}$`)
		for i, p := range r.parts {
			if p.Number != i+1 || !id.MatchString(p.ID) || p.External != "ref-"+p.ID || p.SentAt.IsZero() {
				t.Errorf("part %+v", p)
			}
		}
		want(t, "sent", b.metric(t, "parley_delivery_attempts_total", string(ch), "sent"), 3)
		want(t, "parts", b.metric(t, "parley_delivery_parts_total", string(ch)), 5)
	})
}

// A lost wake-up costs one tick.
func TestSweep(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		after(time.Millisecond)
		b.say(1, ch, "a")
		after(time.Second)
		want(t, "arrived", b.got(), []string{"a"})
	})
}

func TestPermanent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		b.send = func(o channel.Outgoing, _ chat.Part) (bool, error) {
			if o.Entry.Content.Text == "bad" {
				return false, says(channel.SendPermanent, false)
			}
			return true, nil
		}
		marks := 0
		b.mark = func() error {
			if marks++; marks < 3 {
				return errors.New("not now")
			}
			return nil
		}
		bad := b.say(1, ch, "bad")
		b.say(1, ch, "good")
		b.Wake()
		synctest.Wait()
		want(t, "the next of the leg", b.got(), []string{"good"})
		r := b.at(bad)
		want(t, "status", r.Status, chat.DeliveryFailed)
		want(t, "attempts", r.Attempts, 1)
		want(t, "error", r.LastError, "permanent: no luck")
		after(time.Minute)
		want(t, "marks", b.failed, []chat.DeliveryKey{bad, bad, bad})
		f := <-b.failures
		if f.Delivery.Key != bad || f.Delivery.Status != chat.DeliveryFailed || f.Conversation != "cv-1" || f.Error != r.LastError {
			t.Errorf("told %+v", f)
		}
	})
}

// Pauses grow, are random, and never exceed their bound; after a day it is over.
func TestTemporaryIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		var at []time.Time
		b.send = func(channel.Outgoing, chat.Part) (bool, error) {
			at = append(at, time.Now())
			return false, says(channel.SendTemporary, false)
		}
		key := b.say(1, ch, "a")
		began := time.Now()
		b.Wake()
		after(23 * time.Hour)
		want(t, "after 23 h", b.at(key).Status, chat.DeliveryWaiting)
		after(time.Hour + 5*time.Minute + time.Second)
		r := b.at(key)
		want(t, "after a day", r.Status, chat.DeliveryFailed)
		if r.EndedAt.Sub(began) < 24*time.Hour || r.Attempts != len(at) {
			t.Errorf("ended after %v with %d attempts of %d", r.EndedAt.Sub(began), r.Attempts, len(at))
		}
		var most time.Duration
		for i := 1; i < len(at); i++ {
			pause := at[i].Sub(at[i-1])
			if bound := min(time.Second<<min(i-1, 20), 5*time.Minute) + time.Millisecond; pause > bound {
				t.Errorf("pause %d is %v, over %v", i, pause, bound)
			}
			most = max(most, pause)
		}
		if most < 3*time.Minute || len(at) < 200 || len(at) > 2000 {
			t.Errorf("%d attempts, longest pause %v", len(at), most)
		}
	})
}

// What has grown old behind others gets its attempts.
func TestOldHeadIsTried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		tries := 0
		b.send = func(channel.Outgoing, chat.Part) (bool, error) {
			if tries++; tries < 3 {
				return false, says(channel.SendTemporary, false)
			}
			return true, nil
		}
		key := b.say(1, ch, "a")
		b.change(key, func(r *row) { r.CreatedAt = r.CreatedAt.Add(-48 * time.Hour) })
		after(time.Minute)
		want(t, "status", b.at(key).Status, chat.DeliverySent)
	})
}

func TestLimited(t *testing.T) {
	for _, test := range []struct{ asked, waits time.Duration }{
		{17 * time.Second, 17 * time.Second}, {time.Hour, 15 * time.Minute}, {0, time.Second}, {-time.Second, time.Second},
	} {
		t.Run(test.asked.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := begin(t)
				var at []time.Time
				b.send = func(channel.Outgoing, chat.Part) (bool, error) {
					if at = append(at, time.Now()); len(at) <= 20 {
						e := says(channel.SendLimited, false)
						e.Delay = test.asked
						return false, e
					}
					return true, nil
				}
				key := b.say(1, ch, "a")
				b.change(key, func(r *row) { r.CreatedAt = r.CreatedAt.Add(-48 * time.Hour) })
				b.Wake()
				after(21 * test.waits)
				r := b.at(key)
				want(t, "status", r.Status, chat.DeliverySent)
				want(t, "attempts", r.Attempts, 0)
				for i := 1; i < len(at); i++ {
					want(t, "pause", at[i].Sub(at[i-1]), test.waits)
				}
			})
		})
	}
}

func TestNeedless(t *testing.T) {
	message := func(change func(*chat.Entry)) chat.Entry {
		e := chat.Entry{Draft: chat.Draft{Purpose: chat.Message, Content: chat.TextContent("a")}}
		change(&e)
		return e
	}
	for name, entry := range map[string]chat.Entry{
		"deleted":                message(func(e *chat.Entry) { e.Deleted = true }),
		"edit of nothing":        message(func(e *chat.Entry) { e.Purpose, e.Target = chat.Edit, 99 }),
		"deletion of nothing":    message(func(e *chat.Entry) { e.Purpose, e.Target = chat.Deletion, 99 }),
		"nothing on the channel": message(func(e *chat.Entry) { e.Content.Text = "nothing" }),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := begin(t)
				b.render = func(channel.Outgoing) ([][]byte, error) { return nil, nil }
				key := b.add(1, ch, entry)
				b.say(2, ch, "b")
				after(time.Second)
				r := b.at(key)
				want(t, "status", r.Status, chat.DeliveryDropped)
				want(t, "attempts", r.Attempts, 0)
				want(t, "requests", b.asked(ch), 0)
				if r.LastError == "" || len(b.failures) > 0 {
					t.Errorf("says %q, told of %d failures", r.LastError, len(b.failures))
				}
			})
		})
	}
}

// An edit goes where its target went.
func TestEditHasTargets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		var targets []chat.Reference
		b.send = func(o channel.Outgoing, _ chat.Part) (bool, error) {
			targets = append(targets, o.Targets...)
			return true, nil
		}
		first := b.say(1, ch, "a")
		b.add(1, ch, chat.Entry{Draft: chat.Draft{Purpose: chat.Edit, Target: int64(first), Content: chat.TextContent("A")}})
		after(time.Second)
		want(t, "targets", targets, []chat.Reference{{External: b.at(first).parts[0].External, Part: 1}})
	})
}

// Errors hold no address: a webhook's path is its password.
func TestErrorsHoldNoSecrets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		b.send = func(channel.Outgoing, chat.Part) (bool, error) {
			return false, &channel.SendError{Outcome: channel.SendPermanent, Cause: fmt.Errorf("post: %w", &url.Error{
				Op: "Post", URL: "https://mm.example.com/hooks/sesamesesame?x=1", Err: errors.New("refused; Authorization: Bearer abcdefghijklmnop " + strings.Repeat("x", 5000)),
			})}
		}
		key := b.say(1, ch, "a")
		after(time.Second)
		text := b.at(key).LastError
		if strings.Contains(text, "sesame") || strings.Contains(text, "abcdefgh") || !strings.Contains(text, "https://mm.example.com") || len(text) > 1100 {
			t.Errorf("error %q", text)
		}
	})
}

// A channel that is not in force keeps its deliveries until it is.
func TestChannelNotInForce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ready atomic.Bool
		f := newFar()
		b := on(t, &memory{}, f, 0, func(o *delivery.Options) {
			o.SenderFor = func(chat.ChannelID) (channel.Sender, bool) { return f, ready.Load() }
			o.ChannelName = func(chat.ChannelID) string { return "" }
		})
		key := b.say(1, ch, "a")
		after(10 * time.Minute)
		want(t, "status", b.at(key).Status, chat.DeliveryWaiting)
		want(t, "shut", b.metric(t, "parley_delivery_endpoint_shut", "(none)"), 1)
		ready.Store(true)
		b.Retry(ch)
		synctest.Wait()
		want(t, "status", b.at(key).Status, chat.DeliverySent)
	})
}

// Claims are bounded for an endpoint and for the node.
func TestBounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t, func(o *delivery.Options) { o.Policy.Running = 12 })
		b.takes = time.Second
		for leg := range chat.LegKey(40) {
			b.say(leg+1, ch, "a")
			b.say(leg+101, "st-2", "b")
		}
		b.Wake()
		synctest.Wait()
		status, err := b.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want(t, "running", status.Running, 12)
		after(time.Minute)
		want(t, "arrived", len(b.got()), 80)
		if b.busiest[ch] > 8 || b.busiest["st-2"] > 8 || b.busiest[ch] < 4 || b.busiest["st-2"] < 4 {
			t.Errorf("at once: %v", b.busiest)
		}
	})
}

// No lease, no claim.
func TestWithoutLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t, func(o *delivery.Options) { o.Owner = func() store.Owner { return store.Owner{} } })
		b.say(1, ch, "a")
		after(time.Minute)
		want(t, "arrived", len(b.got()), 0)
		want(t, "claims", b.claims, 0)
	})
}
