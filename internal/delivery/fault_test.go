package delivery_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/delivery"
	"parley/internal/store"
)

// A dead receiver costs probes, no other endpoint waits for it, and what waited
// is sent soon after it lives again.
func TestDeadEndpoint(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		var dead atomic.Bool
		dead.Store(true)
		b.send = func(o channel.Outgoing, _ chat.Part) (bool, error) {
			if o.Leg.Channel == ch && dead.Load() {
				return false, says(channel.SendTemporary, true)
			}
			return true, nil
		}
		for leg := range chat.LegKey(100) {
			b.say(leg+1, ch, "a")
		}
		b.Wake()
		after(time.Minute)
		first := b.asked(ch)
		if first > 8+15 {
			t.Errorf("%d requests in the first minute", first)
		}
		status, err := b.Status(t.Context())
		if err != nil || len(status.Endpoints) != 1 {
			t.Fatalf("status %+v, %v", status, err)
		}
		if e := status.Endpoints[0]; e.State != delivery.EndpointShut || e.Failures < 5 || e.Open != 100 || e.LastError != "temporary: no luck" || e.NextProbe.Before(time.Now()) || e.ShutSince.IsZero() {
			t.Errorf("status %+v", e)
		}
		// In the fourth hour as in the first.
		after(3 * time.Hour)
		from := b.asked(ch)
		after(time.Hour)
		if probes := b.asked(ch) - from; probes < 40 || probes > 130 {
			t.Errorf("%d probes in an hour", probes)
		}
		other := b.say(1000, "st-2", "b")
		b.Wake()
		synctest.Wait()
		want(t, "the other endpoint", b.at(other).Status, chat.DeliverySent)
		dead.Store(false)
		after(time.Minute + time.Second)
		want(t, "arrived", len(b.got()), 101)
		want(t, "shut", b.metric(t, "parley_delivery_endpoint_shut", string(ch)), 0)
	})
}

// The one delivery of a quiet channel is probed as many are, and at once when
// its driver says that the line is back.
func TestRetryNow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		var dead atomic.Bool
		dead.Store(true)
		b.send = func(channel.Outgoing, chat.Part) (bool, error) {
			if dead.Load() {
				return false, says(channel.SendTemporary, true)
			}
			return true, nil
		}
		b.say(1, ch, "a")
		after(time.Hour)
		if n := b.asked(ch); n < 45 || n > 130 {
			t.Errorf("%d requests in an hour", n)
		}
		dead.Store(false)
		b.Retry(ch)
		b.Retry("st-2") // one that is well
		synctest.Wait()
		want(t, "arrived", len(b.got()), 1)
	})
}

// A far side that takes requests and never answers is dead, too.
func TestSilentEndpoint(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		b.takes = time.Hour
		for leg := range chat.LegKey(20) {
			b.say(leg+1, ch, "a")
		}
		after(31 * time.Second)
		status, err := b.Status(t.Context())
		if err != nil || len(status.Endpoints) != 1 || status.Endpoints[0].State == delivery.EndpointOpen {
			t.Errorf("status %+v, %v", status, err)
		}
		b.far.mu.Lock()
		b.takes = 0
		b.far.mu.Unlock()
		after(5 * time.Minute)
		want(t, "arrived", len(b.got()), 20)
	})
}

// A far side that limits us as a whole is left alone for as long as it asks.
func TestLimitedEndpoint(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		began := time.Now()
		const asked = 40*time.Second + 500*time.Millisecond // between two ticks
		b.send = func(channel.Outgoing, chat.Part) (bool, error) {
			if time.Since(began) < asked {
				e := says(channel.SendLimited, true)
				e.Delay = asked
				return false, e
			}
			return true, nil
		}
		for leg := range chat.LegKey(50) {
			b.say(leg+1, ch, "a")
		}
		b.Wake()
		after(40 * time.Second)
		if n := b.asked(ch); n > 8 {
			t.Errorf("%d requests while limited", n)
		}
		after(asked - 40*time.Second)
		want(t, "arrived", len(b.got()), 50)
	})
}

// The stop waits for what is under way, and claims nothing more.
func TestStopFinishes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := on(t, &memory{}, newFar(), time.Minute)
		b.takes = 3 * time.Second
		first := b.say(1, ch, "a\nb")
		behind := b.say(1, ch, "c")
		after(time.Second)
		began := time.Now()
		b.end()
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("the stop took %v", took)
		}
		want(t, "under way", b.at(first).Status, chat.DeliverySent)
		want(t, "behind it", b.at(behind).Status, chat.DeliveryWaiting)
	})
}

// After the grace what is under way is given back, and the next boot looks for
// what may have arrived.
func TestStopGivesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, f := &memory{}, newFar()
		b := on(t, m, f, time.Second)
		f.takes = time.Hour
		one, two := b.say(1, ch, "a\nb"), b.say(2, "st-2", "c")
		after(time.Second)
		began := time.Now()
		b.end()
		want(t, "the stop took", time.Since(began), time.Second)
		for _, key := range []chat.DeliveryKey{one, two} {
			r := b.at(key)
			if r.Status != chat.DeliveryWaiting || !r.doubt || r.Attempts != 0 {
				t.Errorf("after the stop %+v", r)
			}
		}

		f.takes = 0
		next := on(t, m, f, 0)
		next.Wake()
		synctest.Wait()
		want(t, "status", b.at(one).Status, chat.DeliverySent)
		want(t, "attempts", b.at(one).Attempts, 0)
		want(t, "looked for and sent", f.asked("st-2"), 3)
	})
}

// A sender that knows that nothing was sent has its delivery given back.
func TestStopBeforeSending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, f := &memory{}, newFar()
		b := on(t, m, f, time.Second)
		hold := make(chan struct{})
		f.render = func(channel.Outgoing) ([][]byte, error) {
			<-hold
			return [][]byte{[]byte("a")}, nil
		}
		key := b.say(1, ch, "a")
		after(time.Second)
		time.AfterFunc(2*time.Second, func() { close(hold) })
		b.end()
		r := b.at(key)
		want(t, "status", r.Status, chat.DeliveryWaiting)
		want(t, "attempts", r.Attempts, 0)
		want(t, "requests", f.asked(ch), 0)
	})
}

// A lease that lapses while a part is under way: nothing more is sent under the
// old claim, and the new one does not begin before the old one has let go.
func TestLapsedLease(t *testing.T) {
	for _, blind := range []bool{false, true} {
		t.Run(fmt.Sprint("blind ", blind), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := begin(t)
				b.takes, b.blind = 3*time.Second, blind
				key := b.say(1, ch, "a\nb")
				b.Wake()
				after(time.Second)
				b.newBoot()
				after(20 * time.Second)
				want(t, "status", b.at(key).Status, chat.DeliverySent)
				texts := []string{"a", "b"}
				if blind {
					texts = []string{"a", "a", "b"}
				}
				want(t, "arrived", b.got(), texts)
				want(t, "at once", b.busiest[ch], 1)
			})
		})
	}
}

// A lease that lapses before the first request: nothing is sent under the old
// claim.
func TestLapsedBeforeSending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		b.takes, b.blind = 3*time.Second, true
		b.render = func(channel.Outgoing) ([][]byte, error) {
			b.newBoot()
			return [][]byte{[]byte("a")}, nil
		}
		key := b.say(1, ch, "a")
		after(20 * time.Second)
		want(t, "status", b.at(key).Status, chat.DeliverySent)
		want(t, "arrived", b.got(), []string{"a"})
	})
}

// An end that is stored long before its sender hears of it: the delivery is due
// again, is claimed meanwhile, and must not be left lying.
func TestSlowAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		b.slow = func(step store.Step) time.Duration {
			if _, ok := step.(store.EndDelivery); ok {
				return 3 * time.Second
			}
			return 0
		}
		tries := 0
		b.send = func(channel.Outgoing, chat.Part) (bool, error) {
			if tries++; tries <= 3 {
				return false, says(channel.SendTemporary, false)
			}
			return true, nil
		}
		key := b.say(1, ch, "a")
		after(time.Minute)
		want(t, "status", b.at(key).Status, chat.DeliverySent)
		want(t, "attempts", b.at(key).Attempts, 3)
	})
}

// A crash right after the far side has taken a part.
func TestCrashAfterSend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, f := &memory{}, newFar()
		b := on(t, m, f, 0)
		f.send = func(channel.Outgoing, chat.Part) (bool, error) {
			m.setAway(true) // nothing the old boot does from here on is stored
			return true, nil
		}
		key := b.say(1, ch, "a\nb")
		after(time.Minute)
		b.end()
		m.setAway(false)
		f.send = nil
		want(t, "the old boot has sent", b.got(), []string{"a"})
		next := on(t, m, f, 0)
		next.Wake()
		synctest.Wait()
		want(t, "status", m.at(key).Status, chat.DeliverySent)
		want(t, "arrived", f.got(), []string{"a", "b"})
	})
}

// While the store is away nothing is sent twice and nothing more is sent than
// can be recorded.
func TestStoreAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		b.send = func(channel.Outgoing, chat.Part) (bool, error) {
			b.setAway(true)
			return true, nil
		}
		key := b.say(1, ch, "a\nb")
		for range 2 {
			after(time.Minute)
			b.setAway(false)
		}
		after(time.Minute)
		want(t, "arrived", b.got(), []string{"a", "b"})
		b.setAway(false)
		after(time.Minute)
		want(t, "status", b.at(key).Status, chat.DeliverySent)
	})
}

// The answer to a step is lost together with the connection, once for each
// step: the leg must not stay blocked, and nothing may arrive twice.
func TestLostAnswers(t *testing.T) {
	for _, kind := range []store.Step{store.ClaimDeliveries{}, store.RenderDelivery{}, store.SentPart{}, store.EndDelivery{}, store.MakeEndpointDue{}} {
		t.Run(fmt.Sprintf("%T", kind), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := begin(t)
				lost := false
				b.mute = func(step store.Step) bool {
					claim, ok := step.(store.ClaimDeliveries)
					if lost || fmt.Sprintf("%T", step) != fmt.Sprintf("%T", kind) || ok && claim.Limit == 0 {
						return false
					}
					lost = b.memory.rows != nil
					return lost
				}
				tries := 0
				b.send = func(channel.Outgoing, chat.Part) (bool, error) {
					if tries++; tries <= 6 {
						return false, says(channel.SendTemporary, true)
					}
					return true, nil
				}
				first, second := b.say(1, ch, "a\nb"), b.say(1, ch, "c")
				after(5 * time.Minute)
				want(t, "lost", lost, true)
				want(t, "status", b.at(first).Status, chat.DeliverySent)
				want(t, "status", b.at(second).Status, chat.DeliverySent)
				want(t, "arrived", b.got(), []string{"a", "b", "c"})
			})
		})
	}
}

// A store that refuses to record a part must not make it be sent for ever.
func TestRefusedRecord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		b.refuse = func(step store.Step) bool { _, ok := step.(store.SentPart); return ok }
		key := b.say(1, ch, "a")
		after(10 * time.Minute)
		want(t, "arrived", b.got(), []string{"a"})
		want(t, "status", b.at(key).Status, chat.DeliveryFailed)
	})
}

// An operator asks for a delivery again that has arrived as a whole.
func TestResendOfAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		key := b.say(1, ch, "a")
		after(time.Second)
		b.change(key, func(r *row) { r.Status, r.EndedAt = chat.DeliveryWaiting, time.Time{} })
		after(2 * time.Second)
		want(t, "status", b.at(key).Status, chat.DeliverySent)
		want(t, "arrived", b.got(), []string{"a"})
	})
}

// A hook's mistake is not the delivery's.
func TestHookPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t, func(o *delivery.Options) { o.OnFailed = func(context.Context, delivery.Failure) { panic("a bug") } })
		b.send = func(channel.Outgoing, chat.Part) (bool, error) { return false, says(channel.SendPermanent, false) }
		b.mark = func() error { panic("another") }
		key := b.say(1, ch, "a")
		after(time.Minute)
		want(t, "status", b.at(key).Status, chat.DeliveryFailed)
		want(t, "running", b.metric(t, "parley_delivery_running"), 0)
	})
}
