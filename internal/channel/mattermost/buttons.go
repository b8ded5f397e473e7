package mattermost

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
)

const (
	// actionPurpose keeps the signature of a button from being good for
	// anything else.
	actionPurpose = "mattermost action"
	// actionLife is for how long a button can be pressed.
	actionLife = 90 * 24 * time.Hour
	// maxAction bounds the body of a press, maxToken its signature, in bytes.
	maxAction = 64 << 10
	maxToken  = 8 << 10
)

// action is what a button stands for. It is signed; the server gives it to
// nobody but us.
type action struct {
	Channel      chat.ChannelID      `json:"c"`
	Conversation chat.ConversationID `json:"v"`
	Place        string              `json:"p"`
	Value        string              `json:"s"`
	Title        string              `json:"t"`
	Quick        bool                `json:"q,omitempty"`
	// Seq is the entry that offers the choice.
	Seq int64 `json:"e,omitempty"`
}

// actions are the buttons of a part, when Mattermost can reach us.
func (l *link) actions(o channel.Outgoing, body partBody) []any {
	base := strings.TrimRight(l.d.CallbackBase(), "/")
	if base == "" || len(body.Buttons) == 0 {
		return nil
	}
	var all []any
	for i, b := range body.Buttons {
		payload, err := json.Marshal(action{
			Channel: l.id(), Conversation: o.Conversation.ID, Place: o.Leg.Place, Value: b.Value, Title: b.Title, Quick: body.Quick,
			Seq: o.Entry.Seq,
		})
		if err != nil {
			continue // cannot be: all fields are texts
		}
		all = append(all, map[string]any{
			// A dash or underscore in an id makes the server answer 404 to the press.
			"id": "option" + strconv.Itoa(i+1), "name": b.Title, "type": "button", "style": "default",
			"integration": map[string]any{
				"url":     base + "/mattermost/" + string(l.id()) + "/actions",
				"context": map[string]any{"token": l.d.Signer.Sign(actionPurpose, payload, l.d.Now().Add(actionLife))},
			},
		})
	}
	return all
}

// press is what Mattermost tells about a pressed button.
type press struct {
	UserID    string `json:"user_id"`
	ChannelID string `json:"channel_id"`
	PostID    string `json:"post_id"`
	TriggerID string `json:"trigger_id"`
	Context   struct {
		Token string `json:"token"`
	} `json:"context"`
}

// pressed is the answer to it.
type pressed struct {
	Update    *pressUpdate `json:"update,omitempty"`
	Ephemeral string       `json:"ephemeral_text,omitempty"`
}

type pressUpdate struct {
	Message string         `json:"message"`
	Props   map[string]any `json:"props"`
}

// CallbackPath is the path below which [Driver.Handler] answers.
const CallbackPath = "/mattermost/"

// Handler serves what Mattermost calls: POST /mattermost/{channel}/actions.
// Nothing in such a call is signed by Mattermost; what makes it genuine is the
// signed context, which only the server and we know.
func (d *Driver) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /mattermost/{channel}/actions", func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAction))
		if err != nil {
			http.Error(w, "the body is too large or did not arrive whole", http.StatusBadRequest)
			return
		}
		var p press
		if err := json.Unmarshal(raw, &p); err != nil || !mm.ValidID(p.UserID) {
			d.metrics.clicks.WithLabelValues("malformed").Inc()
			http.Error(w, "the body is not a pressed button of Mattermost", http.StatusBadRequest)
			return
		}
		answer, result := d.press(r.Context(), chat.ChannelID(r.PathValue("channel")), p)
		d.metrics.clicks.WithLabelValues(result).Inc()
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			d.Logger.Debug("the answer to a pressed button was not taken", "error", err)
		}
	})
	return mux
}

// Refusals are shown to the person who pressed, and to nobody else.
var (
	refusedForeign = pressed{Ephemeral: "This button is not valid any more. Please type what you want instead."}
	refusedOld     = pressed{Ephemeral: "This button is too old. Please type what you want instead."}
	refusedOther   = pressed{Ephemeral: "This button belongs to somebody else's question. Please ask yourself."}
	refusedBusy    = pressed{Ephemeral: "That could not be stored right now. Please press again in a moment."}
)

// press takes one pressed button and says what to answer, and what became of it
// in one word for the metric.
func (d *Driver) press(ctx context.Context, id chat.ChannelID, p press) (pressed, string) {
	l := d.link(id)
	if l == nil || len(p.Context.Token) > maxToken {
		return refusedForeign, "refused"
	}
	payload, err := d.Signer.Open(actionPurpose, p.Context.Token, d.Now())
	if err != nil {
		if payload != nil {
			return refusedOld, "expired"
		}
		return refusedForeign, "refused"
	}
	var a action
	at, ok := place{}, false
	if json.Unmarshal(payload, &a) == nil {
		at, ok = parsePlace(a.Place)
	}
	// A button works where it was shown, and nowhere else.
	if !ok || a.Channel != id || p.ChannelID != at.room {
		return refusedForeign, "refused"
	}
	// Flat places are one person's each: what others press is no word of theirs.
	if at.kind == personPlace && p.UserID != at.user {
		return refusedOther, "not_theirs"
	}
	result, err := l.click(ctx, at, a, p)
	switch {
	case err != nil:
		l.log.Warn("a pressed button could not be taken", "error", err)
		return refusedBusy, "failed"
	case result != clickAccepted && result != clickRepeat:
		return refusedForeign, result
	case a.Quick:
		return l.withoutButtons(ctx, p), result
	}
	return pressed{}, result
}

// What became of a press that is no refusal.
const (
	clickAccepted = "accepted"
	clickRepeat   = "repeat"
)

// click stores what the press says and tells what became of it; anything but
// accepted and repeat is a refusal.
func (l *link) click(ctx context.Context, at place, a action, p press) (string, error) {
	u, err := l.users.get(ctx, p.UserID)
	if err != nil {
		return "", err
	}
	if u.IsBot {
		return "bot", nil
	}
	conv, err := l.d.Store.ConversationByID(ctx, a.Conversation)
	if fault.Is(err, fault.NotFound) || err == nil && (conv.Channel != l.id() || conv.Place != a.Place) {
		return "refused", nil
	}
	if err != nil {
		return "", err
	}
	o, err := l.open(ctx, at, u)
	if err != nil {
		return "", err
	}
	content := chat.ClickContent(a.Value, a.Title)
	if at.kind != directPlace {
		content.Speaker = nameOf(u)
	}
	l.typing.watch(conv)
	receipt, err := l.d.Gateway.Accept(ctx, channel.Inbound{
		Conversation: conv, Speaker: o.Speaker, Content: content, Purpose: chat.Message,
		DedupeKey: clickKey(p, a), KeyDecides: true,
	})
	if err == nil && receipt.Duplicate {
		return clickRepeat, nil
	}
	return clickAccepted, err
}

// clickKey recognises a press that counts already. Of quick replies the first
// press counts, also when another comes before they are gone. A button can be
// pressed again, and every press has a trigger id of its own; without one, it
// counts once for each person.
func clickKey(p press, a action) string {
	if a.Quick && a.Seq > 0 {
		return "pick:" + string(a.Conversation) + " " + strconv.FormatInt(a.Seq, 10)
	}
	what := p.TriggerID
	if what == "" {
		what = p.PostID + " " + p.UserID + " " + a.Value
	}
	sum := sha256.Sum256([]byte(what))
	return "click:" + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// withoutButtons is the update that takes the quick replies off their post. An
// update replaces text and props as a whole, so both are read first; a post
// that cannot be read quickly keeps its buttons. The post's id is not signed, so
// a post of another room is never told.
func (l *link) withoutButtons(ctx context.Context, p press) pressed {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if !mm.ValidID(p.PostID) {
		return pressed{}
	}
	post, err := l.client.Post(ctx, p.PostID)
	if err != nil || post.UserID != l.self().ID || post.ChannelID != p.ChannelID {
		return pressed{}
	}
	props := map[string]any{}
	for k, v := range post.Props {
		if k != "attachments" {
			props[k] = v
		}
	}
	return pressed{Update: &pressUpdate{Message: post.Message, Props: props}}
}
