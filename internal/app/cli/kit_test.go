package cli_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/adminapi"
	"parley/internal/adminapi/adminapitest"
	"parley/internal/assistant"
	"parley/internal/assistant/flow"
	"parley/internal/catalog"
	"parley/internal/catalog/catalogtest"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/doctor"
	"parley/internal/fault"
	"parley/internal/store"
)

// data is everything a folder holds, in memory.
type data struct {
	service *catalog.Service
	talk    talk
	tokens  *adminapitest.Tokens
	// backups are the folders that were asked for.
	backups []string
}

func newData() (*data, error) {
	kept := catalogtest.NewStore()
	kept.Open = map[chat.ChannelID]int64{"st-1": 1} // of newPost
	service, err := catalog.New(catalog.Options{
		Store: kept, Sealer: catalogtest.Box(),
		Kinds: []assistant.Kind{flow.Kind{}}, Types: []channel.Kind{&catalogtest.RTM{}},
	})
	if err != nil {
		return nil, err
	}
	return &data{service: service, talk: newTalk(), tokens: &adminapitest.Tokens{}}, nil
}

// handler is the admin API of the data.
func (d *data) handler(s config.Settings, tracer adminapi.Tracer, stopping <-chan struct{}) http.Handler {
	return adminapi.New(d.services(s, tracer, stopping))
}

func (d *data) services(s config.Settings, tracer adminapi.Tracer, stopping <-chan struct{}) adminapi.Services {
	return adminapi.Services{
		Catalog: d.service, Conversations: d.talk, Deliveries: newPost(), Tracer: tracer, Backup: d, Tokens: d.tokens,
		Doctor: checks{doctor.New(doctor.Options{Settings: s, Database: d, Catalog: d.service})},
		Build:  adminapi.Build{Version: "test"}, PublicURL: "https://chat.example.com", Log: slog.New(slog.DiscardHandler), Stopping: stopping,
	}
}

func (d *data) Backup(_ context.Context, dir string) error {
	if strings.HasSuffix(dir, "exists") {
		return fault.New(fault.Conflict, "the folder exists already")
	}
	d.backups = append(d.backups, dir)
	return nil
}

func (*data) Ping(context.Context) error { return nil }

func (*data) Stats(context.Context) (store.Stats, error) {
	return store.Stats{Engine: "memory", SchemaVersion: 1, Conversations: 2, FailedTurns: 1, DatabaseTime: time.Now()}, nil
}

type checks struct{ *doctor.Doctor }

func (c checks) Checks(ctx context.Context) []adminapi.Check {
	var all []adminapi.Check
	for _, f := range c.Run(ctx) {
		all = append(all, adminapi.Check{Name: f.Name, Level: string(f.Level), Text: f.Text, Mend: f.Mend})
	}
	return all
}

// backend keeps the data in memory for as long as a folder with a file "data"
// stands for it.
type backend struct {
	data *data
	// served are the settings a server was started with.
	served func(config.Settings)
}

func (b backend) Serve(_ context.Context, s config.Settings) error {
	b.served(s)
	return nil
}

func (b backend) Open(_ context.Context, s config.Settings) (http.Handler, func() error, error) {
	if _, err := os.Stat(filepath.Join(s.Data, "data")); err != nil {
		return nil, nil, fault.New(fault.NotFound, "there is no Parley data in %s", s.Data)
	}
	if _, err := os.Stat(filepath.Join(s.Data, "locked")); err == nil {
		return nil, nil, fault.New(fault.Unavailable, "another process uses %s", s.Data)
	}
	return b.data.handler(s, nil, nil), func() error { return nil }, nil
}

func (backend) Restore(_ context.Context, s config.Settings, backup string) error {
	if _, err := os.Stat(backup); err != nil {
		return fault.New(fault.NotFound, "there is no backup %s", backup)
	}
	return os.WriteFile(filepath.Join(s.Data, "data"), nil, 0o600)
}

func (backend) Version() string { return "1.2.3" }

// talk is two conversations: one going on, one with a failed turn.
type talk struct {
	all     []chat.Conversation
	entries map[chat.ConversationKey][]chat.Entry
	turns   []chat.Turn
}

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newTalk() talk {
	t := talk{entries: map[chat.ConversationKey][]chat.Entry{}}
	for i, id := range []chat.ConversationID{"cv-1", "cv-2"} {
		t.all = append(t.all, chat.Conversation{
			Key: chat.ConversationKey(i + 1), ID: id, Channel: "st-1", Contact: chat.ContactKey(i + 1), ContactID: "ct-1",
			Seq: 3, VisibleSeq: 2, CreatedAt: at, LastAt: at,
		})
	}
	say := func(seq int64, by chat.AuthorKind, visible chat.Visibility, c chat.Content) {
		purpose := chat.Message
		if c.Type == chat.TypeEvent {
			purpose = chat.Event
		}
		t.entries[1] = append(t.entries[1], chat.Entry{Seq: seq, CreatedAt: at, Draft: chat.Draft{
			Author: chat.Author{Kind: by, ID: "x"}, Purpose: purpose, Visibility: visible, Content: c,
		}})
	}
	say(1, chat.ByContact, chat.VisibleToAll, chat.EventContent(chat.EventConnect))
	say(2, chat.ByContact, chat.VisibleToAll, chat.TextContent("hi\x1b[2Jthere\nyou"))
	say(3, chat.ByAssistant, chat.VisibleToDesk, chat.TextContent("late answer"))
	t.turns = []chat.Turn{{Conversation: 2, Status: chat.TurnFailed, FirstSeq: 4, LastSeq: 5, Attempts: 3, DueAt: at, LastError: "no route"}}
	return t
}

func (t talk) find(match func(chat.Conversation) bool) (chat.Conversation, error) {
	for _, c := range t.all {
		if match(c) {
			return c, nil
		}
	}
	return chat.Conversation{}, fault.New(fault.NotFound, "there is no such conversation")
}

func (t talk) Conversation(_ context.Context, key chat.ConversationKey) (chat.Conversation, error) {
	return t.find(func(c chat.Conversation) bool { return c.Key == key })
}

func (t talk) ConversationByID(_ context.Context, id chat.ConversationID) (chat.Conversation, error) {
	return t.find(func(c chat.Conversation) bool { return c.ID == id })
}

func (t talk) ListConversations(_ context.Context, f store.ConversationFilter) ([]chat.Conversation, error) {
	var found []chat.Conversation
	for i := len(t.all) - 1; i >= 0 && len(found) < f.Limit; i-- {
		c := t.all[i]
		if (f.Channel == "" || f.Channel == c.Channel) && (f.Before == 0 || c.Key < f.Before) {
			found = append(found, c)
		}
	}
	return found, nil
}

func (talk) Handling(_ context.Context, key chat.ConversationKey) (store.Handling, error) {
	return store.Handling{Episode: chat.Episode{
		Key: chat.EpisodeKey(key), ID: "ep-1", Control: chat.ControlAssistant, Assistant: "desk", Version: 2, OpenedAt: at,
	}}, nil
}

func (t talk) Entries(_ context.Context, key chat.ConversationKey, after int64, limit int) ([]chat.Entry, error) {
	var found []chat.Entry
	for _, e := range t.entries[key] {
		if e.Seq > after && len(found) < limit {
			found = append(found, e)
		}
	}
	return found, nil
}

func (t talk) Turns(_ context.Context, f store.TurnFilter) ([]chat.Turn, error) {
	var found []chat.Turn
	for _, turn := range t.turns {
		if (f.Status == "" || f.Status == turn.Status) && (f.Conversation == 0 || f.Conversation == turn.Conversation) {
			found = append(found, turn)
		}
	}
	return found, nil
}

func (talk) Person(_ context.Context, contact chat.ContactKey, _ chat.ChannelID) (chat.Person, error) {
	if contact != 1 {
		return chat.Person{}, fault.New(fault.NotFound, "nobody")
	}
	return chat.Person{ExternalID: "ann", Name: "Ann", Verified: true}, nil
}

func mustData(t *testing.T) *data {
	t.Helper()
	d, err := newData()
	if err != nil {
		t.Fatal(err)
	}
	return d
}
