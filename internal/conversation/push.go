package conversation

import (
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// Offer asks whether an instant answer will be sent as soon as it is stored. It
// returns what claims its delivery in the same commit, or nil; with it, a
// function to call once with the outcome of the commit: the delivery that was
// claimed, or nil, and whether the outcome is certain.
type Offer func(channel.Outgoing) (*store.Take, func(claimed *store.ClaimedDelivery, certain bool))

// noOffer leaves all deliveries to be claimed in their turn.
func noOffer(channel.Outgoing) (*store.Take, func(*store.ClaimedDelivery, bool)) { return nil, nil }

// offer adds to the step that its answer is sent at once, where that is
// possible. What it returns has to be called with the step's outcome.
func (s *Service) offer(c chat.Conversation, step *store.Accept) func(store.Accepted, error) {
	ignore := func(store.Accepted, error) {}
	if step.Fold == nil || step.Carry || len(step.Fold.Reply.Entries) == 0 {
		return ignore
	}
	take, end := s.Offer(channel.Outgoing{
		Conversation: c,
		Leg:          chat.Leg{Key: step.Origin, Conversation: c.Key, Kind: chat.LegContact, Mode: chat.LegPush, Channel: c.Channel, Place: c.Place},
		Entry:        chat.Entry{Draft: step.Fold.Reply.Entries[0], Conversation: c.Key, CreatedAt: step.Now},
	})
	if take == nil {
		return ignore
	}
	step.Take = take
	external, origin := step.External, step.Origin
	return func(out store.Accepted, err error) {
		if out.Taken == nil {
			end(nil, err == nil || fault.Is(err, fault.Invalid))
			return
		}
		claimed := takenDelivery(c, out, take.Parts)
		if external != "" {
			claimed.Questions = []chat.Reference{{Channel: c.Channel, External: external, Conversation: c.Key, Seq: out.Entry.Seq, Leg: origin}}
		}
		end(claimed, true)
	}
}

// takenDelivery is what sending the first reply needs, without its questions.
func takenDelivery(c chat.Conversation, out store.Accepted, parts []chat.Part) *store.ClaimedDelivery {
	reply, leg := out.Replies[0], out.Taken.Leg
	leg.Channel = c.Channel
	return &store.ClaimedDelivery{
		Delivery: chat.Delivery{
			Key: out.Taken.Key, Conversation: c.Key, Seq: reply.Seq, Leg: leg.Key, Channel: c.Channel,
			Status: chat.DeliveryClaimed, DueAt: reply.CreatedAt, CreatedAt: reply.CreatedAt,
		},
		Parts: parts, Entry: reply, Conversation: c, Leg: leg,
	}
}
