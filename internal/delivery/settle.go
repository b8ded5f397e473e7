package delivery

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/secret"
	"parley/internal/store"
)

// settle stores what an attempt came to.
func (s *Service) settle(j *job, err error) {
	var none needless
	var failed *failure
	switch {
	case err == nil:
		s.metrics.took(j.Channel, j.age(s.Now()))
		s.metrics.ended(j.Channel, "sent")
	case errors.Is(err, errLost):
		s.Logger.Warn("a delivery's claim was lost; whoever has it goes on", "delivery", j.Key)
		s.metrics.ended(j.Channel, "lost")
	case errors.Is(err, errStopped):
		s.stopped(j)
	case errors.As(err, &none):
		s.release(j, store.EndDelivery{Status: chat.DeliveryDropped, Error: string(none)}, "dropped")
	case errors.As(err, &failed) && s.sends.Err() != nil:
		// The stop may have caused it.
		s.stopped(j)
	case errors.As(err, &failed):
		s.failed(j, failed)
	default:
		// The store refuses to know of it. Trying again would send it again.
		s.Logger.Error("a delivery cannot be recorded", "delivery", j.Key, "error", err)
		s.fail(j, "it cannot be recorded: "+errorText(err))
	}
}

// stopped gives a delivery back at the node's stop; a part under way may have
// arrived. Where that cannot be stored any more, it stays claimed: the next
// start of this node claims it at once, as uncertain.
func (s *Service) stopped(j *job) {
	s.release(j, store.EndDelivery{Status: chat.DeliveryWaiting, DueAt: s.Now(), Error: j.LastError}, "given back")
}

// failed has a delivery tried again after a pause, or ends it.
func (s *Service) failed(j *job, f *failure) {
	now, text := s.Now(), f.text()
	probeAt := s.tellGate(j, f, now, text)
	attempt := j.Attempts + 1
	end := store.EndDelivery{Status: chat.DeliveryWaiting, Error: text, CountAttempt: true}
	switch {
	case f.Outcome == channel.SendPermanent,
		f.defect && attempt >= s.Policy.DefectAttempts && strings.Contains(j.LastError, defectMark),
		f.Outcome != channel.SendLimited && attempt >= s.Policy.GiveUpAttempts && j.age(now) >= s.Policy.GiveUpAfter:
		s.Logger.Error("a delivery failed for good", "delivery", j.Key, "channel", s.named(j.Channel), "conversation", j.ClaimedDelivery.Conversation.ID, "attempts", attempt, "error", text)
		s.fail(j, text)
		return
	case f.Outcome == channel.SendLimited:
		end.DueAt, end.CountAttempt = now.Add(s.Policy.asked(f.Delay)), false
		s.release(j, end, "limited")
		return
	}
	end.DueAt = now.Add(s.Policy.delay(j.Attempts))
	// A probe needs a delivery that is due.
	if !probeAt.IsZero() && probeAt.Before(end.DueAt) {
		end.DueAt = probeAt
	}
	result := "postponed"
	if f.Outcome == channel.SendUncertain {
		result = "uncertain"
	}
	s.release(j, end, result)
	s.Logger.Warn("a delivery failed; it will be tried again", "delivery", j.Key, "channel", s.named(j.Channel), "attempt", attempt, "due", end.DueAt, "error", text)
}

// tellGate tells the endpoint's breaker of a failure and returns when the next
// probe may start; zero while the endpoint is open.
func (s *Service) tellGate(j *job, f *failure, now time.Time, text string) time.Time {
	if !f.Endpoint {
		if j.asked && (f.Outcome == channel.SendPermanent || f.Outcome == channel.SendLimited) {
			s.answered(j.Channel) // it lives: it has refused
		}
		return time.Time{}
	}
	probeAt, shut := s.gates.failed(j.Channel, now, &f.SendError, text)
	if shut {
		s.Logger.Warn("a far side takes no deliveries; it is probed until it does", "channel", s.named(j.Channel), "next", probeAt, "error", text)
	}
	return probeAt
}

// fail ends a delivery for good, has people see it, and tells who asked to hear
// of it.
func (s *Service) fail(j *job, text string) {
	if !s.release(j, store.EndDelivery{Status: chat.DeliveryFailed, Error: text, CountAttempt: true}, "failed") {
		return
	}
	s.work.leave(j)
	// The next of the leg need not wait for what follows.
	s.Wake()
	d := j.Delivery
	d.Status, d.LastError, d.EndedAt = chat.DeliveryFailed, text, s.Now()
	d.Attempts++
	s.hook(Failure{Delivery: d, Conversation: j.ClaimedDelivery.Conversation.ID, Error: text})
	s.show(j)
}

// release ends the claim as end says. It is false when the claim was lost or
// the end could not be stored.
func (s *Service) release(j *job, end store.EndDelivery, result string) bool {
	end.Delivery, end.Owner, end.Uncertain, end.Now = j.Key, j.owner, j.doubt, s.Now()
	out, err := stored(s, end)
	switch {
	case err != nil && !errors.Is(err, errStopped):
		// It is left claimed, and given back by the next round.
		s.Logger.Error("the end of a delivery could not be stored", "delivery", j.Key, "error", err)
		s.doubt.Store(true)
		result = "lost"
	case err != nil || out.Lost:
		result = "lost"
	}
	s.metrics.ended(j.Channel, result)
	return result != "lost"
}

// defectMark tells that the attempt before ended by a mistake as well, and not
// by whatever else may happen on the way.
const defectMark = "a mistake in the program: "

// text is the failure for operators.
func (f *failure) text() string {
	text := errorText(f.Cause)
	if f.defect {
		text = defectMark + text
	}
	return fmt.Sprintf("%s: %s", f.Outcome, text)
}

// maxError bounds a stored error in bytes.
const maxError = 1000

// errorText is an error without secrets. The address of a request is one: a
// webhook's path is its password.
func errorText(err error) string {
	if err == nil {
		return "no reason was given"
	}
	text := err.Error()
	var request *url.Error
	if errors.As(err, &request) {
		text = strings.ReplaceAll(text, request.URL, hostOf(request.URL))
	}
	text = secret.Redact(strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + "..."
	}
	return text
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "its address"
	}
	return u.Scheme + "://" + u.Host
}
