package delivery

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// showAttempts is how often people on the far side are tried to be told that an
// entry will not arrive. A crash in between is not made good: the failure is
// stored and listed, the mark is a courtesy.
const showAttempts = 4

// show has the sender mark the failure on the far side.
func (s *Service) show(j *job) {
	if j.sender == nil {
		return
	}
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = time.Second, 10*time.Second
	_, err := backoff.Retry(s.sends, func() (struct{}, error) {
		return asking(s, func(ctx context.Context) (struct{}, error) { return struct{}{}, j.sender.Failed(ctx, j.outgoing()) })
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(showAttempts), backoff.WithMaxElapsedTime(0))
	if err != nil {
		s.Logger.Warn("people could not be shown that a message will not arrive", "delivery", j.Key, "channel", s.named(j.Channel), "error", errorText(err))
	}
}

// hook tells who asked to hear of failures.
func (s *Service) hook(f Failure) {
	if s.OnFailed == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			s.Logger.Error("panic in a hook for failed deliveries", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	s.OnFailed(s.sends, f)
}
