package faults

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/testkit/crowd"
	"parley/internal/testkit/program"
)

// insideNamespace is set in the environment of the test binary when it runs in
// a network namespace of its own.
const insideNamespace = "PARLEY_TEST_NAMESPACE"

// TestNothingLeavesTheMachine runs server and client in a network namespace:
// first with nothing but the loopback device, then with a route to everywhere
// that ends in a device which counts what is sent to it.
func TestNothingLeavesTheMachine(t *testing.T) {
	if os.Getenv(insideNamespace) != "" {
		inNamespace(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestNothingLeavesTheMachine$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), insideNamespace+"=1", "PARLEY_BIN="+parley.Path(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		// Whoever may make user namespaces is root in one.
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if os.Getuid() != 0 && err != nil && len(out) == 0 {
		t.Skipf("a network namespace needs root here: %v", err)
	}
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

func inNamespace(t *testing.T) {
	ip(t, "link set lo up")
	server := serve(t, program.Options{Env: quiet()})
	t.Run("with loopback only", func(t *testing.T) { everyday(t, server, "first") })

	// A tap: whatever is sent anywhere outside is counted there.
	ip(t, "link add tap type veth peer name end")
	for _, device := range []string{"tap", "end"} {
		// Otherwise the kernel itself would speak.
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+device+"/disable_ipv6", []byte("1"), 0); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		ip(t, "link set "+device+" arp off up")
	}
	ip(t, "addr add 192.0.2.1/24 dev tap")
	ip(t, "route add default dev tap")
	quietBefore := sentTo(t, "tap")
	server.Restart()
	t.Run("with a route to everywhere", func(t *testing.T) { everyday(t, server, "second") })
	for _, s := range openSockets(t) {
		if !s.Addr().IsLoopback() && !s.Addr().IsUnspecified() {
			t.Errorf("there is a socket with the address %v", s)
		}
	}
	server.Stop()
	if n := sentTo(t, "tap") - quietBefore; n != 0 {
		t.Errorf("%d packets were sent to the outside", n)
	}
	// The tap works: what does leave is noticed.
	conn, err := net.Dial("udp", "203.0.113.7:53")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("outside")); err != nil {
		t.Fatal(err)
	}
	if sentTo(t, "tap") == quietBefore {
		t.Error("the tap counts nothing: the test proves nothing")
	}
}

// everyday does what people and operators do.
func everyday(t *testing.T, server *program.Server, user string) {
	t.Helper()
	s, token := login(t, demo(t, server).Client(user, nil))
	for id := int64(1); id < 5; id++ {
		exchange(t, s, id, "Hi")
	}
	if _, err := demo(t, server).Client(user, nil).History(t.Context(), token, "limit=10"); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics"} {
		if status, body := crowd.Get(t.Context(), server.URL+path); status != 200 {
			t.Errorf("%s answers %d %s", path, status, body)
		}
	}
	for _, args := range [][]string{{"version"}, {"doctor"}, {"conversation", "list"}, {"channel", "list"}} {
		if args[0] != "version" {
			args = append(args, "--data", server.Data)
		}
		began := time.Now()
		if got := parley.Run(t, quiet(), args...); got.Code != 0 {
			t.Errorf("parley %v ended with %d: %s%s", args, got.Code, got.Stdout, got.Stderr)
		}
		if took := time.Since(began); took > prompt(5*time.Second) {
			t.Errorf("parley %v took %v: does it wait for somebody outside?", args, took)
		}
	}
}

func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v %s", args, err, out)
	}
}

// sentTo counts the packets sent to a device of this namespace.
func sentTo(t *testing.T, device string) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, numbers, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) != device {
			continue
		}
		// The tenth number: packets sent, after eight about what was received
		// and the bytes sent.
		n, err := strconv.ParseInt(strings.Fields(numbers)[9], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Fatalf("there is no device %s:\n%s", device, text)
	return 0
}

// openSockets lists both ends of all IPv4 sockets of this namespace.
func openSockets(t *testing.T) []netip.AddrPort {
	t.Helper()
	var all []netip.AddrPort
	for _, name := range []string{"tcp", "udp"} {
		f, err := os.Open("/proc/self/net/" + name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Scan() // the heading
		for lines.Scan() {
			for _, end := range strings.Fields(lines.Text())[1:3] {
				var a, b, c, d byte
				var port uint16
				if _, err := fmt.Sscanf(end, "%02X%02X%02X%02X:%04X", &d, &c, &b, &a, &port); err != nil {
					t.Fatalf("%q: %v", end, err)
				}
				all = append(all, netip.AddrPortFrom(netip.AddrFrom4([4]byte{a, b, c, d}), port))
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
