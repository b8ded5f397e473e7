package scenario

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/testkit/child"
	"parley/internal/testkit/crowd"
	"parley/internal/testkit/program"
)

// tail runs `parley tail` for a user and collects its lines.
func tail(t *testing.T, p *install, user string) (lines <-chan string, stop func() int) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(parley.Path(t), "tail", "--user", user, "--data", p.Data, "--json")
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout = write
	process, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	_ = write.Close() // the child has its own copy
	out := make(chan string, 1000)
	go func() {
		defer close(out)
		defer read.Close()
		scanner := bufio.NewScanner(read)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			out <- scanner.Text()
		}
	}()
	stop = func() int {
		t.Helper()
		if err := process.Stop(os.Interrupt, patience); err != nil {
			t.Errorf("tail: %v", err)
		}
		return process.ExitCode()
	}
	t.Cleanup(func() { _ = process.Stop(os.Kill, patience) }) // it may have ended
	return out, stop
}

// line waits for a record that holds all words.
func line(t *testing.T, lines <-chan string, words ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var seen []string
	for {
		select {
		case got, open := <-lines:
			if !open {
				t.Fatalf("tail ended without a line with %q; it said\n%s", words, strings.Join(seen, "\n"))
			}
			seen = append(seen, got)
			missing := false
			for _, word := range words {
				missing = missing || !strings.Contains(got, word)
			}
			if !missing {
				return got
			}
		case <-ctx.Done():
			t.Fatalf("tail has no line with %q; it said\n%s", words, strings.Join(seen, "\n"))
		}
	}
}

// TestTail watches one person: frames and refusals, secrets blanked, others not
// shown.
func TestTail(t *testing.T) {
	p := start(t, program.Options{})
	app := p.demo()
	other, _ := p.visit(app.Client("somebody-else", nil))
	client := app.Client("watched@example.com", nil)
	lines, stop := tail(t, p, app.Place(client.User))
	line(t, lines, "watching")

	s, token := p.visit(client)
	for _, words := range [][]string{{`"grant"`}, {`"start"`}, {`"upgrade"`}, {`"out"`, "bot_response"}} {
		line(t, lines, words...)
	}
	crowd.Exchange(t, other, 1, "nobody else's business")
	frame := `{"clientMessageId":1,"resourceid":"/bot.message","message":{"body":"look at this","customData":{"botToken":"` + token + `","kmToken":"km-secret-1234567890"}},"client":"Android","id":1}`
	if err := s.Send(t.Context(), []byte(frame)); err != nil {
		t.Fatal(err)
	}
	shown := line(t, lines, `"in"`, "look at this")
	if strings.Contains(shown, token) || strings.Contains(shown, "km-secret-1234567890") {
		t.Errorf("a frame is shown with its tokens:\n%s", shown)
	}
	line(t, lines, `"out"`, `\"ack\"`)
	if err := s.Send(t.Context(), []byte("this is no JSON")); err != nil {
		t.Fatal(err)
	}
	line(t, lines, "refused", "JSON")
	if err := s.Send(t.Context(), []byte(`{"resourceid":"/bot.other","id":2}`)); err != nil {
		t.Fatal(err)
	}
	line(t, lines, "refused", "resourceid")

	// A refused socket: the same sid again.
	address, err := client.Start(t.Context(), token, "")
	if err != nil {
		t.Fatal(err)
	}
	first, err := rtmtest.Dial(t.Context(), address, rtmtest.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Drop()
	if _, err := rtmtest.Dial(t.Context(), address, rtmtest.DialOptions{}); rtmtest.Status(err) != 401 {
		t.Errorf("a used sid: %v", err)
	}
	line(t, lines, "refused", "used before")
	_ = s.Close()
	line(t, lines, "closed")

	if code := stop(); code != 0 {
		t.Errorf("tail ended with %d after Ctrl-C, want 0", code)
	}
	for rest := range lines {
		if strings.Contains(rest, "nobody else's business") {
			t.Errorf("tail shows another person: %s", rest)
		}
	}
	// Without a server there is nothing to watch.
	p.Stop()
	if got := p.run("tail", "--user", "anybody"); got.Code != 4 || !strings.Contains(got.Stderr, "no server") {
		t.Errorf("tail without a server ended with %d: %s", got.Code, got.Stderr)
	}
}

// TestTailHidesSecrets searches everything tail shows of a whole talk.
func TestTailHidesSecrets(t *testing.T) {
	p := start(t, program.Options{})
	app := p.demo()
	client := app.Client("everything", nil)
	lines, stop := tail(t, p, app.Place(client.User))
	line(t, lines, "watching")
	s, token := p.visit(client)
	crowd.Exchange(t, s, 1, "Hi")
	line(t, lines, `"ack\"`)
	stop()
	var all []string
	for rest := range lines {
		all = append(all, rest)
	}
	crowd.NoSecrets(t, strings.Join(all, "\n"), token, app.Secret)
}

// TestJWT tries a token of the command line with and without a server.
func TestJWT(t *testing.T) {
	onEngines(t, func(t *testing.T, p *install) {
		app := p.ownApp("Hours.")
		client := app.Client("tester@example.com", nil)
		p.Stop()
		for _, step := range []string{"without a server", "with one"} {
			t.Run(step, func(t *testing.T) {
				if step == "with one" {
					p.Start()
				}
				token := strings.TrimSpace(p.must("jwt", "--user", client.User))
				p.secret(token)
				if !p.Running() {
					p.Start()
					defer p.Stop()
				}
				granted, err := client.GrantJWT(t.Context(), token)
				if err != nil {
					t.Fatal(err)
				}
				p.secret(granted.Authorization.AccessToken)
				s := crowd.Connect(t, client, granted.Authorization.AccessToken, "")
				crowd.Say(t, s, time.Now().UnixMilli(), "opening hours")
				if _, err := s.ExpectText(t.Context(), "bot_response", "Hours."); err != nil {
					t.Error(err)
				}
			})
		}
		if got := p.run("jwt", "--user", "x", "--app", "cs-unknown"); got.Code != 3 {
			t.Errorf("an unknown app: exit code %d, want 3: %s", got.Code, got.Stderr)
		}
	})
}

// TestDoctor finds what is wrong and says what to do, with a server and
// without.
func TestDoctor(t *testing.T) {
	p := start(t, program.Options{})
	var answer struct {
		Checks []struct{ Name, Level, Text, Mend string } `json:"checks"`
	}
	find := func(out string, wantFailure bool) {
		t.Helper()
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		failed := false
		for _, c := range answer.Checks {
			if c.Name == "" || c.Text == "" || c.Level != "ok" && c.Mend == "" {
				t.Errorf("a check says too little: %+v", c)
			}
			failed = failed || c.Level == "fail"
		}
		if failed != wantFailure || len(answer.Checks) < 4 {
			t.Errorf("the doctor's %d checks fail: %v, want %v\n%s", len(answer.Checks), failed, wantFailure, out)
		}
	}
	find(p.must("doctor", "--json"), false)
	p.Stop()
	find(p.must("doctor", "--json"), false)
	key := p.Data + "/key"
	if err := os.Rename(key, key+".away"); err != nil {
		t.Fatal(err)
	}
	got := p.run("doctor", "--json")
	if got.Code != 1 || !strings.Contains(got.Stdout, "key") {
		t.Errorf("the doctor ended with %d without the key file:\n%s%s", got.Code, got.Stdout, got.Stderr)
	}
	find(got.Stdout, true)
}
