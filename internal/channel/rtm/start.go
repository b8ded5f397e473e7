package rtm

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
)

// readyTimeout bounds the question whether the store answers.
const readyTimeout = 3 * time.Second

// start answers with the address of a socket.
func (d *Driver) start(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if err := d.starts.enter(r.Context()); err != nil {
		return err
	}
	defer d.starts.leave()
	now := d.Now()
	a, err := d.authorize(r, body.Authorization, now)
	if err != nil {
		return err
	}
	if err := d.startable(r.Context(), a, body.Bot); err != nil {
		d.traceRefusal("start", a.Bot, a.place(), err)
		return err
	}
	sid, err := sign(d.Signer, purposeSID, ticket{
		access: a, Nonce: newNonce(), Reconnect: isTrue(r.URL.Query().Get("isReconnect")), Lang: cleanLang(body.Language),
	}, now.Add(sidLife))
	if err != nil {
		return fmt.Errorf("sign sid: %w", err)
	}
	d.trace(a.Bot, a.place(), "in", "start", func() string { return r.URL.RawQuery }, "")
	writeJSON(w, http.StatusOK, struct {
		URL string `json:"url"`
	}{d.socketURL(r, sid)})
	return nil
}

// socketURL is absolute and already contains "?", since clients append
// "&isReconnect=true" to it.
func (d *Driver) socketURL(r *http.Request, sid string) string {
	origin := d.Origin(r)
	u := url.URL{Scheme: "ws", Host: origin.Host, Path: strings.TrimSuffix(origin.Path, "/") + "/rtm/bot", RawQuery: "sid=" + sid}
	if origin.Scheme == "https" || origin.Scheme == "wss" {
		u.Scheme = "wss"
	}
	return u.String()
}

// startable refuses what a new grant cannot cure with 403, because a 401 here
// makes W10 loop between grant and start without a pause.
func (d *Driver) startable(ctx context.Context, a access, bot string) error {
	if bot != "" && bot != a.Bot {
		return fault.New(fault.Forbidden, "botInfo.taskBotId: the token was granted for another bot")
	}
	if _, err := d.inForce(a); err != nil {
		return err
	}
	if d.draining.Load() {
		return errDraining
	}
	if len(d.sessionsOf(userKey{chat.ChannelID(a.Bot), a.place()})) >= maxSockets {
		return errTooManySockets
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := d.Ready(ctx); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the store does not answer; try again in a moment")
	}
	return nil
}

// maxSockets bounds the sockets of one person on a node, so that one credential
// cannot take the places of everybody else.
const maxSockets = 50

var errTooManySockets = fault.New(fault.Forbidden, "this person has %d windows open already; close some", maxSockets)

var errDraining = fault.New(fault.Unavailable, "the server is restarting; connect again in a moment")

// inForce finds the app of a token among those in force now.
func (d *Driver) inForce(a access) (*app, error) {
	b := d.state.Load().bots[a.Bot]
	switch {
	case b == nil:
		return nil, fault.New(fault.Forbidden, "this bot is no longer here")
	case b.disabled:
		return nil, fault.New(fault.Forbidden, "this bot is switched off")
	case b.apps[a.App] == nil:
		return nil, fault.New(fault.Forbidden, "this app may no longer use the bot")
	}
	return b.apps[a.App], nil
}

// authorize reads the bearer token of a request: from its header or, as iOS
// also sends it, from a field of the form.
func (d *Driver) authorize(r *http.Request, field string, now time.Time) (access, error) {
	header := firstOf(r.Header.Get("Authorization"), field)
	scheme, token, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return access{}, fault.New(fault.Unauthenticated, "no token; send Authorization: bearer <accessToken>")
	}
	var a access
	if err := open(d.Signer, purposeAccess, strings.TrimSpace(token), now, &a); err != nil {
		if a.App != "" {
			d.traceRefusal("token", a.Bot, a.place(), err)
		}
		return access{}, fault.Wrap(err, fault.Unauthenticated, "token expired")
	}
	return a, nil
}

func isTrue(s string) bool { return strings.EqualFold(s, "true") || s == "1" }

// cleanLang keeps what looks like a BCP 47 tag.
func cleanLang(s string) string {
	if len(s) > 35 {
		return ""
	}
	for i := range len(s) {
		c := s[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return ""
		}
	}
	return strings.ReplaceAll(s, "_", "-")
}
