package adminapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"parley/internal/adminapi"
	"parley/internal/adminapi/adminapitest"
	"parley/internal/catalog"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// oneTalk is one conversation whose only entry says text.
type oneTalk struct {
	adminapi.Conversations
	text string
}

func (oneTalk) Conversation(_ context.Context, key chat.ConversationKey) (chat.Conversation, error) {
	return chat.Conversation{Key: key, ID: "cv-00000000-0000-7000-8000-000000000001", Channel: "mm-1"}, nil
}

func (t oneTalk) ConversationByID(ctx context.Context, id chat.ConversationID) (chat.Conversation, error) {
	c, _ := t.Conversation(ctx, 1)
	if id != c.ID {
		return chat.Conversation{}, fault.New(fault.NotFound, "there is no such conversation")
	}
	return c, nil
}

// ListConversations: there was a channel with the id "gone" once.
func (t oneTalk) ListConversations(ctx context.Context, f store.ConversationFilter) ([]chat.Conversation, error) {
	if f.Channel != "gone" {
		return nil, nil
	}
	c, err := t.Conversation(ctx, 1)
	return []chat.Conversation{c}, err
}

func (t oneTalk) Entries(_ context.Context, _ chat.ConversationKey, after int64, _ int) ([]chat.Entry, error) {
	return []chat.Entry{{Seq: after + 1, Draft: chat.Draft{Purpose: chat.Message, Author: chat.Author{Kind: chat.ByAssistant, ID: "desk"}, Content: chat.TextContent(t.text)}}}, nil
}

// oneChannel is a catalog of one channel.
type oneChannel struct{ adminapi.Catalog }

func (oneChannel) Channels(context.Context) ([]catalog.Channel, error) {
	return []catalog.Channel{{ID: "mm-1", Name: "team"}}, nil
}

func (oneChannel) Channel(_ context.Context, name, _ string) (catalog.ChannelDetails, error) {
	if name != "team" {
		return catalog.ChannelDetails{}, fault.New(fault.NotFound, "there is no channel %q", name)
	}
	return catalog.ChannelDetails{Channel: catalog.Channel{ID: "mm-1", Name: "team"}, Settings: json.RawMessage("{}")}, nil
}

// A channel says what deleting it would drop.
func TestChannelCountsDeliveries(t *testing.T) {
	b := newPostBench("x")
	var got adminapi.ChannelAnswer
	b.ask(t, http.MethodGet, "/channels/team", &got)
	if got.Name != "team" || got.OpenDeliveries != 0 {
		t.Errorf("one was sent and one has failed: %+v", got)
	}
	b.kept.Add(chat.Delivery{Key: 4, Conversation: 1, Seq: 7, Channel: "mm-1", Status: chat.DeliveryWaiting})
	b.kept.Add(chat.Delivery{Key: 5, Conversation: 1, Seq: 8, Channel: "mm-1", Status: chat.DeliveryClaimed})
	if b.ask(t, http.MethodGet, "/channels/team", &got); got.OpenDeliveries != 2 {
		t.Errorf("two are open: %+v", got)
	}
}

type postBench struct {
	handler http.Handler
	kept    *adminapitest.Deliveries
	changed int
}

func newPostBench(text string) *postBench {
	b := &postBench{kept: &adminapitest.Deliveries{}}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b.kept.Add(chat.Delivery{Key: 1, Conversation: 1, Seq: 4, Channel: "mm-1", Status: chat.DeliverySent, CreatedAt: at, EndedAt: at})
	b.kept.Add(chat.Delivery{Key: 2, Conversation: 1, Seq: 5, Channel: "mm-1", Status: chat.DeliveryFailed, Attempts: 3, LastError: "permanent: archived", CreatedAt: at, EndedAt: at},
		chat.Part{Number: 1, ID: "aaaaaaaaaaaaaaaaaaaaaaaaaa", Body: []byte("secret body"), External: "post-1", SentAt: at}, chat.Part{Number: 2, ID: "b", Body: []byte("rest")})
	b.kept.Add(chat.Delivery{Key: 3, Conversation: 1, Seq: 6, Channel: "gone", Status: chat.DeliveryWaiting, DueAt: at, CreatedAt: at})
	b.handler = adminapi.New(adminapi.Services{
		Catalog: oneChannel{}, Conversations: oneTalk{text: text}, Deliveries: b.kept, DeliveriesChanged: func() { b.changed++ },
	})
	return b
}

func (b *postBench) ask(t *testing.T, method, path string, into any) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, httptest.NewRequest(method, adminapi.Prefix+path, nil))
	if into != nil {
		if w.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func TestListDeliveries(t *testing.T) {
	b := newPostBench("hello")
	for query, want := range map[string]string{
		"":                "3 2",
		"?status=sent":    "1",
		"?channel=team":   "2",
		"?channel=mm-1":   "2",
		"?channel=gone":   "3",
		"?before=3":       "2",
		"?limit=1":        "3 more 3",
		"?status=claimed": "",
		"?conversation=cv-00000000-0000-7000-8000-000000000001": "3 2",
	} {
		var list adminapi.DeliveryList
		b.ask(t, http.MethodGet, "/deliveries"+query, &list)
		var got []string
		for _, d := range list.Deliveries {
			got = append(got, fmt.Sprint(d.ID))
		}
		if list.Next != 0 {
			got = append(got, "more", fmt.Sprint(list.Next))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s gives %v, want %s", query, got, want)
		}
	}
	for query, kind := range map[string]fault.Kind{
		"?status=lost": fault.Invalid, "?limit=0": fault.Invalid, "?limit=501": fault.Invalid, "?before=-1": fault.Invalid,
		"?channel=nope": fault.NotFound, "?before=x": fault.Invalid, "?chanel=team": fault.Invalid, "?conversation=cv-9": fault.NotFound,
	} {
		if f := failureOf(t, b.ask(t, http.MethodGet, "/deliveries"+query, nil)); f.Kind != kind {
			t.Errorf("%s: %+v", query, f)
		}
	}
}

// A mistyped channel is no empty list.
func TestUnknownChannelIsRefused(t *testing.T) {
	b := newPostBench("x")
	for _, path := range []string{"/deliveries?channel=nope", "/conversations?channel=nope"} {
		f := failureOf(t, b.ask(t, http.MethodGet, path, nil))
		if f.Kind != fault.NotFound || !strings.Contains(f.Detail, `there is no channel "nope"; there is: team`) {
			t.Errorf("%s: %+v", path, f)
		}
	}
}

func TestShowDelivery(t *testing.T) {
	b := newPostBench("token=sesamesesame " + strings.Repeat("ü", 1000))
	var d adminapi.DeliveryDetails
	w := b.ask(t, http.MethodGet, "/deliveries/2", &d)
	if d.Delivery.ChannelName != "team" || d.Delivery.Entry != "ms-00000000-0000-7000-8000-000000000001-5" || d.Delivery.DueAt != nil || d.Author.ID != "desk" {
		t.Errorf("shown %+v", d)
	}
	if len(d.Parts) != 2 || d.Parts[0].External != "post-1" || d.Parts[0].SentAt == nil || d.Parts[1].SentAt != nil || d.Parts[0].Bytes != 11 {
		t.Errorf("parts %+v", d.Parts)
	}
	if n := len([]rune(d.Text)); n != 201 {
		t.Errorf("%d runes of text: %q", n, d.Text)
	}
	if strings.Contains(w.Body.String(), "secret body") || strings.Contains(w.Body.String(), "sesame") {
		t.Errorf("it shows %s", w.Body)
	}
	for path, kind := range map[string]fault.Kind{"/deliveries/9": fault.NotFound, "/deliveries/0": fault.Invalid, "/deliveries/x": fault.Invalid} {
		if f := failureOf(t, b.ask(t, http.MethodGet, path, nil)); f.Kind != kind {
			t.Errorf("%s: %+v", path, f)
		}
	}
}

func TestChangeDelivery(t *testing.T) {
	b := newPostBench("hello")
	var d adminapi.Delivery
	b.ask(t, http.MethodPost, "/deliveries/2/resend", &d)
	if d.Status != chat.DeliveryWaiting || d.DueAt == nil || b.changed != 1 {
		t.Errorf("sent again: %+v, told %d times", d, b.changed)
	}
	b.ask(t, http.MethodPost, "/deliveries/2/drop", &d)
	if d.Status != chat.DeliveryDropped || b.changed != 2 || len(b.kept.Actors()) != 2 || b.kept.Actors()[0] == "" {
		t.Errorf("dropped: %+v, told %d times, by %v", d, b.changed, b.kept.Actors())
	}
	for path, kind := range map[string]fault.Kind{
		"/deliveries/1/resend": fault.Conflict, "/deliveries/2/drop": fault.Conflict, "/deliveries/9/drop": fault.NotFound, "/deliveries/2/burn": fault.NotFound,
	} {
		if f := failureOf(t, b.ask(t, http.MethodPost, path, nil)); f.Kind != kind {
			t.Errorf("%s: %+v", path, f)
		}
	}
	if b.changed != 2 {
		t.Errorf("told %d times", b.changed)
	}
}
