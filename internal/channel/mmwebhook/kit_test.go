package mmwebhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/channel/mmwebhook"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/delivery"
	"parley/internal/fault"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/sqlite"
)

// patience bounds every wait; a test that reaches it has failed.
const patience = 2 * time.Minute

const (
	channelID = "mw-01890a5d-ac96-774b-bcce-b302099a8057"
	key       = "callback0key0for0tests0000"
	token     = "ygsu7c7fnib7tcafpjm78z6a8h"
	teamID    = "adbd1hxgw7b3zmtstxrzr1xhhc"
	lobbyID   = "etz8ah3jn7du7dtdwqeeg1xz3o"
	aliceID   = "g8sax5ec7fn4tqk9fd1kagdhpe"
	bobID     = "b8sax5ec7fn4tqk9fd1kagdhpe"
)

var aliceSays = map[string]any{
	"token": token, "team_id": teamID, "team_domain": "support", "channel_id": lobbyID, "channel_name": "lobby",
	"timestamp": int64(1795185804544), "user_id": aliceID, "user_name": "alice", "text": "hello", "trigger_word": "", "file_ids": "",
}

// echo answers each message; slow ones through a turn.
type echo struct {
	reply func(chat.Entry) []chat.Content
	// slow, if set, holds every turn until it can be received from.
	slow chan struct{}
}

func (e *echo) answer(in assistant.Input) assistant.Reply {
	var r assistant.Reply
	for _, entry := range in.Entries {
		if entry.Purpose == chat.Message {
			r.Messages = append(r.Messages, e.reply(entry)...)
		}
	}
	return r
}

func (e *echo) Answer(ctx context.Context, t assistant.Turn) (assistant.Reply, error) {
	if e.slow != nil {
		select {
		case <-e.slow:
		case <-ctx.Done():
			return assistant.Reply{}, ctx.Err()
		}
	}
	return e.answer(t.Input), nil
}
func (e *echo) Collects() bool { return false }
func (e *echo) Instant(in assistant.Input) (assistant.Reply, bool) {
	if e.slow != nil {
		return assistant.Reply{}, false
	}
	return e.answer(in), true
}

func says(texts ...string) func(chat.Entry) []chat.Content {
	return func(e chat.Entry) []chat.Content {
		var all []chat.Content
		for _, t := range texts {
			all = append(all, chat.TextContent(strings.ReplaceAll(t, "$", e.Content.Input())))
		}
		return all
	}
}

// assistants knows one assistant.
type assistants struct{ one assistant.Assistant }

func (a assistants) ForChannel(chat.ChannelID) (conversation.Chosen, error) {
	return conversation.Chosen{Name: "bot", Version: 1, Assistant: a.one}, nil
}

func (a assistants) At(context.Context, string, int64) (conversation.Chosen, error) {
	return a.ForChannel("")
}

type unheard struct{}

func (unheard) Announce(channel.News) {}

// downStore can be taken away from the gateway.
type downStore struct {
	*sqlite.Store
	down atomic.Bool
}

func (s *downStore) Commit(ctx context.Context, step store.Step) (any, error) {
	if s.down.Load() {
		return nil, fault.New(fault.Unavailable, "the database does not answer")
	}
	return s.Store.Commit(ctx, step)
}

// kit is a driver with gateway and deliveries, on a real store, behind a real
// listener.
type kit struct {
	t        testing.TB
	store    *downStore
	driver   *mmwebhook.Driver
	registry *prometheus.Registry
	server   *httptest.Server
	log      *lockedBuffer
	// ahead is added to the clock.
	ahead atomic.Int64
	base  atomic.Value
	posts atomic.Int64
}

// lockedBuffer is a log that goroutines may write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (k *kit) now() time.Time { return time.Now().Add(time.Duration(k.ahead.Load())) }

// settle settles settings and opens their secrets as the catalog does.
func settle(t testing.TB, name string, settings map[string]any) channel.Configured {
	t.Helper()
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	s, err := mmwebhook.Kind{}.Settle(name, raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return configured(name, s)
}

func configured(name string, s channel.Settled) channel.Configured {
	return channel.Configured{ID: s.ID, Name: name, Body: s.Body, Secret: func(id string) (string, error) {
		v, ok := s.Secrets[id]
		if !ok {
			return "", fmt.Errorf("no secret %q", id)
		}
		return v, nil
	}}
}

// with adds settings to those of the channel that most tests use.
func with(more map[string]any) map[string]any {
	all := map[string]any{"id": channelID, "outgoing_token": token, "callback_key": key}
	for k, v := range more {
		all[k] = v
	}
	return all
}

// start runs everything until the test ends.
func start(t testing.TB, as assistant.Assistant, channels ...map[string]any) *kit {
	t.Helper()
	var deliveries atomic.Pointer[delivery.Service]
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), OnDelivery: func() {
		if d := deliveries.Load(); d != nil {
			d.Wake()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	k := &kit{t: t, store: &downStore{Store: s}, registry: prometheus.NewRegistry(), log: &lockedBuffer{}}
	logger := slog.New(slog.NewTextHandler(k.log, nil))
	lease, err := store.Do(t.Context(), s, store.RenewLease{Node: "node-1", Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	owner := func() store.Owner { return store.Owner{Node: "node-1", Boot: lease.Boot} }
	policy := conversation.DefaultPolicy()
	policy.Tick = 20 * time.Millisecond
	talk := conversation.New(conversation.Options{
		Store: k.store, Assistants: assistants{as}, Announcer: unheard{}, Owner: owner, Logger: logger, Now: k.now, Policy: policy,
	})
	box, err := secret.NewBox(secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	k.base.Store("")
	k.driver, err = mmwebhook.New(mmwebhook.Options{
		Gateway: talk, Store: k.store, Signer: secret.NewSigner(box), CallbackBase: func() string { return k.base.Load().(string) },
		Logger: logger, Metrics: k.registry, Now: k.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	k.prepare(channels...)
	sending := delivery.DefaultPolicy()
	sending.FirstRetry, sending.Tick = 10*time.Millisecond, 20*time.Millisecond
	push, err := delivery.New(delivery.Options{
		Store: s, SenderFor: func(chat.ChannelID) (channel.Sender, bool) { return k.driver, true }, Owner: owner, Logger: logger, Now: k.now, Policy: sending,
	})
	if err != nil {
		t.Fatal(err)
	}
	deliveries.Store(push)
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { talk.Run(ctx, time.Second) })
	work.Go(func() { push.Run(ctx, time.Second) })
	k.server = httptest.NewServer(k.driver.Handler())
	k.base.Store(k.server.URL)
	t.Cleanup(func() {
		k.server.Close()
		if err := k.driver.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		cancel()
		work.Wait()
		if t.Failed() {
			t.Logf("the log:\n%s", k.log.String())
		}
	})
	return k
}

func (k *kit) prepare(channels ...map[string]any) {
	k.t.Helper()
	var all []channel.Configured
	for i, c := range channels {
		all = append(all, settle(k.t, fmt.Sprintf("hook-%d", i+1), c))
	}
	apply, err := k.driver.Prepare(all)
	if err != nil {
		k.t.Fatal(err)
	}
	apply()
}

// answered is what a call was answered with.
type answered struct {
	status int
	header http.Header
	raw    string
	// Fields as Mattermost reads them.
	Text        *string        `json:"text"`
	Username    string         `json:"username"`
	IconURL     string         `json:"icon_url"`
	Props       map[string]any `json:"props"`
	Attachments []struct {
		Actions []struct {
			ID, Name, Type string
			Integration    struct {
				URL     string            `json:"url"`
				Context map[string]string `json:"context"`
			}
		} `json:"actions"`
	} `json:"attachments"`
	ResponseType string `json:"response_type"`
	Error        string `json:"error"`
	Field        string `json:"field"`
	Update       *struct {
		Message string         `json:"message"`
		Props   map[string]any `json:"props"`
	} `json:"update"`
	Ephemeral string `json:"ephemeral_text"`
}

func (a answered) text() string {
	if a.Text == nil {
		return ""
	}
	return *a.Text
}

// newPost returns a post id of its own.
func (k *kit) newPost() string { return fmt.Sprintf("p%025d", k.posts.Add(1)) }

// payload is alice's post with changes.
func (k *kit) payload(change map[string]any) map[string]any {
	p := map[string]any{"post_id": k.newPost()}
	for _, m := range []map[string]any{aliceSays, change} {
		for name, v := range m {
			p[name] = v
		}
	}
	return p
}

func (k *kit) say(text string) answered {
	k.t.Helper()
	return k.post(k.payload(map[string]any{"text": text}))
}

func (k *kit) post(p map[string]any) answered {
	k.t.Helper()
	body, err := json.Marshal(p)
	if err != nil {
		k.t.Fatal(err)
	}
	return k.send("/hooks/mattermost/"+key, "application/json", body)
}

func (k *kit) postForm(p map[string]any) answered {
	k.t.Helper()
	form := url.Values{}
	for name, v := range p {
		form.Set(name, fmt.Sprint(v))
	}
	return k.send("/hooks/mattermost/"+key, "application/x-www-form-urlencoded", []byte(form.Encode()))
}

func (k *kit) send(path, contentType string, body []byte) answered {
	k.t.Helper()
	a, err := k.try(path, contentType, body)
	if err != nil {
		k.t.Fatal(err)
	}
	return a
}

// try may be called from any goroutine.
func (k *kit) try(path, contentType string, body []byte) (answered, error) {
	req, err := http.NewRequest(http.MethodPost, k.server.URL+path, bytes.NewReader(body))
	if err != nil {
		return answered{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := k.server.Client().Do(req)
	if err != nil {
		return answered{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return answered{}, err
	}
	a := answered{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		err = json.Unmarshal(raw, &a)
	}
	return a, err
}

// conversation returns that of a person in the lobby.
func (k *kit) conversation(user string) chat.Conversation {
	k.t.Helper()
	conv, err := k.store.ConversationByPlace(k.t.Context(), channelID, "room:"+teamID+":"+lobbyID+":"+user)
	if err != nil {
		k.t.Fatal(err)
	}
	return conv
}

// entries is what was said in a conversation.
func (k *kit) entries(conv chat.Conversation) []chat.Entry {
	k.t.Helper()
	page, err := k.store.VisiblePage(k.t.Context(), conv.Key, chat.Page{Limit: 500})
	if err != nil {
		k.t.Fatal(err)
	}
	return page.Entries
}

func (k *kit) said(conv chat.Conversation) []string {
	k.t.Helper()
	var all []string
	for _, e := range k.entries(conv) {
		all = append(all, string(e.Author.Kind)+": "+e.Content.Text)
	}
	return all
}

// metric is the value of a counter with the given label values.
func (k *kit) metric(name string, labels ...string) float64 {
	k.t.Helper()
	families, err := k.registry.Gather()
	if err != nil {
		k.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var have []string
			for _, l := range m.GetLabel() {
				have = append(have, l.GetValue())
			}
			if f.GetName() == "parley_mattermost_webhook_"+name && strings.Join(have, " ") == strings.Join(labels, " ") {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
