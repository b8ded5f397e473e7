package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

// helloWait is how long a new connection may take to come alive. The server
// cuts one with a bad token after 5 s.
const helloWait = 10 * time.Second

// maxTries are enough to replace a session and then to give up resuming.
const maxTries = 3

// errDead is a connection that was accepted and did not come alive.
var errDead = errors.New("the connection did not come alive")

// Connect opens the event stream of the account.
//
// With resume it asks for the events missed since; [Stream.Lost] tells whether
// that failed and REST has to tell what happened meanwhile. When the server
// does not take the connection id at all, Connect starts anew by itself.
//
// The server accepts the connection of a bad token and falls silent, so a
// connection that does not come alive makes Connect ask [Client.Me]: an error
// for which [IsUnauthorized] is true needs the owner, all others are
// temporary. A session made by password that has ended is replaced once.
//
// The server resumes only a connection that it has noticed to be gone: right
// after a silent loss, which it notices after 100 s, resuming is not possible
// (seen with 11.1).
//
// ctx bounds the connecting, not the stream.
func (c *Client) Connect(ctx context.Context, resume Resume) (*Stream, error) {
	// A malformed id would be accepted and cut at once.
	if !ValidID(resume.ConnectionID) || resume.Next < 0 {
		resume = Resume{}
	}
	for try := 1; ; try++ {
		token, err := c.token(ctx)
		if err != nil {
			return nil, err
		}
		s, err := c.open(ctx, token, resume)
		if err == nil {
			c.session.worked(token)
			s.start()
			return s, nil
		}
		if !errors.Is(err, errDead) || try == maxTries {
			return nil, err
		}
		if _, refused := c.Me(ctx); refused != nil {
			return nil, refused
		}
		// The account is fine. What is left to blame is a session that Me has
		// just replaced, or the resuming.
		now, refused := c.token(ctx)
		switch {
		case refused != nil:
			return nil, refused
		case now != token:
		case resume != (Resume{}):
			resume = Resume{}
		default:
			return nil, err
		}
	}
}

// open makes one connection and waits until it is known to be alive.
func (c *Client) open(ctx context.Context, token string, resume Resume) (*Stream, error) {
	ws, err := c.dial(ctx, token, resume)
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(maxFrame)
	s := &Stream{client: c, ws: ws, resume: resume, expected: resume.Next}
	hello, cancel := context.WithTimeout(ctx, helloWait)
	defer cancel()
	if err := s.greet(hello); err != nil {
		_ = ws.CloseNow()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if asError(err) == nil {
			err = &Error{Op: "connect", cause: err}
		}
		return nil, err
	}
	return s, nil
}

// greet waits for the hello of a new connection. A resumed one gets none, so
// there the answer to a ping or the first missed event stands for it.
func (s *Stream) greet(ctx context.Context) error {
	resuming := s.resume != (Resume{})
	if resuming {
		if err := writePing(ctx, s.ws, 1, helloWait); err != nil {
			return fmt.Errorf("%w: %w", errDead, err)
		}
	}
	for {
		f, err := readFrame(ctx, s.ws)
		switch {
		case isMalformed(err):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", errDead, err)
		case f.Event == EventHello:
			return s.begin(f)
		case f.unauthorized():
			return errDead
		case f.Event == "" && resuming:
			return nil
		case f.Event == "":
			continue
		case !resuming || *f.Seq > s.expected:
			// Not from the start, or with a gap already: begin anew.
			return errDead
		case *f.Seq == s.expected:
			e := f.event()
			s.first, s.expected = &e, s.expected+1
			return nil
		}
	}
}

// begin takes a hello: the server counts from here.
func (s *Stream) begin(f frame) error {
	var data struct {
		ConnectionID string `json:"connection_id"`
	}
	if err := json.Unmarshal(f.Data, &data); err != nil || !ValidID(data.ConnectionID) {
		return malformed(fmt.Errorf("hello without a connection id"))
	}
	s.lost, s.expected = true, *f.Seq+1
	s.resume = Resume{ConnectionID: data.ConnectionID, Next: s.expected}
	return nil
}

// dial upgrades. The token goes into the header, because only then can the
// connection be resumed; no Origin is sent, because a foreign one is refused.
func (c *Client) dial(ctx context.Context, token string, resume Resume) (*websocket.Conn, error) {
	u := *c.base
	u.Path += "/api/v4/websocket"
	if resume != (Resume{}) {
		u.RawQuery = url.Values{
			"connection_id":   {resume.ConnectionID},
			"sequence_number": {strconv.FormatInt(resume.Next, 10)},
		}.Encode()
	}
	rq := request{op: "connect", method: http.MethodGet}
	if err := c.gate.wait(ctx, c.now().Add(maxWait)); err != nil {
		if e := asError(err); e != nil {
			e.Op = rq.op
			return nil, e
		}
		return nil, &Error{Op: rq.op, cause: err}
	}
	ws, resp, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{
		HTTPClient: c.http,
		HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err == nil {
		return ws, nil
	}
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return nil, &Error{Op: rq.op, cause: plain(err)}
	}
	c.gate.observe(resp)
	answer := reply{status: resp.StatusCode, header: resp.Header}
	if resp.Body != nil {
		answer.body = readSome(resp.Body)
	}
	e := c.refusal(rq, answer)
	if errors.Is(e.cause, ErrForeign) {
		e.cause = errNoUpgrade
	}
	return nil, e
}
