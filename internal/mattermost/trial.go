package mattermost

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Trial is what a connection that was opened only to be looked at has shown.
type Trial struct {
	// Upgraded says that the WebSocket was opened, Hello that the server has
	// greeted the account on it.
	Upgraded, Hello bool
	// RoundTrip is how long the answer to a ping took; 0 when none came.
	RoundTrip time.Duration
	// ServerTime is the server's clock in that answer; zero when it had none.
	ServerTime time.Time
}

// Try opens a WebSocket, waits for the greeting, asks for one answer and closes
// it again. An error says where that ended; the trial, how far it came. Each
// step may take as long as wait.
func (c *Client) Try(ctx context.Context, wait time.Duration) (Trial, error) {
	var t Trial
	token, err := c.token(ctx)
	if err != nil {
		return t, err
	}
	dialing, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	ws, err := c.dial(dialing, token, Resume{})
	if err != nil {
		return t, err
	}
	defer func() { _ = ws.CloseNow() }()
	t.Upgraded = true
	ws.SetReadLimit(maxFrame)
	s := &Stream{client: c, ws: ws}
	greeting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := s.greet(greeting); err != nil {
		return t, tryError(ctx, err)
	}
	t.Hello = true
	asked := time.Now()
	answering, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := writePing(answering, ws, 1, wait); err != nil {
		return t, tryError(ctx, fmt.Errorf("%w: %w", ErrSilent, err))
	}
	for {
		f, err := readFrame(answering, ws)
		switch {
		case err != nil:
			return t, tryError(ctx, fmt.Errorf("%w: %w", ErrSilent, err))
		case f.unauthorized():
			return t, tryError(ctx, errDead)
		case f.Event == "":
			t.RoundTrip, t.ServerTime = time.Since(asked), f.serverTime()
			return t, nil
		}
	}
}

// tryError dresses what ended a trial.
func tryError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if asError(err) != nil {
		return err
	}
	return &Error{Op: "connect", cause: err}
}

// serverTime is the clock in the answer to a ping.
func (f frame) serverTime() time.Time {
	var data struct {
		ServerTime int64 `json:"server_time"`
	}
	if json.Unmarshal(f.Data, &data) != nil {
		return time.Time{}
	}
	return Time(data.ServerTime)
}

// IDActionFailed is how the server answers a press of a button whose address it
// could not call, for whatever reason; the reason is in its log alone.
const IDActionFailed = "api.post.do_action.action_integration.app_error"

// Press presses a button of a post, as the account itself. The server calls the
// button's address before it answers.
func (c *Client) Press(ctx context.Context, postID, action string) error {
	if err := checkIDs("post id", postID); err != nil {
		return err
	}
	part, err := pathName("action", action)
	if err != nil {
		return err
	}
	return c.call(ctx, request{op: "press button", method: http.MethodPost, path: "/posts/" + postID + "/actions/" + part,
		body: struct{}{}}, nil)
}
