package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// malformedError is a frame that cannot be read; reading it again would fail
// again.
type malformedError struct{ cause error }

func (m malformedError) Error() string { return m.cause.Error() }
func (m malformedError) Unwrap() error { return m.cause }

func malformed(cause error) error { return malformedError{fmt.Errorf("%w: %w", ErrCut, cause)} }

func isMalformed(err error) bool {
	var m malformedError
	return errors.As(err, &m)
}

// readFrame waits for one frame.
func readFrame(ctx context.Context, ws *websocket.Conn) (frame, error) {
	_, text, err := ws.Read(ctx)
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return frame{}, malformed(ErrTooLarge)
	}
	if err != nil {
		return frame{}, fmt.Errorf("%w: %w", ErrCut, err)
	}
	f, err := parseFrame(text)
	if err != nil {
		return frame{}, malformed(err)
	}
	return f, nil
}

// writePing asks for an answer to seq. Only the WebSocket's own ping is
// answered for a dead session as well.
func writePing(ctx context.Context, ws *websocket.Conn, seq int64, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	text, err := json.Marshal(map[string]any{"seq": seq, "action": "ping"})
	if err != nil {
		return err
	}
	return ws.Write(ctx, websocket.MessageText, text)
}

// unauthorized reports whether a frame refuses a request because the session
// has ended.
func (f frame) unauthorized() bool {
	return f.Event == "" && f.Status != "OK" && f.Error != nil &&
		(f.Error.Status == http.StatusUnauthorized || f.Error.ID == idNotAuthentic)
}

// readSome reads the beginning of a refusal.
func readSome(body io.Reader) []byte {
	text, err := io.ReadAll(io.LimitReader(body, 64<<10))
	if err != nil {
		return nil
	}
	return text
}
