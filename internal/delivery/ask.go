package delivery

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/cenkalti/backoff/v5"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// asking calls a sender within the time a request may take. A panic is a
// failure of this delivery alone.
func asking[T any](s *Service, ask func(context.Context) (T, error)) (out T, err error) {
	ctx, cancel := context.WithTimeout(s.sends, s.Policy.SendTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			s.Logger.Error("panic in a sender", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = panicError{p}
		}
	}()
	return ask(ctx)
}

type panicError struct{ value any }

func (p panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// caught keeps a mistake of ours in one delivery. Its claim stays with this
// node, and is given back as uncertain by the next round.
func (s *Service) caught(j *job) {
	if p := recover(); p != nil {
		s.Logger.Error("panic in a delivery", "delivery", j.Key, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		s.metrics.ended(j.Channel, "panic")
		s.doubt.Store(true)
	}
}

// stopPatience is how long a stopping node waits for the store.
const stopPatience = 2 * time.Second

// stored commits a step. While the store is away it keeps trying: the claim
// tells whether the step still counts. When the node stops before the step is
// stored, the error is errStopped; any other means that the store does not take
// the step.
func stored[O any](s *Service, step store.StepFor[O]) (O, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 50*time.Millisecond, 5*time.Second
	out, err := backoff.Retry(s.sends, func() (O, error) {
		ctx := context.WithoutCancel(s.sends)
		if s.sends.Err() != nil {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, stopPatience)
			defer cancel()
		}
		out, err := store.Do(ctx, s.Store, step)
		if err != nil && !fault.Is(err, fault.Unavailable) {
			err = backoff.Permanent(err)
		}
		return out, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0))
	if err != nil && s.sends.Err() != nil {
		s.Logger.Error("what became of a delivery could not be stored before the stop; the next start finds out", "step", fmt.Sprintf("%T", step), "error", err)
		return out, errStopped
	}
	return out, err
}

// answered notes that an endpoint lives.
func (s *Service) answered(ch chat.ChannelID) {
	if since, wasShut := s.gates.answered(ch); wasShut {
		s.Logger.Info("a far side takes deliveries again", "channel", s.named(ch), "after", s.Now().Sub(since).Round(time.Second).String())
		s.Wake()
	}
}

// failure is a failed attempt.
type failure struct {
	channel.SendError
	// judged is set when the sender itself said what the failure means.
	judged bool
	// defect is set for a mistake in the program.
	defect bool
}

// failureOf judges an error of a sender; otherwise is what an error means that
// the sender has not judged.
func failureOf(err error, otherwise channel.SendOutcome) *failure {
	f := &failure{SendError: channel.SendError{Outcome: otherwise, Cause: err}}
	var judged *channel.SendError
	var panicked panicError
	switch {
	case errors.As(err, &judged):
		f.SendError, f.judged = *judged, true
		switch f.Outcome {
		case channel.SendPermanent, channel.SendTemporary, channel.SendLimited, channel.SendUncertain:
		default:
			f.Outcome = otherwise
		}
	case errors.As(err, &panicked):
		f.defect = true
	case errors.Is(err, context.DeadlineExceeded):
		// A far side that takes requests and never answers.
		f.Endpoint = true
	}
	return f
}
