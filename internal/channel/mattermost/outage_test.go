package mattermost_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/mattermost"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
	"parley/internal/store/sqlite"
	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

func TestMissedWhileDown(t *testing.T) {
	w := newWorld(t, nil)
	alice, admin := w.mm.Alice, w.mm.Admin
	name := "@" + w.bot.Username
	history := alice.Post(t, w.room.ID, name+" before we ever came", "")
	w.up()
	root := alice.Post(t, w.room.ID, name+" live", "")
	w.answered(alice, w.room.ID, 1, "alice> re: live", root)
	gone := alice.Post(t, w.room.ID, "to be deleted", root)
	w.answered(alice, w.room.ID, 2, "alice> re: to be deleted", root)
	unheard := alice.Post(t, w.room.ID, "nothing", "")
	left := admin.CreateChannel(t, w.mm.Team.ID, mmtest.Public, short(t, "left"))
	admin.AddMember(t, left.ID, w.bot.ID, alice.ID)
	in := alice.Post(t, left.ID, name+" in", "")
	w.answered(alice, left.ID, 1, "alice> re: in", in)
	wait.For(t, within, func() bool { return w.status().Late == 0 && w.alive() }, "the link to be in sync")
	w.stop()

	alice.Edit(t, root, name+" live, edited")
	alice.Delete(t, gone)
	alice.Edit(t, unheard, "something for "+name)
	missed := alice.Post(t, w.room.ID, name+" missed", "")
	follow := alice.Post(t, w.room.ID, "missed too", root)
	// Joined while away: what was said before is not ours.
	joined := admin.CreateChannel(t, w.mm.Team.ID, mmtest.Private, short(t, "new"))
	admin.AddMember(t, joined.ID, alice.ID)
	early := alice.Post(t, joined.ID, name+" too early", "")
	longAgo(t, alice, early)
	admin.AddMember(t, joined.ID, w.bot.ID)
	welcome := alice.Post(t, joined.ID, name+" welcome", "")
	// Removed and added again: what was said between is not ours.
	alice.Post(t, left.ID, name+" still in", "")
	admin.RemoveMember(t, left.ID, w.bot.ID)
	// The server is late to say that somebody was removed or added.
	wait.For(t, within, func() bool {
		var list struct{ Posts map[string]mmtest.Post }
		if err := alice.Do(t.Context(), http.MethodGet, "/channels/"+left.ID+"/posts", nil, &list); err != nil {
			t.Fatal(err)
		}
		for _, p := range list.Posts {
			if p.Type == "system_remove_from_channel" {
				return true
			}
		}
		return false
	}, "the word about the removal")
	longAgo(t, alice, alice.Post(t, left.ID, name+" while away", ""))
	admin.AddMember(t, left.ID, w.bot.ID)
	back := alice.Post(t, left.ID, name+" back", "")
	dm := w.mm.Bob.Direct(t, w.bot.ID)
	w.mm.Bob.Post(t, dm, "new direct message", "")

	w.up()
	texts := strings.Join(textsOf(w.answers(alice, w.room.ID, 5)), "\n")
	for _, want := range []string{"alice> re: missed", "alice> re: missed too", "alice> re: something for"} {
		if !strings.Contains(texts, want) {
			t.Errorf("no %q in %q", want, texts)
		}
	}
	w.answered(alice, joined.ID, 1, "alice> re: welcome", welcome)
	w.answers(alice, left.ID, 3)
	w.answered(alice, left.ID, 3, "alice> re: back", back)
	w.answered(w.mm.Bob, dm, 1, "re: new direct message", "")
	wait.For(t, within, func() bool {
		e := w.talk(th(w.room.ID, root))
		return len(e) > 2 && e[0].Content.Text == "live, edited" && e[2].Deleted
	}, "the missed edit and deletion")
	// An answer may be seen before what it answers is counted.
	wait.For(t, within, func() bool { return w.status().Recovered >= 7 }, "7 recovered posts")
	if got, counted := w.status().Recovered, w.metric("parley_mattermost_recovered_posts_total"); got != 7 || counted != 7 {
		t.Errorf("recovered %d posts, %v by the metrics, want 7", got, counted)
	}
	if w.metric("parley_mattermost_link_up") != 1 || w.metric("parley_mattermost_rooms") < 3 {
		t.Error("the link is not in the metrics")
	}
	for _, p := range []string{history, missed, follow} {
		_, err := w.store.Reference(t.Context(), w.id, p)
		if known := !fault.Is(err, fault.NotFound); known != (p != history) {
			t.Errorf("post %s: known %v (%v)", p, known, err)
		}
	}
	// Nothing is read twice, and nothing answered twice, by the next start.
	w.stop()
	w.up()
	w.answers(alice, w.room.ID, 5)
	if got := w.status().Recovered; got != 0 {
		t.Errorf("recovered %d posts once more", got)
	}
}

func TestThousandMissed(t *testing.T) {
	const posts, threads = 1000, 20
	w := newWorld(t, settings{"answer": "always"}).up()
	alice := w.mm.Alice
	var roots []string
	for i := range threads {
		root := alice.Post(t, w.room.ID, fmt.Sprint("thread ", i), "")
		roots = append(roots, root)
	}
	w.answers(alice, w.room.ID, threads)
	w.stop()
	began := time.Now()
	for i := range posts {
		alice.Post(t, w.room.ID, fmt.Sprint("post ", i), roots[i%threads])
	}
	t.Logf("posted after %v", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	w.start()
	wait.For(t, within, func() bool { return w.status().Connected }, "the connection")
	alice.Post(t, w.room.ID, "live", roots[0])
	wait.For(t, withinLong, func() bool {
		n := 0
		for _, root := range roots {
			n += len(w.talk(th(w.room.ID, root)))
		}
		return n == 2*(posts+threads+1)
	}, "every post and its answer in the log")
	t.Logf("%d posts caught up and answered in the log after %v", posts, time.Since(began).Round(time.Millisecond))
	wait.For(t, withinLong, func() bool {
		counts, err := w.store.DeliveryCounts(t.Context())
		return err == nil && len(counts) == 0
	}, "all answers to be delivered")
	t.Logf("all answers posted after %v", time.Since(began).Round(time.Millisecond))
	for k, root := range roots {
		var asked, answers []string
		for _, p := range alice.Thread(t, root) {
			if p.UserID == w.bot.ID {
				answers = append(answers, strings.TrimPrefix(p.Message, "alice> re: "))
			} else {
				asked = append(asked, p.Message)
			}
		}
		if strings.Join(asked, "|") != strings.Join(answers, "|") {
			t.Errorf("thread %d: %d questions, %d answers, or another order", k, len(asked), len(answers))
		}
	}
	if got := w.status().Recovered; got != posts && got != posts+1 {
		t.Errorf("recovered %d", got)
	}
}

func TestTooOldIsToldOnce(t *testing.T) {
	w := newWorld(t, nil).up()
	alice := w.mm.Alice
	name := "@" + w.bot.Username
	dm := alice.Direct(t, w.bot.ID)
	alice.Post(t, dm, "live", "")
	w.answered(alice, dm, 1, "re: live", "")
	w.stop()
	alice.Post(t, w.room.ID, name+" one", "")
	last := alice.Post(t, w.room.ID, name+" two", "")
	alice.Post(t, dm, "three", "")
	w.change = laterBy(2 * time.Hour)
	w.up()
	line := "I was away, and 2 messages here stayed without an answer because they were more than 1 hour old. Please write again if it still matters."
	w.answered(alice, w.room.ID, 1, line, last)
	w.answers(alice, dm, 2)
	if s := w.status(); s.Late != 3 || s.Recovered != 3 {
		t.Errorf("%+v", s)
	}
	w.stop()
	w.up()
	alice.Post(t, dm, "four", "") // late as well, by this clock, and told live
	w.answers(alice, dm, 3)
	w.answers(alice, w.room.ID, 1)
}

func TestServerRestarts(t *testing.T) {
	mm := mmtest.Start(t)
	w := newWorldOn(t, mm, nil).up()
	name := "@" + w.bot.Username
	for i := range 3 {
		if err := mm.StopServer(); err != nil {
			t.Fatal(err)
		}
		wait.For(t, within, func() bool { s := w.status(); return !s.Connected && s.Problem != "" }, "the loss of the connection and its reason")
		if err := mm.StartServer(); err != nil {
			t.Fatal(err)
		}
		root := mm.Alice.Post(t, w.room.ID, fmt.Sprintf("%s round %d", name, i), "")
		w.answered(mm.Alice, w.room.ID, i+1, fmt.Sprintf("alice> re: round %d", i), root)
	}
	w.synced()
}

func TestTokenRevoked(t *testing.T) {
	w := newWorld(t, nil).up()
	w.mm.RevokeToken(t, w.bot)
	alert := "mattermost.token." + string(w.id)
	wait.For(t, within, func() bool { return w.alerts.get(alert) != "" }, "the alert")
	s := w.status()
	if s.Connected || !strings.Contains(strings.ToLower(s.Problem), "token") {
		t.Errorf("%+v", s)
	}
	if strings.Contains(w.logs.String(), w.bot.Token) {
		t.Error("the token is in the log")
	}
	root := w.mm.Alice.Post(t, w.room.ID, "@"+w.bot.Username+" missed", "")
	// A new token is taken at once.
	w.bot = w.mm.CreateToken(t, w.bot)
	w.configure(nil)
	apply, err := w.driver.Prepare([]channel.Configured{w.configured()})
	if err != nil {
		t.Fatal(err)
	}
	apply()
	w.answered(w.mm.Alice, w.room.ID, 1, "alice> re: missed", root)
	if w.alerts.get(alert) != "" {
		t.Error("the alert still holds")
	}
	// What is wrong with a channel that is taken out of service is nobody's alert.
	w.mm.RevokeToken(t, w.bot)
	wait.For(t, within, func() bool { return w.alerts.get(alert) != "" }, "the second alert")
	if apply, err = w.driver.Prepare(nil); err != nil {
		t.Fatal(err)
	}
	apply()
	wait.For(t, within, func() bool { return w.alerts.get(alert) == "" }, "the alert to be withdrawn")
}

func TestTwoChannelsOnOneAccount(t *testing.T) {
	w := newWorld(t, nil)
	other := &world{t: t, mm: w.mm, bot: w.bot, secret: map[string]string{}}
	other.configure(nil)
	second := other.configured()
	second.Name = "second"
	w.up()
	_, err := w.driver.Prepare([]channel.Configured{w.configured(), second})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), `"chat" and "second"`) {
		t.Errorf("one token: %v", err)
	}
	// Another token of the same account shows only at the server.
	other.bot = w.mm.CreateToken(t, w.bot)
	other.configure(nil)
	second = other.configured()
	second.Name = "second"
	apply, err := w.driver.Prepare([]channel.Configured{w.configured(), second})
	if err != nil {
		t.Fatal(err)
	}
	apply()
	wait.For(t, within, func() bool {
		all := w.driver.Status()
		return len(all) == 2 && all[0].Connected && !all[1].Connected && strings.Contains(all[1].Problem, `channel "chat" uses it`)
	}, "the second channel to be refused by name")
}

func TestLogin(t *testing.T) {
	mm := server(t)
	person := mm.CreateUser(t, short(t, "p"))
	w := newWorld(t, nil)
	mm.Admin.AddMember(t, w.room.ID, person.ID)
	w.bot, w.body = person, nil
	w.configure(settings{"token": "", "user": person.Username, "password": person.Password})
	w.up()
	root := mm.Alice.Post(t, w.room.ID, "@"+person.Username+" hello", "")
	w.answered(mm.Alice, w.room.ID, 1, "alice> re: hello", root)
	w.stop()
	// A wrong password is not tried again and again.
	w.configure(settings{"token": "", "user": person.Username, "password": "wrong"})
	w.start()
	wait.For(t, within, func() bool { return w.alerts.get("mattermost.token."+string(w.id)) != "" }, "the alert")
	if n := strings.Count(w.logs.String(), "refuses the account"); n != 1 {
		t.Errorf("refused %d times", n)
	}
}

// gates lets a test hold back or refuse what the driver hands over.
type gates struct {
	channel.Gateway
	ask func(context.Context) error
}

func (g gates) Accept(ctx context.Context, in channel.Inbound) (channel.Receipt, error) {
	if err := g.ask(ctx); err != nil {
		return channel.Receipt{}, err
	}
	return g.Gateway.Accept(ctx, in)
}

func TestStoreDoesNotAnswer(t *testing.T) {
	w := newWorld(t, nil)
	var left atomic.Int32
	left.Store(20)
	w.change = func(o *mattermost.Options) {
		o.Gateway = gates{o.Gateway, func(context.Context) error {
			if left.Add(-1) >= 0 {
				return fault.New(fault.Unavailable, "the store does not answer")
			}
			return nil
		}}
	}
	w.up()
	dm := w.mm.Alice.Direct(t, w.bot.ID)
	w.mm.Alice.Post(t, dm, "one", "")
	w.mm.Alice.Post(t, dm, "two", "")
	w.answered(w.mm.Alice, dm, 2, "re: one", "")
	if left.Load() > 0 {
		t.Error("nothing was refused")
	}
}

// More posts than the queue of a room holds come while the store hangs: the
// room goes over to reading.
func TestMoreThanTheQueueHolds(t *testing.T) {
	const posts = 560
	w := newWorld(t, settings{"answer": "always", "loop_limit": 0})
	release := make(chan struct{})
	w.change = func(o *mattermost.Options) {
		o.Gateway = gates{o.Gateway, func(ctx context.Context) error { holdUntil(release)(ctx); return ctx.Err() }}
	}
	w.up()
	alice := w.mm.Alice
	roots := []string{alice.Post(t, w.room.ID, "root", ""), alice.Post(t, w.room.ID, "root", "")}
	for i := range posts {
		alice.Post(t, w.room.ID, fmt.Sprint("post ", i), roots[i%2])
	}
	wait.For(t, within, func() bool { return w.status().CatchingUp == 1 }, "the room to go over to reading")
	close(release)
	for i, root := range roots {
		wait.For(t, withinLong, func() bool { return len(w.talk(th(w.room.ID, root))) == posts+2 }, "all posts, once")
		n := i - 2
		for _, e := range w.talk(th(w.room.ID, root)) {
			if e.Author.Kind != chat.ByContact {
				continue
			}
			if want := fmt.Sprint("post ", n); n >= 0 && e.Content.Text != want {
				t.Fatalf("%q, want %q", e.Content.Text, want)
			}
			n += 2
		}
	}
	if w.status().Recovered != 0 {
		t.Errorf("%+v", w.status())
	}
}

// A position the server knows nothing of, as after its data was restored.
func TestUnknownPosition(t *testing.T) {
	w := newWorld(t, nil).up()
	alice := w.mm.Alice
	before := alice.Post(t, w.room.ID, "@"+w.bot.Username+" before", "")
	w.answered(alice, w.room.ID, 1, "alice> re: before", before)
	w.stop()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: w.dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	at := alice.GetPost(t, before).CreateAt
	_, err = store.Do(t.Context(), s, store.MoveRooms{Channel: w.id, ChannelType: "mattermost", Now: time.Now(), Rooms: []store.Room{{
		Room: w.room.ID, Status: store.RoomLive, Position: fmt.Sprintf(`{"id":%q,"at":%d}`, strings.Repeat("z", 26), at),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	missed := alice.Post(t, w.room.ID, "@"+w.bot.Username+" missed", "")
	w.up()
	w.answered(alice, w.room.ID, 2, "alice> re: missed", missed)
}

// The connection goes over to another node when its owner ends.
func TestStandby(t *testing.T) {
	w := newWorld(t, nil).up()
	lease, err := store.Do(t.Context(), w.store, store.RenewLease{Node: "node-2", Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	first, o := w.driver, w.options
	o.Metrics = nil
	o.Owner = func() store.Owner { return store.Owner{Node: "node-2", Boot: lease.Boot} }
	second, err := mattermost.New(o)
	if err != nil {
		t.Fatal(err)
	}
	apply, err := second.Prepare([]channel.Configured{w.configured()})
	if err != nil {
		t.Fatal(err)
	}
	apply()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { second.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	wait.For(t, within, func() bool { return second.Status()[0].Standby }, "the second node to stand by")
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.sender.Store(second)
	root := w.mm.Alice.Post(t, w.room.ID, "@"+w.bot.Username+" over there", "")
	wait.For(t, within, func() bool { return second.Status()[0].Connected }, "the second node to take over")
	w.answered(w.mm.Alice, w.room.ID, 1, "alice> re: over there", root)
}

// A process that is killed right after its first connection has begun its rooms
// there: what is said afterwards is no history.
func TestKilledRightAfterTheFirstConnection(t *testing.T) {
	w := newWorld(t, nil)
	w.change = func(o *mattermost.Options) { o.Times.Flush, o.Times.Alive = time.Hour, time.Hour }
	w.start()
	wait.For(t, within, func() bool { s := w.status(); return s.Connected && s.Live >= 1 && s.CatchingUp == 0 }, "the first rooms")
	// The last positions are written at an ordered end; take what is stored now.
	rooms, err := w.store.Rooms(t.Context(), w.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rooms {
		if r.Room == w.room.ID {
			return
		}
	}
	t.Errorf("the room's beginning is not stored: %+v", rooms)
}
