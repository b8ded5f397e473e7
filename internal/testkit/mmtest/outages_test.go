package mmtest_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"parley/internal/testkit/mmtest"
)

func outages(t *testing.T, mm *mmtest.Server) {
	room := mm.Alice.CreateChannel(t, mm.Team.ID, mmtest.Public, "outages").ID
	ping := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		return mm.Alice.Do(ctx, http.MethodGet, "/system/ping", nil, nil)
	}
	want := []string{}
	for _, outage := range []struct {
		name string
		down func() error
	}{
		{"StopServer", mm.StopServer},
		{"Kill", mm.Kill},
		{"pause", func() error {
			if err := mm.Signal(syscall.SIGSTOP); err != nil {
				return err
			}
			return mm.StopServer()
		}},
	} {
		mm.Alice.Post(t, room, outage.name, "")
		want = append(want, outage.name)
		if err := outage.down(); err != nil {
			t.Fatalf("%s: %v", outage.name, err)
		}
		if err := ping(); err == nil {
			t.Errorf("it answers after %s", outage.name)
		}
		for range 2 { // the second does nothing
			if err := mm.StartServer(); err != nil {
				t.Fatalf("start after %s: %v", outage.name, err)
			}
		}
		equal(t, "posts after "+outage.name, texts(mm.Alice.Posts(t, room)), want)
	}
	takenPort(t, mm)
	log, err := os.ReadFile(mm.Log())
	if err != nil {
		t.Fatal(err)
	}
	// Once at first, twice for the settings, after each outage, and with the
	// port free again.
	if got := strings.Count(string(log), "Server is listening on"); got != 7 {
		t.Errorf("the log has %d starts, want 7", got)
	}
	for range 2 {
		if err := mm.Stop(); err != nil {
			t.Fatalf("stop: %v", err)
		}
	}
	if err := ping(); err == nil {
		t.Error("it answers after Stop")
	}
	if err := mm.Signal(syscall.SIGCONT); err == nil {
		t.Error("a signal to a server that does not run is no error")
	}
}

// takenPort takes the server's port while it is down.
func takenPort(t *testing.T, mm *mmtest.Server) {
	if err := mm.StopServer(); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("tcp", strings.TrimPrefix(mm.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if err := mm.StartServer(); err == nil || !strings.Contains(err.Error(), "port is taken by another process") {
		t.Errorf("the start beside another server: %v", err)
	}
	other.Close()
	if err := mm.StartServer(); err != nil {
		t.Fatal(err)
	}
}

func TestStartThatFailsSaysWhy(t *testing.T) {
	_, err := mmtest.Run(t.TempDir(), mmtest.WithEnv("MM_SERVICESETTINGS_SITEURL=:no url:"))
	if err == nil || !strings.Contains(err.Error(), "the server does not start: it ended at once") ||
		!strings.Contains(err.Error(), "Site URL must be a valid URL") {
		t.Errorf("error %v, want the server's own reason in it", err)
	}
}
