package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/adminapi"
	"parley/internal/app/cli"
	"parley/internal/catalog"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/config"
)

// online is a server on a socket, with the command line pointed at it.
type online struct {
	*data
	dir      string
	tracer   *tracer
	stopping chan struct{}
}

// tracer hands out what the test says, once somebody watches.
type tracer struct {
	records chan channel.TraceRecord
	asked   chan string
	ended   chan struct{}
}

func (t *tracer) Tail(ctx context.Context, id chat.ChannelID, user string, tell func(channel.TraceRecord)) error {
	t.asked <- string(id) + " " + user
	defer close(t.ended)
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-t.records:
			tell(r)
		}
	}
}

func serve(t *testing.T) *online {
	t.Helper()
	o := &online{data: mustData(t), dir: t.TempDir(), stopping: make(chan struct{}), tracer: &tracer{
		records: make(chan channel.TraceRecord), asked: make(chan string, 1), ended: make(chan struct{}),
	}}
	listener, err := adminapi.Listen(o.dir)
	if err != nil {
		t.Fatal(err)
	}
	settings := config.Settings{Listen: "127.0.0.1:8080", Data: o.dir, KeyFile: filepath.Join(o.dir, "key")}
	server := &http.Server{Handler: o.handler(settings, o.tracer, o.stopping)}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return o
}

// parley runs a command against the server; the backend is not asked.
func (o *online) parley(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	p := cli.Program{Backend: nobody{}, Stdout: &out, Stderr: &errs, Host: catalog.OS{}}
	code = p.Run(ctx, append(args, "--data", o.dir))
	return code, out.String(), errs.String()
}

// nobody is a backend that must not be asked, because a server runs.
type nobody struct{ cli.Backend }

func TestCommandsUseTheRunningServer(t *testing.T) {
	o := serve(t)
	ctx := context.Background()
	dir := t.TempDir()
	file := filepath.Join(dir, "catalog.yaml")
	text := "assistants:\n  desk:\n    kind: flow\n    definition: |\n      flow: 1\n      languages: [en]\n" +
		"channels:\n  site: { type: rtm, assistant: desk, bot: { id: st-1, name: Desk }, apps: [{ id: cs-1 }] }\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"apply", "-f", file, "--dry-run"}, 0, "dry run"},
		{[]string{"apply", "-f", file}, 0, "generated-for-cs-1"},
		{[]string{"apply", "-f", file}, 0, "nothing to change; revision 1 is in place"},
		{[]string{"channel", "list"}, 0, "site  rtm   desk       st-1"},
		{[]string{"channel", "show", "site"}, 0, "base URL  https://chat.example.com"},
		{[]string{"assistant", "list"}, 0, "desk  flow  1        -      site        -"},
		{[]string{"jwt", "--user", "ann"}, 0, "token of cs-1 for ann"},
		{[]string{"conversation", "list"}, 0, "cv-1  site     ann (Ann)"},
		{[]string{"doctor"}, 1, "a server runs with the data folder"},
		{[]string{"doctor"}, 1, "ok    site             ok, 1 check\n"},
		{[]string{"doctor", "-v"}, 1, "ok    site/bot         the bot Desk answers\n"},
		{[]string{"doctor", "--json"}, 1, `"site/bot"`},
		{[]string{"backup", filepath.Join(dir, "copy")}, 0, "wrote " + filepath.Join(dir, "copy")},
		{[]string{"assistant", "delete", "desk"}, 1, `in use by channel "site"`},
		{[]string{"restore", dir}, 1, "stop it"},
		{[]string{"channel", "show", "site"}, 0, "waiting    1 delivery"},
		{[]string{"channel", "delete", "sit"}, 3, `there is no channel "sit"`},
		{[]string{"channel", "delete", "site"}, 2, "forgets its secrets and cuts its clients off, and drops 1 waiting delivery; conversations stay in the log. Say --yes"},
		{[]string{"channel", "test", "site"}, 0, "the bot Desk answers"},
		{[]string{"channel", "delete", "site", "--yes"}, 0, "1 waiting delivery was dropped: its channel is gone"},
		{[]string{"assistant", "delete", "desk"}, 0, "delete    assistant desk"},
	}
	for _, step := range steps {
		code, stdout, stderr := o.parley(ctx, step.args...)
		if code != step.code || !strings.Contains(stdout+stderr, step.want) {
			t.Errorf("%v: code %d, want %d with %q\n%s%s", step.args, code, step.code, step.want, stdout, stderr)
		}
		if step.args[0] == "channel" && strings.Contains(stdout, "generated-for") {
			t.Errorf("%v shows a secret:\n%s", step.args, stdout)
		}
	}
}

func TestTail(t *testing.T) {
	o := serve(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &lines{got: make(chan string, 10)}
	p := cli.Program{Backend: nobody{}, Stdout: out, Stderr: out, Host: catalog.OS{}}
	code := make(chan int, 1)
	go func() { code <- p.Run(ctx, []string{"tail", "--user", "ann", "--channel", "st-1", "--data", o.dir}) }()
	if got := <-o.tracer.asked; got != "st-1 ann" {
		t.Errorf("asked for %q", got)
	}
	if got := out.next(t); !strings.Contains(got, "watching") {
		t.Errorf("first line %q", got)
	}
	o.tracer.records <- channel.TraceRecord{At: at, Direction: "in", Kind: "frame", Body: `{"a":"<b>\u001b"}`}
	if got := out.next(t); !strings.Contains(got, `<- frame    {"a":"<b>`) {
		t.Errorf("line %q", got)
	}
	o.tracer.records <- channel.TraceRecord{At: at, Direction: "note", Kind: "refused", Reason: "expired"}
	if got := out.next(t); !strings.Contains(got, "-- refused    (expired)") {
		t.Errorf("line %q", got)
	}
	cancel()
	if got := <-code; got != cli.ExitOK {
		t.Errorf("interrupted with code %d", got)
	}
	<-o.tracer.ended
}

// A server that stops must not wait for its watchers.
func TestTailEndsWithTheServer(t *testing.T) {
	o := serve(t)
	out := &lines{got: make(chan string, 10)}
	p := cli.Program{Backend: nobody{}, Stdout: out, Stderr: out, Host: catalog.OS{}}
	code := make(chan int, 1)
	go func() { code <- p.Run(context.Background(), []string{"tail", "--user", "ann", "--data", o.dir}) }()
	out.next(t)
	close(o.stopping)
	if got := out.next(t); got != "parley: the server stopped" {
		t.Errorf("line %q", got)
	}
	if got := <-code; got != cli.ExitUnreachable {
		t.Errorf("code %d", got)
	}
	<-o.tracer.ended
}

// lines is a writer whose lines a test can wait for.
type lines struct {
	mu   sync.Mutex
	rest string
	got  chan string
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest += string(b)
	for {
		line, rest, found := strings.Cut(l.rest, "\n")
		if !found {
			return len(b), nil
		}
		l.rest = rest
		l.got <- line
	}
}

func (l *lines) next(t *testing.T) string {
	t.Helper()
	select {
	case line := <-l.got:
		return line
	case <-time.After(10 * time.Second):
		t.Fatal("no line came")
		return ""
	}
}

// A server that goes away in the middle must not look like success.
func TestServerGoesAway(t *testing.T) {
	dir := t.TempDir()
	listener, err := adminapi.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go cutOff(conn)
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	o := &online{dir: dir}
	for _, args := range [][]string{{"channel", "list"}, {"conversation", "show", "cv-1"}, {"tail", "--user", "x"}} {
		code, stdout, stderr := o.parley(context.Background(), args...)
		if code != cli.ExitUnreachable || stdout != "" {
			t.Errorf("%v: code %d\n%s%s", args, code, stdout, stderr)
		}
	}
}

// cutOff answers half and hangs up.
func cutOff(conn net.Conn) {
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		return
	}
	_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"chan"))
}

func TestJSONErrorsAreForPrograms(t *testing.T) {
	o := serve(t)
	code, _, stderr := o.parley(context.Background(), "channel", "show", "nope", "--json")
	var got struct{ Kind, Error string }
	if err := json.Unmarshal([]byte(stderr), &got); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	if code != cli.ExitNotFound || got.Kind != "not_found" || !strings.Contains(got.Error, "nope") {
		t.Errorf("code %d, %+v", code, got)
	}
}

// Every process setting must be a flag of the command line.
func TestEverySettingIsAFlag(t *testing.T) {
	var out bytes.Buffer
	p := cli.Program{Backend: nobody{}, Stdout: &out, Stderr: &out}
	if code := p.Run(context.Background(), []string{"serve", "--help"}); code != 0 {
		t.Fatalf("code %d: %s", code, out.String())
	}
	for _, f := range config.Flags() {
		if !strings.Contains(out.String(), "--"+f.Name+"=") {
			t.Errorf("parley serve has no --%s", f.Name)
		}
	}
}
