package main

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"parley/internal/testkit/pgtest"
)

const (
	rounds   = 3
	runTime  = 4 * time.Second
	warmTime = time.Second
)

// target is a server the same load can run against.
type target struct {
	name string
	bot  string
	dial func(i int) (*wire, error)
	stop func() error
}

func yardstickTarget(name string) (*target, error) {
	p, err := startYardstick(name)
	if err != nil {
		return nil, err
	}
	return &target{name: name, bot: "st-bench", dial: func(int) (*wire, error) { return dialWire(p.base, nil) }, stop: p.stop}, nil
}

func productTarget(name, binary, database string) (*target, error) {
	p, err := startProduct(binary, "", database)
	if err != nil {
		return nil, err
	}
	return &target{name: name, bot: p.demo.BotID, stop: p.stop, dial: func(i int) (*wire, error) {
		w, err := p.login(fmt.Sprintf("bench-%d-%d", time.Now().UnixNano(), i), nil)
		if err != nil {
			return nil, err
		}
		// The welcome would otherwise be taken for the first answer.
		_, err = w.read()
		return w, err
	}}, nil
}

// connect opens n connections and lets each have one turn, so that welcomes and
// first-use costs are over.
func (t *target) connect(n int) ([]*wire, error) {
	conns := make([]*wire, n)
	errs := make(chan error, n)
	slots := make(chan struct{}, 32)
	for i := range conns {
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			w, err := t.dial(i)
			conns[i] = w
			errs <- err
		}()
	}
	var all []error
	for range conns {
		all = append(all, <-errs)
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	_, err := saturate(conns, t.bot, warmTime, 0)
	return conns, err
}

func closeAll(conns []*wire) {
	for _, w := range conns {
		w.conn.Close()
	}
}

// turns measures durable turns per second.
func (b *bench) turns() error {
	targets, stop, err := b.turnTargets()
	if err != nil {
		return err
	}
	defer stop()
	for _, n := range []int{1, 100, 1000} {
		rates := map[string][]float64{}
		conns := map[string][]*wire{}
		for _, t := range targets {
			if conns[t.name], err = t.connect(n); err != nil {
				return fmt.Errorf("%s, %d connections: %w", t.name, n, err)
			}
		}
		for range rounds {
			for _, t := range targets {
				// What others have left to write is not this one's.
				syscall.Sync()
				s, err := saturate(conns[t.name], t.bot, runTime, 0)
				if err != nil {
					return fmt.Errorf("%s, %d connections: %w", t.name, n, err)
				}
				rates[t.name] = append(rates[t.name], s.perSecond())
			}
		}
		for _, c := range conns {
			closeAll(c)
		}
		b.reportTurns(n, rates)
	}
	return nil
}

func (b *bench) reportTurns(n int, rates map[string][]float64) {
	echo, log, log1 := median(rates["echo"]), median(rates["log"]), median(rates["log1"])
	lite, pg := median(rates["sqlite"]), median(rates["postgres"])
	b.table.note(fmt.Sprintf("yardsticks, %d connections", n), fmt.Sprintf("echo %.0f/s", echo), fmt.Sprintf("log %.0f/s, log1 %.0f/s", log, log1), "")
	name := fmt.Sprintf("turns/s SQLite, %d connections", n)
	measured, stick := fmt.Sprintf("%.0f/s", lite), fmt.Sprintf("log %.0f/s", log)
	pgName, pgMeasured, pgStick := fmt.Sprintf("turns/s PostgreSQL, %d connections", n), fmt.Sprintf("%.0f/s", pg), fmt.Sprintf("SQLite %.0f/s", lite)
	if n == 1 {
		// One caller waits for one round trip after the other; the goals are for
		// many.
		b.table.note(name, measured, stick, fmt.Sprintf("%.3g", lite/log))
		b.table.note(pgName, pgMeasured, pgStick, fmt.Sprintf("%.3g", pg/lite))
		return
	}
	b.table.add(name, measured, stick, lite/log, atLeast(0.30), atLeast(0.60))
	b.table.add(pgName, pgMeasured, pgStick, pg/lite, atLeast(0.6), atLeast(0.9))
}

func (b *bench) turnTargets() ([]*target, func(), error) {
	var all []*target
	pg := pgtest.New(pgtest.Options{Fsync: true, TCP: true})
	stop := func() {
		for _, t := range all {
			_ = t.stop() // they are killed; nothing is left to save
		}
		_ = pg.Close()
	}
	begin := func(t *target, err error) error {
		if err == nil {
			all = append(all, t)
		}
		return err
	}
	err := pg.Start()
	for _, name := range []string{"echo", "log", "log1"} {
		if err == nil {
			err = begin(yardstickTarget(name))
		}
	}
	if err == nil {
		err = begin(productTarget("sqlite", b.binary, ""))
	}
	if err == nil {
		err = begin(productTarget("postgres", b.binary, pg.URL("postgres")))
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return all, stop, nil
}

// latencyRepeats is how often each server is started and measured. They take
// turns, for some minutes of a disk are slower than others.
const latencyRepeats = 3

// latency measures ack and answer at half of what each server can do.
func (b *bench) latency() error {
	log, ours := &halfLoad{name: "log"}, &halfLoad{name: "sqlite"}
	for range latencyRepeats {
		if err := log.measure(yardstickTarget("log")); err != nil {
			return err
		}
		if err := ours.measure(productTarget("sqlite", b.binary, "")); err != nil {
			return err
		}
	}
	for _, h := range []*halfLoad{log, ours} {
		b.table.note("half load, "+h.name, fmt.Sprintf("ack p50 %.1f ms, p99 %.1f ms; answer p99 %.1f ms", median(h.p50s), median(h.p99s), median(h.replies)), fmt.Sprintf("at %.0f turns/s", median(h.rates)), "")
	}
	p99, stick := median(ours.p99s), median(log.p99s)
	b.table.add("ack p99 at half load, 100 connections", fmt.Sprintf("%.1f ms", p99), fmt.Sprintf("log %.1f ms", stick), p99/stick, atMost(4), atMost(1.5))
	return nil
}

// halfLoad is a kind of server at half of what it can do. Times are in
// milliseconds.
type halfLoad struct {
	name                       string
	rates, p50s, p99s, replies []float64 // rates are in turns a second
}

// measure measures a server that has just begun, and stops it.
func (h *halfLoad) measure(t *target, err error) error {
	if err != nil {
		return err
	}
	// What others have left to write is not this one's.
	syscall.Sync()
	return errors.Join(h.rounds(t), t.stop())
}

func (h *halfLoad) rounds(t *target) error {
	conns, err := t.connect(100)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	full, err := saturate(conns, t.bot, runTime, 0)
	if err != nil {
		return err
	}
	h.rates = append(h.rates, full.perSecond()/2)
	for range rounds {
		s, err := saturate(conns, t.bot, runTime, full.perSecond()/2)
		if err != nil {
			return err
		}
		h.p50s = append(h.p50s, milliseconds(quantile(s.acks, 0.5)))
		h.p99s = append(h.p99s, milliseconds(quantile(s.acks, 0.99)))
		h.replies = append(h.replies, milliseconds(quantile(s.replies, 0.99)))
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
