package faults

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"parley/internal/app"
	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/config"
	"parley/internal/testkit/crowd"
)

// clock is the time of an app in this process.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) step(d time.Duration) { c.ahead.Add(int64(d)) }

// startApp runs an app in this process, on a clock that can be stepped.
func startApp(t *testing.T, c *clock) crowd.App {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	settings, _, err := config.Load(config.Sources{Flags: map[string]string{"data": data, "listen": listener.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), app.Options{
		Settings: settings, Version: "test", Listener: listener, Now: c.now,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	credentials, err := crowd.Demo(data)
	if err != nil {
		t.Fatal(err)
	}
	return credentials
}

// grantAt exchanges a JWT that a service with the same clock has signed.
func grantAt(t *testing.T, client *rtmtest.Client, c *clock) (string, error) {
	t.Helper()
	token, err := client.JWT(func(claims jwt.MapClaims) {
		claims["iat"], claims["exp"] = c.now().Unix(), c.now().Add(time.Hour).Unix()
	})
	if err != nil {
		t.Fatal(err)
	}
	granted, err := client.GrantJWT(within(t, aWhile), token)
	return granted.Authorization.AccessToken, err
}

// TestClockSteppedBack chats, steps the clock back an hour as a corrected
// machine does, and chats on: order is kept, tokens hold.
func TestClockSteppedBack(t *testing.T) {
	var c clock
	a := startApp(t, &c)
	client := a.Client("traveller", nil)
	token, err := grantAt(t, client, &c)
	if err != nil {
		t.Fatal(err)
	}
	s := connect(t, client, token)
	if _, err := s.ExpectType(within(t, aWhile), "bot_response"); err != nil {
		t.Fatal(err)
	}
	exchange(t, s, 1, "before 1")
	exchange(t, s, 2, "before 2")
	waiting, err := client.Start(within(t, aWhile), token, "")
	if err != nil {
		t.Fatal(err)
	}

	c.step(-time.Hour)
	exchange(t, s, 3, "after 3")
	// A repeat is still one.
	crowd.Say(t, s, 2, "before 2")
	exchange(t, s, 4, "after 4")
	second := connect(t, client, token) // the token holds
	exchange(t, second, 5, "after 5")
	// An address from before the step works, and once.
	first, err := rtmtest.Dial(within(t, aWhile), waiting, rtmtest.DialOptions{})
	if err != nil {
		t.Errorf("a sid from before the step: %v", err)
	} else {
		_ = first.Drop()
	}
	if again, err := rtmtest.Dial(within(t, aWhile), waiting, rtmtest.DialOptions{}); rtmtest.Status(err) != http.StatusUnauthorized {
		if err == nil {
			_ = again.Drop()
		}
		t.Errorf("a used sid: %v, want status 401", err)
	}
	if _, err := grantAt(t, client, &c); err != nil {
		t.Errorf("a JWT of a service whose clock was stepped too: %v", err)
	}

	items, err := crowd.History(t.Context(), client, token)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	last := ""
	for _, item := range items {
		if item.CreatedOn < last {
			t.Errorf("%s %q is older than what stands before it", item.ID, item.Text())
		}
		last = item.CreatedOn
		if item.Type == "incoming" {
			said = append(said, item.Text())
		}
	}
	if want := "before 1, before 2, after 3, after 4, after 5"; strings.Join(said, ", ") != want {
		t.Errorf("the history has %q, want %s", said, want)
	}

	// Forward again, beyond the token's hour: only a new grant cures that.
	c.step(2*time.Hour + time.Minute)
	_, err = client.Start(within(t, aWhile), token, "")
	if rtmtest.Status(err) != http.StatusUnauthorized {
		t.Errorf("an expired token: %v, want status 401", err)
	}
	exchange(t, s, 6, "an open socket outlives its token")
	renewed, err := grantAt(t, client, &c)
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, connect(t, client, renewed), 7, "later 7")
}

// TestSidAge refuses an address that is older than 30 seconds.
func TestSidAge(t *testing.T) {
	var c clock
	a := startApp(t, &c)
	client := a.Client("late", nil)
	token, err := grantAt(t, client, &c)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		wait time.Duration
		want int
	}{{20 * time.Second, 0}, {31 * time.Second, http.StatusUnauthorized}} {
		t.Run(fmt.Sprint(test.wait), func(t *testing.T) {
			address, err := client.Start(within(t, aWhile), token, "")
			if err != nil {
				t.Fatal(err)
			}
			c.step(test.wait)
			s, err := rtmtest.Dial(within(t, aWhile), address, rtmtest.DialOptions{})
			if err == nil {
				_ = s.Drop()
			}
			if rtmtest.Status(err) != test.want {
				t.Errorf("after %v: %v, want status %d", test.wait, err, test.want)
			}
		})
	}
}
