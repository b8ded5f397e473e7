package faults

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/testkit/crowd"
	"parley/internal/testkit/freeport"
	"parley/internal/testkit/program"
	"parley/internal/testkit/wait"
)

// sweepTime is how soon a node hears of what another one stored.
var sweepTime = prompt(5 * time.Second)

// twoNodes starts two servers on one PostgreSQL database whose assistant takes
// a while.
func twoNodes(t *testing.T, delay time.Duration) (one, two *program.Server, app crowd.App, env []string) {
	t.Helper()
	env = quiet("PARLEY_DATABASE=" + pg.Database(t))
	one, app = serveSlowly(t, delay, program.Options{Env: env})
	// Nodes share their key file.
	key, err := os.ReadFile(filepath.Join(one.Data, "key"))
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "two")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(data, "key"), key)
	return one, startSlowly(t, program.Options{Env: env, Data: data}), app, env
}

// TestTwoNodesOneDatabase has a person with a socket on each node.
func TestTwoNodesOneDatabase(t *testing.T) {
	one, two, app, env := twoNodes(t, 20*time.Millisecond)
	here, there := app.Client("both", nil), app.Client("both", nil)
	there.Base = two.URL
	ctx := within(t, 2*patience)
	// A token of one node is good on the other.
	granted, err := here.Grant(ctx)
	if err != nil {
		t.Fatal(err)
	}
	token := granted.Authorization.AccessToken
	left := connect(t, here, token)
	right := connect(t, there, token)

	t.Run("what one node stores reaches the other", func(t *testing.T) {
		for i, test := range []struct{ from, to *rtmtest.Socket }{{left, right}, {right, left}} {
			text := fmt.Sprintf("over node %d", i+1)
			crowd.Say(t, test.from, int64(i+1), text)
			began := time.Now()
			for _, typ := range []string{"user_message", "bot_response"} {
				want := text
				if typ == "bot_response" {
					want = answerTo(text)
				}
				short, cancel := context.WithTimeout(ctx, sweepTime)
				if _, err := test.to.ExpectText(short, typ, want); err != nil {
					t.Error(err)
				}
				cancel()
			}
			t.Logf("it took %v", time.Since(began))
			if _, err := test.from.ExpectText(ctx, "bot_response", answerTo(text)); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("a sid works once on all nodes together", func(t *testing.T) {
		address, err := here.Start(ctx, token, "")
		if err != nil {
			t.Fatal(err)
		}
		first, err := rtmtest.Dial(ctx, address, rtmtest.DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = first.Drop() }()
		elsewhere := strings.Replace(address, one.Addr, two.Addr, 1)
		for _, again := range []string{elsewhere, address} {
			second, err := rtmtest.Dial(ctx, again, rtmtest.DialOptions{})
			if err == nil {
				_ = second.Drop()
			}
			if rtmtest.Status(err) != http.StatusUnauthorized {
				t.Errorf("a used sid: %v, want status 401", err)
			}
		}
		unused, err := here.Start(ctx, token, "")
		if err != nil {
			t.Fatal(err)
		}
		s, err := rtmtest.Dial(ctx, strings.Replace(unused, one.Addr, two.Addr, 1), rtmtest.DialOptions{})
		if err != nil {
			t.Fatalf("a sid of the other node: %v", err)
		}
		_ = s.Drop()
	})
	t.Run("both talk at once", func(t *testing.T) {
		bothTalk(t, left, right, either(40, 400))
		audited(t, crowd.Admin{Binary: &parley, Data: one.Data, Env: env}, app.Place("both"), either(40, 400))
	})
}

func connect(t *testing.T, client *rtmtest.Client, token string) *rtmtest.Socket {
	t.Helper()
	return crowd.Connect(t, client, token, "")
}

// bothTalk says n messages over each socket at once, and wants all answers on
// both.
func bothTalk(t *testing.T, left, right *rtmtest.Socket, n int) {
	t.Helper()
	ctx := within(t, 10*time.Minute)
	var group errgroup.Group
	for side, s := range map[string]*rtmtest.Socket{"left": left, "right": right} {
		base := int64(1000)
		if side == "right" {
			base = 1_000_000
		}
		group.Go(func() error {
			for i := range int64(n) {
				if err := s.Say(ctx, base+i, fmt.Sprintf("%s %d", side, i)); err != nil {
					return err
				}
				if _, err := s.ExpectAck(ctx, fmt.Sprint(base+i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("%.500s", err)
	}
	for side, s := range map[string]*rtmtest.Socket{"left": left, "right": right} {
		for i := range n {
			for _, from := range []string{"left", "right"} {
				text := fmt.Sprintf("%s %d", from, i)
				if _, err := s.ExpectText(ctx, "bot_response", answerTo(text)); err != nil {
					t.Fatalf("%s: %.500s", side, err)
				}
				if from == side {
					continue
				}
				if _, err := s.ExpectText(ctx, "user_message", text); err != nil {
					t.Fatalf("%s: %.500s", side, err)
				}
			}
		}
	}
}

// audited reads the log: what each side said is there once and in its order,
// and each message was answered once.
func audited(t *testing.T, admin crowd.Admin, user string, n int) {
	t.Helper()
	entries := admin.Entries(t, admin.Conversations(t)[user].ID)
	if problem := crowd.Sequence(entries); problem != "" {
		t.Error(problem)
	}
	next, answers := map[string]int{}, map[string]int{}
	for _, e := range entries {
		if e.Author.Kind != "contact" {
			answers[e.Content.Text]++
			continue
		}
		side, number, _ := strings.Cut(e.Content.Text, " ")
		if side != "left" && side != "right" || e.Purpose != "message" {
			continue
		}
		if number != fmt.Sprint(next[side]) {
			t.Errorf("entry %d is %q, want number %d of this side", e.Seq, e.Content.Text, next[side])
		}
		next[side]++
	}
	for _, side := range []string{"left", "right"} {
		if next[side] != n {
			t.Errorf("%d messages of the %s are there, want %d", next[side], side, n)
		}
		for i := range n {
			if got := answers[answerTo(fmt.Sprintf("%s %d", side, i))]; got != 1 {
				t.Errorf("message %d of the %s was answered %d times", i, side, got)
			}
		}
	}
}

// TestOneOfTwoNodesKilled kills one node again and again while people talk to
// both: the other goes on, and takes up what the dead one had begun.
func TestOneOfTwoNodesKilled(t *testing.T) {
	one, two, app, env := twoNodes(t, 20*time.Millisecond)
	people := crowd.Gather(t, crowd.Options{App: app, People: 10, Pause: 30 * time.Millisecond})
	other := app
	other.BaseURL = two.URL
	safe := crowd.Gather(t, crowd.Options{App: other, People: 10, Pause: 30 * time.Millisecond, Prefix: "safe"})
	people.Talk()
	safe.Talk()
	for range either(2, 40) {
		killSomewhere(t, one, people)
		safe.WaitAcked(20, either(patience, 10*time.Second)) // they do not wait for the dead one
		one.Start()
	}
	people.WaitAcked(20, patience)
	people.Settle(patience)
	safe.Settle(patience)
	admin := crowd.Admin{Binary: &parley, Data: two.Data, Env: env}
	for _, c := range []*crowd.Crowd{people, safe} {
		crowd.Audit(t, c, admin)
		answersFit(t, c, admin)
	}
	for _, p := range safe.People {
		if n := len(p.Ends()); n > 0 {
			t.Errorf("%s lost %d connections to the node that lived", p.Name, n)
		}
	}
}

// TestPausedNode stops a node for longer than its lease while it works on an
// answer. The other node answers; the paused one finds that out when it goes
// on, under a new boot.
func TestPausedNode(t *testing.T) {
	one, two, app, env := twoNodes(t, 4*time.Second)
	there := app.Client("waiting", nil)
	here := app.Client("waiting", nil)
	there.Base = two.URL
	granted, err := here.Grant(within(t, aWhile))
	if err != nil {
		t.Fatal(err)
	}
	left, right := connect(t, here, granted.Authorization.AccessToken), connect(t, there, granted.Authorization.AccessToken)
	// Opening a socket owes a turn too, and the node that ends a turn goes on
	// with the next one. From here on nothing is open.
	exchange(t, left, 1, "before")
	crowd.Say(t, left, 2, "one")
	one.Signal(syscall.SIGSTOP)
	paused := time.Now()
	answered, err := right.ExpectText(within(t, patience), "bot_response", answerTo("one"))
	if err != nil {
		one.Signal(syscall.SIGCONT)
		t.Fatal(err)
	}
	t.Logf("the other node answered %v after the pause began", answered.At.Sub(paused).Round(time.Millisecond))
	one.Signal(syscall.SIGCONT)
	wait.Succeed(t, aWhile, func() error {
		if !strings.Contains(one.Logs(), "new boot") {
			return fmt.Errorf("its log does not say so")
		}
		return nil
	}, "the paused node to notice that its lease had lapsed")
	back := connect(t, here, granted.Authorization.AccessToken)
	crowd.Say(t, back, 3, "two")
	if _, err := back.ExpectText(within(t, aWhile), "bot_response", answerTo("two")); err != nil {
		t.Fatal(err)
	}
	admin := crowd.Admin{Binary: &parley, Data: two.Data, Env: env}
	answers := map[string]int{}
	for _, e := range admin.Entries(t, admin.Conversations(t)[app.Place("waiting")].ID) {
		answers[e.Content.Text]++
	}
	for _, text := range []string{"one", "two"} {
		if answers[text] != 1 || answers[answerTo(text)] != 1 {
			t.Errorf("%q is in the log %d times, its answer %d times", text, answers[text], answers[answerTo(text)])
		}
	}
}

// TestTwoNodesBeginTogether starts both nodes on an empty database at once: one
// makes schema and demo, the other waits, and both serve the same.
func TestTwoNodesBeginTogether(t *testing.T) {
	donor := serve(t, program.Options{Env: quiet()})
	donor.Stop()
	key, err := os.ReadFile(filepath.Join(donor.Data, "key"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range either(3, 50) {
		t.Run(fmt.Sprintf("round %d", i+1), func(t *testing.T) { beginTogether(t, key) })
	}
}

func beginTogether(t *testing.T, key []byte) {
	t.Helper()
	env := quiet("PARLEY_DATABASE=" + pg.Database(t))
	var data, addresses [2]string
	for i := range 2 {
		data[i], addresses[i] = t.TempDir(), freeport.Addr(t)
		write(t, filepath.Join(data[i], "key"), key)
		process, said := bare(t, env, addresses[i], data[i])
		t.Cleanup(func() {
			if err := process.Stop(os.Kill, time.Minute); err != nil || t.Failed() {
				t.Logf("node %d: %v\n%s", i, err, said)
			}
		})
	}
	for _, address := range addresses {
		wait.Succeed(t, aWhile, func() error {
			if status, body := crowd.Get(t.Context(), "http://"+address+"/readyz"); status != http.StatusOK {
				return fmt.Errorf("%d %s", status, body)
			}
			return nil
		}, "both nodes")
	}
	var apps [2]crowd.App
	for i := range 2 {
		wait.Succeed(t, aWhile, func() (err error) {
			apps[i], err = crowd.Demo(data[i])
			return err
		}, "demo.json")
	}
	if apps[0].BotID != apps[1].BotID || apps[0].ClientID != apps[1].ClientID {
		t.Errorf("the nodes have two demos, %s and %s", apps[0].BotID, apps[1].BotID)
	}
	for i, app := range apps {
		s, _ := login(t, app.Client(fmt.Sprintf("of-%d", i), nil))
		exchange(t, s, 1, "Hi")
	}
}
