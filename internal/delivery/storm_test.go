package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/delivery"
	"parley/internal/fault"
	"parley/internal/store"
)

// TestStorm has everything fail at random: senders, the store, leases, whole
// boots. Each part arrives, and exactly once where the far side can be asked;
// each leg stays in order; and an endpoint that is well waits for nobody.
func TestStorm(t *testing.T) {
	for seed := range uint64(15) {
		for _, blind := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed %d, blind %v", seed, blind), func(t *testing.T) {
				bubble(t, func(t *testing.T) { storm(t, seed, blind) })
			})
		}
	}
}

// dice are random numbers for several goroutines.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

// one is true once in n times.
func (d *dice) one(n int) bool { return d.pick(n) == 0 }

func (d *dice) pick(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

const healthy = chat.ChannelID("st-well")

func storm(t *testing.T, seed uint64, blind bool) {
	d := &dice{r: rand.New(rand.NewPCG(seed, 7))}
	m, f := &stormy{dice: d}, newFar()
	f.blind = blind
	f.takes = 20 * time.Millisecond
	f.send = func(o channel.Outgoing, _ chat.Part) (bool, error) { return strike(d, o.Leg.Channel, m.calm()) }
	f.find = func(channel.Outgoing) error {
		if d.one(4) && !m.calm() {
			return says(channel.SendTemporary, d.one(2))
		}
		return nil
	}
	b := stormBoot(t, m, f)
	var well []chat.DeliveryKey
	wrote := make(map[chat.LegKey][]string)
	for i := range 120 {
		leg := chat.LegKey(d.pick(8) + 1)
		text := fmt.Sprintf("%d.1\n%d.2", i, i)
		wrote[leg] = append(wrote[leg], fmt.Sprintf("%d.1", i), fmt.Sprintf("%d.2", i))
		m.say(leg, chat.ChannelID(fmt.Sprintf("st-%d", leg%3)), text)
		well = append(well, m.say(chat.LegKey(1000+i), healthy, "w"))
		b.Wake()
		time.Sleep(time.Duration(d.pick(2000)) * time.Millisecond)
		switch {
		case d.one(20):
			m.newBoot() // the lease lapsed
		case d.one(20):
			b.end()
			b = stormBoot(t, m, f)
		}
	}
	m.quiet()
	after(time.Hour)
	for leg, texts := range wrote {
		got := f.legs[leg]
		if blind {
			got = slices.Compact(slices.Clone(got))
		}
		want(t, fmt.Sprintf("leg %d", leg), got, texts)
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	for _, r := range m.rows {
		if r.Status != chat.DeliverySent {
			t.Errorf("delivery %d is %s: %s", r.Key, r.Status, r.LastError)
		}
	}
	// Lapses, restarts and the store itself hold up the healthy endpoint, too;
	// the others' failures must not.
	for _, key := range well {
		if took := m.rows[key-1].EndedAt.Sub(m.rows[key-1].CreatedAt); took > 15*time.Second {
			t.Errorf("delivery %d to a healthy endpoint took %v", key, took)
		}
	}
}

func stormBoot(t *testing.T, m *stormy, f *far) *bench {
	return on(t, &m.memory, f, 10*time.Millisecond, func(o *delivery.Options) { o.Store, o.Policy.DefectAttempts = m, 1000 })
}

// strike decides what happens to a part.
func strike(d *dice, ch chat.ChannelID, calm bool) (arrives bool, err error) {
	if ch == healthy || calm {
		return true, nil
	}
	switch d.pick(8) {
	case 0:
		return false, says(channel.SendTemporary, d.one(2))
	case 1:
		return d.one(2), says(channel.SendUncertain, d.one(2))
	case 2:
		return d.one(2), errors.New("connection reset")
	case 3:
		e := says(channel.SendLimited, d.one(2))
		e.Delay = time.Duration(d.pick(3000)) * time.Millisecond
		return false, e
	case 4:
		// The panic comes after the far side has been asked, or before.
		if d.one(2) {
			panic("a bug")
		}
	}
	return true, nil
}

// stormy is a store that fails at random, before a step or after it.
type stormy struct {
	memory
	dice *dice

	over sync.Mutex
	done bool
}

func (s *stormy) calm() bool {
	s.over.Lock()
	defer s.over.Unlock()
	return s.done
}

func (s *stormy) quiet() {
	s.over.Lock()
	defer s.over.Unlock()
	s.done = true
}

func (s *stormy) Commit(ctx context.Context, step store.Step) (any, error) {
	if s.calm() {
		return s.memory.Commit(ctx, step)
	}
	lost := fault.New(fault.Unavailable, "the store is away")
	if s.dice.one(25) {
		return nil, lost
	}
	out, err := s.memory.Commit(ctx, step)
	if s.dice.one(25) {
		return nil, lost
	}
	return out, err
}
