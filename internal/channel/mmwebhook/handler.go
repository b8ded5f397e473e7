package mmwebhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
)

const (
	// hooksPath is where Mattermost calls: a callback key follows, or
	// actionsPart for pressed buttons. Keys are longer than that.
	hooksPath   = "/hooks/mattermost/"
	actionsPart = "actions"
	// callTime bounds a call; Mattermost waits for 30 s.
	callTime = 25 * time.Second
)

// Handler serves everything below /hooks/mattermost/:
//
//	POST /hooks/mattermost/{callback key}   a post, from an outgoing webhook
//	POST /hooks/mattermost/actions          a pressed button
//
// An address with a wrong key is a plain 404 like any other.
func (d *Driver) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve := d.served(r.URL.Path)
		if serve == nil {
			d.metrics.posts.WithLabelValues("", resultUnknown).Inc()
			http.NotFound(w, r)
			return
		}
		if !d.begin() {
			d.refuse(w, fault.New(fault.Unavailable, "this server is about to stop"))
			return
		}
		defer d.end()
		defer d.caught(w)
		ctx, cancel := context.WithTimeout(r.Context(), callTime)
		defer cancel()
		serve(w, r.WithContext(ctx))
	})
}

// served returns who takes calls of a path, or nil.
func (d *Driver) served(path string) http.HandlerFunc {
	part, ok := strings.CutPrefix(path, hooksPath)
	part = strings.TrimSuffix(part, "/")
	if !ok {
		return nil
	}
	if part == actionsPart {
		return d.action
	}
	if h := d.hookByKey(part); h != nil {
		return func(w http.ResponseWriter, r *http.Request) { d.post(w, r, h) }
	}
	return nil
}

// caught keeps a mistake of ours in one call.
func (d *Driver) caught(w http.ResponseWriter) {
	if v := recover(); v != nil {
		d.metrics.panics.Inc()
		d.Logger.Error("panic in mattermost-webhook", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		d.refuse(w, errors.New("panic"))
	}
}

// refusal is the answer to a call that is not taken. Mattermost posts a "text"
// or "attachments" whatever the status, so it must never have them.
type refusal struct {
	Error string `json:"error"`
	Kind  string `json:"kind"`
	Field string `json:"field,omitempty"`
}

// refuse answers with the status of a fault.
func (d *Driver) refuse(w http.ResponseWriter, err error) {
	var f *fault.Error
	field := ""
	if errors.As(err, &f) {
		field = f.Field
	}
	kind := fault.KindOf(err)
	d.write(w, fault.HTTPStatus(kind), refusal{Error: fault.Message(err), Kind: string(kind), Field: field})
}

// write sends JSON and reports whether it went out.
func (d *Driver) write(w http.ResponseWriter, status int, body any) bool {
	w.Header().Set("Content-Type", asJSON)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	err := enc.Encode(body)
	if err == nil {
		err = http.NewResponseController(w).Flush()
		if errors.Is(err, http.ErrNotSupported) {
			err = nil
		}
	}
	if err != nil {
		d.Logger.Debug("a response to Mattermost was not taken", "error", err)
	}
	return err == nil
}

// readBody reads a body of at most most bytes.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, fault.Field("Content-Encoding", "is %.40q; the body has to come as it is", enc)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, fault.New(fault.TooLarge, "the body is larger than %d bytes", most)
	case err != nil:
		return nil, fault.Wrap(err, fault.Invalid, "the body did not arrive whole")
	}
	return body, nil
}

// onlyPost refuses calls that are not POST; what says what the address is for.
func (d *Driver) onlyPost(w http.ResponseWriter, r *http.Request, what string) bool {
	if r.Method == http.MethodPost {
		return true
	}
	w.Header().Set("Allow", http.MethodPost)
	d.write(w, http.StatusMethodNotAllowed, refusal{Error: "this address takes POST only: " + what, Kind: string(fault.Invalid)})
	return false
}

// post takes one call of an outgoing webhook.
func (d *Driver) post(w http.ResponseWriter, r *http.Request, h *hook) {
	if !d.onlyPost(w, r, "it is the callback URL of an outgoing webhook of Mattermost") {
		return
	}
	answer, result, err := d.take(w, r, h)
	d.metrics.posts.WithLabelValues(h.name, result).Inc()
	if err != nil {
		level := d.Logger.Warn
		if !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Internal) {
			level = d.Logger.Info
		}
		level("a post was not taken", "channel", h.name, "error", err)
		d.refuse(w, err)
		return
	}
	brought := d.write(w, http.StatusOK, answer) && r.Context().Err() == nil
	switch {
	case answer.Text == nil:
	case brought:
		d.metrics.answers.WithLabelValues(h.name, "carried").Inc()
	default:
		d.metrics.answers.WithLabelValues(h.name, "lost").Inc()
		d.Logger.Warn("an instant answer was lost: Mattermost had hung up", "channel", h.name)
	}
}

// take reads, checks and stores a post, and returns the response.
func (d *Driver) take(w http.ResponseWriter, r *http.Request, h *hook) (response, string, error) {
	body, err := readBody(w, r, maxPayload)
	if err != nil {
		return response{}, resultInvalid, err
	}
	p, err := readPayload(r.Header.Get("Content-Type"), body)
	if err != nil {
		return response{}, resultInvalid, err
	}
	if !h.accepts(p.Token, d.Now()) {
		return response{}, resultBadToken, &fault.Error{Kind: fault.Forbidden, Field: "token",
			Safe: "is not one of this channel's; set the token that Mattermost shows with the outgoing webhook as outgoing_token"}
	}
	if err := p.check(); err != nil {
		return response{}, resultInvalid, err
	}
	if p.empty() {
		return response{}, resultEmpty, nil
	}
	if !p.At.IsZero() {
		d.metrics.age.Observe(max(d.Now().Sub(p.At).Seconds(), 0))
	}
	return d.accept(r.Context(), h, p)
}

// accept stores a post, and returns the response with the answers that are to
// be carried in it.
func (d *Driver) accept(ctx context.Context, h *hook, p payload) (response, string, error) {
	at := place{team: p.TeamID, room: p.ChannelID, user: p.UserID}
	speaker := string(h.id) + " " + at.key()
	tripped, silent := d.loops.judge(speaker, p.PostID, h.body.LoopLimit, d.Now())
	o, err := d.open(ctx, h, at, p.UserName)
	if err != nil {
		return response{}, resultFailed, err
	}
	receipt, err := d.Gateway.Accept(ctx, channel.Inbound{
		Conversation: o.Conversation, Speaker: o.Speaker, Purpose: chat.Message, Silent: silent,
		Content: content(chat.TextContent(said(p, h.body.TriggerWords)), p.UserName, p.ChannelName),
		// Also when several hooks of the channel match one post.
		DedupeKey: "hook:" + p.PostID, KeyDecides: true, External: p.PostID, Raw: p.raw(),
		Carry: h.body.Answer == byResponse,
	})
	switch {
	case err != nil:
		return response{}, resultFailed, err
	case receipt.Duplicate:
		return response{}, resultRepeat, nil
	case tripped:
		return d.tellLoop(ctx, h, o.Conversation, p), resultLoop, nil
	case silent:
		return response{}, resultLoop, nil
	}
	return d.carried(h, o.Conversation, receipt.Carried), resultAccepted, nil
}

// open finds or makes the conversation of a place.
func (d *Driver) open(ctx context.Context, h *hook, at place, userName string) (channel.Opened, error) {
	return d.Gateway.Open(ctx, channel.Place{
		Channel: h.id, Type: Name, Key: at.key(), Mode: chat.LegPush,
		Person: chat.Person{ExternalID: at.user, Verified: true, Name: userName},
	})
}

// tellLoop says once that somebody is not answered for a while.
func (d *Driver) tellLoop(ctx context.Context, h *hook, conv chat.Conversation, p payload) response {
	d.metrics.loops.WithLabelValues(h.name).Inc()
	d.Logger.Warn("the loop breaker stopped answering somebody who writes faster than people do",
		"channel", h.name, "user", p.UserName, "room", p.ChannelName, "for", loopPause)
	who := p.UserName
	if who == "" {
		who = "this account"
	}
	line := fmt.Sprintf("%s writes here faster than people do, as programs do that answer each other in a circle. I stop answering %s here for %d minutes.",
		who, who, int(loopPause.Minutes()))
	if h.client == nil {
		return h.respond(safe(line), nil)
	}
	err := d.Gateway.Notice(ctx, channel.Notice{Conversation: conv, Content: chat.TextContent(line), Key: "loop:" + p.PostID})
	if err != nil {
		d.Logger.Warn("the loop breaker could not say so", "channel", h.name, "error", err)
	}
	return response{}
}

// CallbackPath is the path below which [Driver.Handler] answers.
const CallbackPath = hooksPath
