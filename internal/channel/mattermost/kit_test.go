package mattermost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/channel/mattermost"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/delivery"
	"parley/internal/fault"
	"parley/internal/live"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/sqlite"
	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

// within bounds every wait for something that should come at once.
const within = time.Minute

// withinLong bounds what takes many posts, on a machine that has other work too.
const withinLong = 5 * time.Minute

// shared is the Mattermost server of all tests that do not stop it.
var shared = sync.OnceValues(func() (*mmtest.Server, error) {
	dir, err := os.MkdirTemp("", "mattermost-test-")
	if err != nil {
		return nil, err
	}
	sharedDir = dir
	return mmtest.Run(dir)
})

var sharedDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if sharedDir != "" {
		if s, err := shared(); err == nil {
			if err := s.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, "stop Mattermost:", err)
				code = 1
			}
		}
		os.RemoveAll(sharedDir)
	}
	os.Exit(code)
}

// server returns the shared server.
func server(t *testing.T) *mmtest.Server {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("start Mattermost: %v", err)
	}
	return s
}

// short makes a name that no other test uses.
func short(t *testing.T, what string) string {
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", " ", "-").Replace(t.Name()))
	if len(name) > 40 {
		name = name[len(name)-40:]
	}
	return strings.Trim(name, "-") + "-" + strconv.FormatInt(time.Now().UnixNano()%1e9, 36) + what
}

// talker answers what is said to it.
type talker struct {
	mu   sync.Mutex
	says func(chat.Content) chat.Content
	// hold, if set, is asked before each answer; answers then come in turns.
	hold func(context.Context)
}

func (a *talker) reply(in assistant.Input) assistant.Reply {
	var r assistant.Reply
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range in.Entries {
		r.Messages = append(r.Messages, a.says(e.Content))
	}
	return r
}

func (a *talker) Answer(ctx context.Context, t assistant.Turn) (assistant.Reply, error) {
	if a.hold != nil {
		a.hold(ctx)
	}
	return a.reply(t.Input), ctx.Err()
}
func (a *talker) Collects() bool { return false }
func (a *talker) Instant(in assistant.Input) (assistant.Reply, bool) {
	if a.hold != nil {
		return assistant.Reply{}, false
	}
	return a.reply(in), true
}

func (a *talker) ForChannel(chat.ChannelID) (conversation.Chosen, error) {
	return conversation.Chosen{Name: "bot", Version: 1, Assistant: a}, nil
}

func (a *talker) At(context.Context, string, int64) (conversation.Chosen, error) {
	return a.ForChannel("")
}

func echo(c chat.Content) chat.Content {
	text := "re: " + c.Input()
	if c.Speaker != "" {
		text = c.Speaker + "> " + text
	}
	return chat.TextContent(text)
}

// world is Parley around the driver: a real store, conversations, deliveries.
type world struct {
	t      *testing.T
	mm     *mmtest.Server
	bot    *mmtest.User
	room   mmtest.Channel
	talker *talker
	body   []byte
	secret map[string]string
	id     chat.ChannelID
	dir    string
	extra  []channel.Configured
	change func(*mattermost.Options)

	store  *sqlite.Store
	driver *mattermost.Driver
	hooks  *httptest.Server
	// sender is the driver that sends; options are its own.
	sender  atomic.Pointer[mattermost.Driver]
	options mattermost.Options
	metrics *prometheus.Registry
	logs    *logBuffer
	alerts  *alerts
	end     func()
}

// settings are what an owner writes, without server and token.
type settings map[string]any

// newWorld makes a bot and a public room of its own with alice and bob in it.
func newWorld(t *testing.T, set settings) *world {
	t.Helper()
	return newWorldOn(t, server(t), set)
}

// newWorldOn does so on a server of one's own.
func newWorldOn(t *testing.T, mm *mmtest.Server, set settings) *world {
	t.Helper()
	w := &world{
		t: t, mm: mm, bot: mm.CreateBot(t, short(t, "b")), talker: &talker{says: echo},
		secret: map[string]string{}, dir: t.TempDir(), logs: &logBuffer{}, alerts: &alerts{},
	}
	w.room = mm.Admin.CreateChannel(t, mm.Team.ID, mmtest.Public, short(t, "r"))
	mm.Admin.AddMember(t, w.room.ID, w.bot.ID, mm.Alice.ID, mm.Bob.ID)
	w.configure(set)
	t.Cleanup(func() {
		w.stop()
		if t.Failed() {
			t.Logf("log:\n%s", w.logs.String())
		}
	})
	return w
}

// configure settles the channel's settings.
func (w *world) configure(set settings) {
	w.t.Helper()
	given := settings{"server": w.mm.URL, "token": w.bot.Token}
	for k, v := range set {
		given[k] = v
	}
	raw, err := json.Marshal(given)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := mattermost.Kind{}.Settle("chat", raw, w.body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.body = s.Body
	if w.id != s.ID { // it stays, and the sender reads it
		w.id = s.ID
	}
	for k, v := range s.Secrets {
		w.secret[k] = v
	}
}

func (w *world) configured() channel.Configured {
	return channel.Configured{ID: w.id, Name: "chat", Assistant: "bot", Body: w.body, Secret: func(id string) (string, error) { return w.secret[id], nil }}
}

// start starts Parley on the folder of the world.
func (w *world) start() *world {
	w.t.Helper()
	w.metrics = prometheus.NewRegistry()
	logger := slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := sqlite.Open(w.t.Context(), sqlite.Options{Dir: w.dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	lease, err := store.Do(w.t.Context(), s, store.RenewLease{Node: "node-1", Life: time.Hour})
	if err != nil {
		w.t.Fatal(err)
	}
	owner := func() store.Owner { return store.Owner{Node: "node-1", Boot: lease.Boot} }
	hub := live.NewHub(s, logger)
	told := &announcer{hub: hub}
	talks := conversation.New(conversation.Options{
		Store: s, Assistants: w.talker, Announcer: told, Owner: owner, Logger: logger, Policy: conversation.DefaultPolicy(),
	})
	box, err := secret.NewBox(secret.NewKey())
	if err != nil {
		w.t.Fatal(err)
	}
	hooks := httptest.NewUnstartedServer(nil)
	o := mattermost.Options{
		Gateway: talks, Feed: hub, Store: s, Signer: secret.NewSigner(box), Owner: owner, Logger: logger, Alerts: w.alerts, Metrics: w.metrics,
		CallbackBase: func() string { return "http://" + hooks.Listener.Addr().String() },
		Times:        mattermost.Times{Flush: 20 * time.Millisecond, Alive: 50 * time.Millisecond, Watch: 20 * time.Millisecond, FirstRetry: 20 * time.Millisecond, LastRetry: 200 * time.Millisecond, Ping: time.Second, Refused: 200 * time.Millisecond},
	}
	if w.change != nil {
		w.change(&o)
	}
	d, err := mattermost.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	hooks.Config.Handler = d.Handler()
	hooks.Start()
	policy := delivery.DefaultPolicy()
	policy.Tick, policy.FirstRetry, policy.LastRetry = 100*time.Millisecond, 20*time.Millisecond, 200*time.Millisecond
	sends, err := delivery.New(delivery.Options{
		Store: s, Owner: owner, Logger: logger, Policy: policy,
		SenderFor: func(id chat.ChannelID) (channel.Sender, bool) { return w.sender.Load(), id == w.id },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	told.sends.Store(sends)
	w.sender.Store(d)
	apply, err := d.Prepare(append([]channel.Configured{w.configured()}, w.extra...))
	if err != nil {
		w.t.Fatal(err)
	}
	apply()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	linked, unlink := context.WithCancel(ctx)
	var links sync.WaitGroup
	links.Go(func() { d.Run(linked) })
	work.Go(func() { talks.Run(ctx, time.Second) })
	work.Go(func() { sends.Run(ctx, time.Second) })
	w.store, w.driver, w.hooks, w.options = s, d, hooks, o
	w.end = func() {
		unlink()
		links.Wait()
		cancel()
		work.Wait()
		hooks.Close()
		if err := s.Close(); err != nil {
			w.t.Error(err)
		}
	}
	return w
}

// up starts and waits for the link to be in sync.
func (w *world) up() *world {
	w.t.Helper()
	w.start()
	w.synced()
	return w
}

func (w *world) synced() {
	w.t.Helper()
	wait.For(w.t, within, func() bool {
		s := w.status()
		return s.Connected && s.CatchingUp == 0 && s.Live > 0 && w.alive()
	}, "the link to be in sync")
}

// alive reports whether the link has noted that it hears all.
func (w *world) alive() bool {
	rooms, err := w.store.Rooms(w.t.Context(), w.id)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rooms {
		if r.Room == "~link" {
			return time.Since(r.ChangedAt) < time.Second
		}
	}
	return false
}

func (w *world) stop() {
	if w.end != nil {
		w.end()
		w.end = nil
	}
}

func (w *world) status() mattermost.Status {
	for _, s := range w.driver.Status() {
		if s.Channel == w.id {
			return s
		}
	}
	return mattermost.Status{}
}

// answers waits until the bot has said n texts in a room and returns them.
func (w *world) answers(by *mmtest.User, room string, n int) []mmtest.Post {
	w.t.Helper()
	var found []mmtest.Post
	by.WaitPosts(w.t, room, within, func(posts []mmtest.Post) bool {
		found = found[:0]
		for _, p := range posts {
			if p.UserID == w.bot.ID && p.Type == "" {
				found = append(found, p)
			}
		}
		return len(found) >= n
	}, fmt.Sprintf("%d answers", n))
	if len(found) != n {
		w.t.Fatalf("the bot said %d times, want %d: %v", len(found), n, textsOf(found))
	}
	return found
}

// answered waits for n answers, one of which has this text in this thread.
func (w *world) answered(by *mmtest.User, room string, n int, text, root string) mmtest.Post {
	w.t.Helper()
	all := w.answers(by, room, n)
	for _, p := range all {
		if p.Message == text && p.RootID == root {
			return p
		}
	}
	w.t.Fatalf("no answer %q in %q: %+v", text, root, all)
	return mmtest.Post{}
}

func textsOf(posts []mmtest.Post) []string {
	var all []string
	for _, p := range posts {
		all = append(all, p.Message)
	}
	return all
}

// talk returns the entries of the conversation of a place.
func (w *world) talk(place string) []chat.Entry {
	w.t.Helper()
	c, err := w.store.ConversationByPlace(w.t.Context(), w.id, place)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	entries, err := w.store.Entries(w.t.Context(), c.Key, 0, 2000)
	if err != nil {
		w.t.Fatal(err)
	}
	return entries
}

func th(room, root string) string { return "th:" + room + ":" + root }

// logBuffer collects a log.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// alerts remembers what holds.
type alerts struct {
	mu   sync.Mutex
	held map[string]string
}

func (a *alerts) Raise(_ context.Context, name, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held == nil {
		a.held = map[string]string{}
	}
	a.held[name] = text
}

func (a *alerts) Clear(_ context.Context, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.held, name)
}

func (a *alerts) get(name string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held[name]
}

// holdUntil keeps answers back until released.
func holdUntil(released <-chan struct{}) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-released:
		case <-ctx.Done():
		}
	}
}

// postHook posts through an incoming webhook.
func postHook(t *testing.T, url, text string) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(fmt.Sprintf(`{"text":%q}`, text)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("webhook: %s", resp.Status)
	}
}

// laterBy lets the driver believe that it is later.
func laterBy(d time.Duration) func(*mattermost.Options) {
	return func(o *mattermost.Options) { o.Now = func() time.Time { return time.Now().Add(d) } }
}

// metric is the sum of a metric over its labels.
func (w *world) metric(name string) float64 {
	w.t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// announcer tells readers and wakes the deliveries, as the program does.
type announcer struct {
	hub   *live.Hub
	sends atomic.Pointer[delivery.Service]
}

func (a *announcer) Announce(n channel.News) {
	a.hub.Announce(n)
	if s := a.sends.Load(); s != nil && len(n.Entries) > 0 {
		s.Wake()
	}
}
