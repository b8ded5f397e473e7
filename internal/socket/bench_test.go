package socket_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/socket"
)

// idleClients is the environment variable that turns this test binary into the
// client side of BenchmarkIdleMemory: "ADDRESS N". It opens N sessions, says
// so, and holds them until its standard input ends. A process of its own keeps
// the client out of the measured memory and halves the file descriptors.
const idleClients = "SOCKET_TEST_IDLE_CLIENTS"

func TestMain(m *testing.M) {
	if arg := os.Getenv(idleClients); arg != "" {
		if err := holdIdle(arg); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func holdIdle(arg string) error {
	address, count, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	conns := make([]net.Conn, 0, n)
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(c, handshake+frame(0x81, strings.Repeat("x", 300))); err != nil {
			return err
		}
		in := bufio.NewReader(c)
		if _, err := http.ReadResponse(in, nil); err != nil {
			return err
		}
		if _, err := in.ReadByte(); err != nil { // the echo: both directions were used
			return err
		}
		conns = append(conns, c)
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	for _, c := range conns {
		c.Close()
	}
	return err
}

// BenchmarkIdleMemory reports what one open session costs the server after it
// has carried one message each way: live heap, stacks, and both with the
// runtime's own share (sys). Run it with -benchtime 1x: a second round reuses memory
// of the first.
func BenchmarkIdleMemory(b *testing.B) {
	for _, n := range []int{2_000, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				idleMemory(b, n)
			}
		})
	}
}

func idleMemory(b *testing.B, n int) {
	srv := serve(b, socket.Options{MaxSessions: n}, echo)
	before := memory()
	client := exec.CommandContext(b.Context(), os.Args[0])
	client.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", idleClients, srv.Listener.Addr(), n))
	client.Stderr = os.Stderr
	stdin, err := client.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := client.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := client.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || srv.group.Open() != n {
		b.Fatalf("client said %q, %v; %d sessions are open", line, err, srv.group.Open())
	}
	after := memory()
	per := func(to, from uint64) float64 { return (float64(to) - float64(from)) / float64(n) }
	heap, stack := per(after.HeapAlloc, before.HeapAlloc), per(after.StackInuse, before.StackInuse)
	b.ReportMetric(heap, "heap-B/conn")
	b.ReportMetric(stack, "stack-B/conn")
	b.ReportMetric(heap+stack, "total-B/conn")
	b.ReportMetric(per(after.Sys, before.Sys), "sys-B/conn")
	b.ReportMetric(rss(b)/float64(n), "rss-B/conn")
	stdin.Close()
	if err := client.Wait(); err != nil {
		b.Fatal(err)
	}
	eventually(b, "all sessions have ended", func() bool { return srv.group.Open() == 0 })
}

// rss returns the resident memory of this process in bytes; it counts all of
// the process, so only the larger run says something about one connection.
func rss(b *testing.B) float64 {
	p, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("no /proc here")
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(p))[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize())
}

func memory() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC() // the second empties the pools
	runtime.ReadMemStats(&m)
	return m
}

// BenchmarkEcho is one message there and back on one connection.
func BenchmarkEcho(b *testing.B) {
	srv := serve(b, socket.Options{}, echo)
	c := srv.dial(b)
	p := []byte(strings.Repeat("x", 300))
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Write(b.Context(), websocket.MessageText, p); err != nil {
			b.Fatal(err)
		}
		if _, _, err := c.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSend is one message to each of 100 sessions, read by their clients.
func BenchmarkSend(b *testing.B) {
	srv := serve(b, socket.Options{QueueMessages: 1 << 20, QueueBytes: 1 << 30}, nil)
	var sessions []*socket.Session
	var wg sync.WaitGroup
	for range 100 {
		c := srv.dialRaw(b, "")
		c.SetDeadline(time.Time{})
		sessions = append(sessions, srv.next(b))
		wg.Go(func() { io.Copy(io.Discard, c.in) })
	}
	p := []byte(strings.Repeat("x", 300))
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range sessions {
			if err := s.Send(p); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, s := range sessions {
		if err := s.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	srv.group.DropAll(socket.ReasonRestart)
	wg.Wait()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/message")
}
