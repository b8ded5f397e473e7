package conversation

import (
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/store"
)

func (s *Service) inboundStep(in channel.Inbound) store.Accept {
	now := s.Now()
	step := store.Accept{
		Conversation: in.Conversation.Key,
		Origin:       in.Conversation.Leg,
		Draft: chat.Draft{
			Author:     authorOf(in),
			Purpose:    in.Purpose,
			Visibility: chat.VisibleToAll,
			Target:     in.Target,
			Content:    in.Content,
		},
		Raw:        in.Raw,
		RawLife:    s.Policy.RawLife,
		External:   in.External,
		Room:       roomOf(in.Position),
		Carry:      in.Carry,
		IdleBefore: now.Add(-s.Policy.Idle),
		OwesTurn:   in.Purpose == chat.Message && !in.Silent && in.By != chat.ByAgent,
		Owner:      s.claimant(),
		Now:        now,
	}
	if in.DedupeKey != "" {
		step.Dedupe = &store.Dedupe{Key: in.DedupeKey, HashContent: !in.KeyDecides, Life: s.Policy.DedupeLife}
	}
	return step
}

func authorOf(in channel.Inbound) chat.Author {
	author := chat.Author{Kind: chat.ByContact, ID: string(in.Conversation.ContactID)}
	if in.By != "" {
		author.Kind = in.By
	}
	if in.Speaker != "" {
		author.ID = string(in.Speaker)
	}
	return author
}

func roomOf(p *channel.Position) *store.Room {
	if p == nil {
		return nil
	}
	room := &store.Room{Room: p.Room, Status: store.RoomLive, Position: p.Value}
	if p.CatchingUp {
		room.Status = store.RoomCatchingUp
	}
	return room
}

// claimant is who claims the turn of an inbound entry: nobody when this node
// begins no further turns.
func (s *Service) claimant() store.Owner {
	if s.work.isClosed() {
		return store.Owner{}
	}
	return s.Owner()
}
