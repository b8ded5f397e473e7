package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	idleSockets = 10_000
	// idleWant and idleAim are bytes per idle connection.
	idleWant = 18 << 10
	idleAim  = 10 << 10
)

// idle measures what a connection costs that says nothing.
func (b *bench) idle() error {
	p, err := startProduct(b.binary, "", "")
	if err != nil {
		return err
	}
	defer p.stop()
	token, err := p.grant("warm")
	if err != nil {
		return err
	}
	warm, err := p.start(token, nil)
	if err != nil {
		return err
	}
	defer warm.conn.Close()
	before, err := p.memory()
	if err != nil {
		return err
	}
	began := time.Now()
	conns, err := p.many(idleSockets)
	defer closeAll(conns)
	if err != nil {
		return err
	}
	took := time.Since(began)
	httpClient.CloseIdleConnections()
	after, err := p.settledMemory()
	if err != nil {
		return err
	}
	per := float64(after-before) / float64(len(conns))
	b.table.add(fmt.Sprintf("memory per idle connection at %d", idleSockets), fmt.Sprintf("%.0f bytes", per), fmt.Sprintf("opened %.0f/s", float64(len(conns))/took.Seconds()), per, atMost(idleWant), atMost(idleAim))
	return nil
}

// settledMemory waits until the resident set has not fallen for a while: what
// the logins left behind is no cost of an idle connection.
func (p *product) settledMemory() (int64, error) {
	const pause, calm, patience = 500 * time.Millisecond, 6 * time.Second, 40 * time.Second
	lowest, err := p.memory()
	fell := time.Now()
	for began := fell; err == nil && time.Since(fell) < calm && time.Since(began) < patience; time.Sleep(pause) {
		var now int64
		if now, err = p.memory(); now < lowest-1<<20 {
			lowest, fell = now, time.Now()
		}
	}
	return lowest, err
}

// many logs n different people in, from several source addresses, since one has
// too few ports.
func (p *product) many(n int) ([]*wire, error) {
	var (
		mu    sync.Mutex
		conns []*wire
		errs  []error
		next  atomic.Int64
		wg    sync.WaitGroup
	)
	for range 16 {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(n) {
					return
				}
				local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%4))}
				w, err := p.login(fmt.Sprintf("idle-%d", i), local)
				mu.Lock()
				if err != nil {
					errs = append(errs, err)
					mu.Unlock()
					return
				}
				conns = append(conns, w)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return conns, errors.Join(errs...)
}

// logins measures grant, start and upgrade together against bare upgrades.
func (b *bench) logins() error {
	p, err := startProduct(b.binary, "", "")
	if err != nil {
		return err
	}
	defer p.stop()
	y, err := startYardstick("echo")
	if err != nil {
		return err
	}
	defer y.stop()
	var full, plain []float64
	for round := range rounds {
		rate, err := rateOf(func(i int64) (*wire, error) { return p.login(fmt.Sprintf("login-%d-%d", round, i), nil) })
		if err != nil {
			return err
		}
		full = append(full, rate)
		if rate, err = rateOf(func(int64) (*wire, error) { return dialWire(y.base, nil) }); err != nil {
			return err
		}
		plain = append(plain, rate)
	}
	b.table.add("full logins/s", fmt.Sprintf("%.0f/s", median(full)), fmt.Sprintf("bare upgrades %.0f/s", median(plain)), median(full)/median(plain), atLeast(0.15), atLeast(0.3))
	return nil
}

// callers is how many logins are under way at once.
const callers = 64

// rateOf opens and closes connections for a while from a few callers.
func rateOf(dial func(int64) (*wire, error)) (float64, error) {
	var (
		wg    sync.WaitGroup
		next  atomic.Int64
		mu    sync.Mutex
		errs  []error
		began = time.Now()
	)
	for range callers {
		wg.Go(func() {
			for time.Since(began) < runTime {
				w, err := dial(next.Add(1))
				if err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
				w.conn.Close()
			}
		})
	}
	wg.Wait()
	return float64(next.Load()) / time.Since(began).Seconds(), errors.Join(errs...)
}

// start measures a start on an existing store, memory at rest, and the binary.
func (b *bench) start() error {
	p, err := startProduct(b.binary, "", "")
	if err != nil {
		return err
	}
	dir := p.dir
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = p.cmd.Wait() // it was killed
	var ready, rest []float64
	for i := range rounds {
		if p, err = startProduct(b.binary, dir, ""); err != nil {
			return err
		}
		ready = append(ready, milliseconds(p.ready))
		time.Sleep(time.Second)
		size, err := p.memory()
		if err != nil {
			return err
		}
		rest = append(rest, float64(size)/(1<<20))
		if i < rounds-1 {
			err = p.cmd.Process.Kill()
			_ = p.cmd.Wait() // it was killed
		} else {
			err = p.stop()
		}
		if err != nil {
			return err
		}
	}
	info, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	megabytes := float64(info.Size()) / 1e6
	b.table.add("start to ready, existing store", fmt.Sprintf("%.0f ms", median(ready)), "", median(ready), atMost(300), atMost(100))
	b.table.add("memory at rest", fmt.Sprintf("%.0f MB", median(rest)), "", median(rest), atMost(60), atMost(30))
	b.table.add("binary", fmt.Sprintf("%.1f MB", megabytes), "", megabytes, atMost(45), atMost(35))
	return nil
}
