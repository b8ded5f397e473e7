package delivery

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/store"
)

// How an attempt may end beside success and failure.
var (
	// errLost means that the claim is another's by now: whatever the attempt
	// has found out, the other will find out too.
	errLost = errors.New("the claim was lost")
	// errStopped means that the node stops.
	errStopped = errors.New("the node stopped")
)

// needless ends a delivery that has nothing to send.
type needless string

func (n needless) Error() string { return string(n) }

// run makes one attempt at a delivery and stores what came of it.
func (s *Service) run(j *job) {
	s.settle(j, s.attempt(j))
}

// attempt sends every part that has not been sent.
func (s *Service) attempt(j *job) error {
	if err := s.mine(j); err != nil {
		return err
	}
	if why := j.needless(); why != "" && !j.doubt {
		return needless(why)
	}
	if err := s.prepare(j); err != nil {
		return err
	}
	for i, part := range j.Parts {
		last := i == len(j.Parts)-1
		if !part.SentAt.IsZero() && !last {
			continue
		}
		external, err := part.External, error(nil)
		// An operator may have asked for a delivery again that has it all.
		if part.SentAt.IsZero() {
			external, err = s.bring(j, part)
		}
		if err == nil {
			err = s.record(j, part, external, last)
		}
		if err != nil {
			return err
		}
		j.doubt = false
	}
	return nil
}

// mine checks right before a request that it is still ours to make.
func (s *Service) mine(j *job) error {
	switch {
	case s.sends.Err() != nil:
		return errStopped
	case s.Owner() != j.owner:
		return errLost
	default:
		return nil
	}
}

// prepare finds the sender and makes sure that there are stored parts.
func (s *Service) prepare(j *job) error {
	var ok bool
	if j.sender, ok = s.SenderFor(j.Channel); !ok {
		return &failure{SendError: channel.SendError{
			Outcome: channel.SendTemporary, Endpoint: true, Cause: errors.New("its channel is disabled or deleted; enable it, or drop the delivery"),
		}}
	}
	if len(j.Parts) > 0 {
		return nil
	}
	parts, err := s.render(j.sender, j.outgoing())
	if err != nil {
		f := failureOf(err, channel.SendTemporary)
		// Nothing was sent, so nothing is uncertain; and a sender that cannot
		// say what is wrong will hardly do better next time.
		if f.Outcome == channel.SendUncertain {
			f.Outcome = channel.SendTemporary
		}
		f.defect = f.defect || !f.judged
		return f
	}
	if len(parts) == 0 {
		return needless("there is nothing to send on this channel")
	}
	out, err := stored(s, store.RenderDelivery{Delivery: j.Key, Owner: j.owner, Parts: parts})
	switch {
	case err != nil:
		return err
	case out.Lost:
		return errLost
	}
	j.Parts = out.Parts
	return nil
}

// render makes the parts of an entry.
func (s *Service) render(sender channel.Sender, o channel.Outgoing) ([]chat.Part, error) {
	bodies, err := asking(s, func(ctx context.Context) ([][]byte, error) { return sender.Render(ctx, o) })
	if err != nil {
		return nil, err
	}
	parts := make([]chat.Part, len(bodies))
	for i, body := range bodies {
		parts[i] = chat.Part{Number: i + 1, ID: newPartID(), Body: body}
	}
	return parts, nil
}

// newPartID returns 26 characters [a-z0-9] with 130 random bits.
func newPartID() string { return strings.ToLower(rand.Text()) }

// bring makes sure that the far side has a part, and returns its id there.
func (s *Service) bring(j *job, part chat.Part) (external string, err error) {
	if j.doubt {
		external, found, err := s.find(j, part)
		if err != nil || found {
			return external, err
		}
		// It has not arrived, or nobody can tell.
		j.doubt = false
	}
	if j.withdrawn() {
		return "", needless(j.needless())
	}
	if err := s.mine(j); err != nil {
		return "", err
	}
	j.asked = true
	external, err = asking(s, func(ctx context.Context) (string, error) { return j.sender.Send(ctx, j.outgoing(), part) })
	if err != nil {
		f := failureOf(err, channel.SendUncertain)
		j.doubt = f.Outcome == channel.SendUncertain
		return "", f
	}
	s.answered(j.Channel)
	return external, nil
}

// find looks for a part that may have arrived.
func (s *Service) find(j *job, part chat.Part) (external string, found bool, err error) {
	if err := s.mine(j); err != nil {
		return "", false, err
	}
	type answer struct {
		external string
		found    bool
	}
	got, err := asking(s, func(ctx context.Context) (a answer, err error) {
		a.external, a.found, err = j.sender.Find(ctx, j.outgoing(), part)
		return a, err
	})
	switch {
	case errors.Is(err, channel.ErrCannotFind):
		s.metrics.sentAgain(j.Channel)
		s.Logger.Warn("a message that may have arrived is sent again: the far side cannot be asked for it",
			"channel", s.named(j.Channel), "delivery", j.Key, "part", part.Number)
		return "", false, nil
	case err != nil:
		j.asked = true
		return "", false, failureOf(err, channel.SendTemporary)
	}
	j.asked = true
	s.answered(j.Channel)
	if got.found {
		s.metrics.foundAgain(j.Channel)
	}
	return got.external, got.found, nil
}

// record stores that the far side has a part, before the next one is sent.
func (s *Service) record(j *job, part chat.Part, external string, last bool) error {
	// It has arrived; what follows is in doubt until that is stored.
	j.doubt = true
	out, err := stored(s, store.SentPart{
		Delivery: j.Key, Owner: j.owner, Part: part.Number, External: external, Done: last, Now: s.Now(),
	})
	switch {
	case err != nil:
		return err
	case out.Lost:
		return errLost
	}
	s.metrics.partSent(j.Channel)
	return nil
}
