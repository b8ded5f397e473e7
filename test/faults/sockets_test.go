package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/testkit/crowd"
	"parley/internal/testkit/program"
	"parley/internal/testkit/wait"
)

const (
	manySockets = 10_000
	// socketsEach is how many of them one person opens.
	socketsEach = 10
	// memoryBound is generous: it is to notice a leak, not a few KB.
	memoryBound = 400 << 20
)

// fromEverywhere dials from several addresses, since one has not enough ports
// when tests follow each other.
func fromEverywhere(t *testing.T) *http.Client {
	var next atomic.Int64
	transport := &http.Transport{
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			from := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+next.Add(1)%8))}
			return (&net.Dialer{LocalAddr: from}).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestTenThousandSockets opens sockets that are never used.
func TestTenThousandSockets(t *testing.T) {
	server := serve(t, program.Options{Env: quiet()})
	app := demo(t, server)
	active, _ := login(t, app.Client("active", nil))
	exchange(t, active, 1, "Hi")
	empty := memory(t, server.PID())

	began := time.Now()
	sockets := openMany(t, app, fromEverywhere(t))
	opened := time.Since(began)
	wait.Succeed(t, patience, func() error {
		if n := metric(t, server, "parley_rtm_sockets_open"); n < manySockets {
			return fmt.Errorf("%v are open", n)
		}
		return nil
	}, "all sockets to be open")
	slowest := time.Duration(0)
	for id := int64(2); id < 50; id++ {
		slowest = max(slowest, exchange(t, active, id, "Hi"))
	}
	// Somebody who comes later is served too.
	late, _ := login(t, app.Client("late", nil))
	exchange(t, late, 1, "Hi")
	full := memory(t, server.PID())
	t.Logf("%d sockets were opened in %v; an active person waits %v at most; the server has %d MB, %d KB for each socket",
		manySockets, opened.Round(time.Millisecond), slowest, full>>20, (full-empty)/manySockets>>10)
	if full > memoryBound {
		t.Errorf("the server has %d MB, want less than %d", full>>20, memoryBound>>20)
	}
	if slowest > prompt(2*time.Second) {
		t.Errorf("an active person waited %v", slowest)
	}

	for _, s := range sockets {
		if err := s.Drop(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("drop: %v", err)
		}
	}
	wait.Succeed(t, patience, func() error {
		if n := metric(t, server, "parley_rtm_sockets_open"); n > 2 {
			return fmt.Errorf("%v are open", n)
		}
		return nil
	}, "all sockets to be gone")
	exchange(t, active, 100, "Hi")
}

// openMany opens the sockets and reads from each, as every client does: else
// the server would drop them for not answering its pings.
func openMany(t *testing.T, app crowd.App, client *http.Client) []*rtmtest.Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	var mu sync.Mutex
	var all []*rtmtest.Socket
	t.Cleanup(func() {
		for _, s := range all {
			_ = s.Drop() // most were dropped by the test
		}
	})
	var group errgroup.Group
	group.SetLimit(32)
	for i := range manySockets / socketsEach {
		group.Go(func() error {
			c := app.Client(fmt.Sprintf("idle-%d", i), client)
			granted, err := c.Grant(ctx)
			if err != nil {
				return fmt.Errorf("grant: %w", err)
			}
			for range socketsEach {
				s, err := c.Connect(ctx, granted.Authorization.AccessToken, "")
				if err != nil {
					return fmt.Errorf("connect: %w", err)
				}
				go func() {
					for {
						if _, err := s.Read(context.Background()); err != nil {
							return // dropped below
						}
					}
				}()
				mu.Lock()
				all = append(all, s)
				mu.Unlock()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("after %d sockets: %v", len(all), err)
	}
	return all
}

// TestTenThousandUnusedAddresses asks for sockets that are never opened.
func TestTenThousandUnusedAddresses(t *testing.T) {
	server := serve(t, program.Options{Env: quiet()})
	app := demo(t, server)
	active, _ := login(t, app.Client("active", nil))
	before := memory(t, server.PID())
	client := fromEverywhere(t)
	ctx := within(t, 2*patience)
	done := make(chan error, 1)
	go func() {
		var group errgroup.Group
		group.SetLimit(32)
		for i := range manySockets / 100 {
			group.Go(func() error {
				c := app.Client(fmt.Sprintf("shy-%d", i), client)
				granted, err := c.Grant(ctx)
				for n := 0; n < 100 && err == nil; n++ {
					_, err = c.Start(ctx, granted.Authorization.AccessToken, "")
				}
				return err
			})
		}
		done <- group.Wait()
	}()
	slowest := time.Duration(0)
	for id := int64(1); ; id++ {
		slowest = max(slowest, exchange(t, active, id, "Hi"))
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		default:
			continue
		}
		break
	}
	grown := memory(t, server.PID()) - before
	t.Logf("an active person waited %v at most; the server grew by %d MB", slowest, grown>>20)
	if grown > 100<<20 {
		t.Errorf("the server has grown by %d MB for sockets nobody opened", grown>>20)
	}
	if slowest > prompt(2*time.Second) {
		t.Errorf("an active person waited %v", slowest)
	}
}
