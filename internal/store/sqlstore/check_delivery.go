package sqlstore

import (
	"fmt"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// checkedDelivery is [checked] for what senders and links do.
func checkedDelivery(step any) (any, error) {
	switch s := step.(type) {
	case store.ClaimDeliveries:
		return s, checkedOwner(s.Owner)
	case store.RenderDelivery:
		parts, err := checkedParts(s.Parts)
		s.Parts = parts
		return s, err
	case store.SentPart:
		return s, keyText("external", s.External)
	case store.EndDelivery:
		s.Error = safeText(s.Error, maxErrorText)
		switch s.Status {
		case chat.DeliveryWaiting, chat.DeliveryFailed, chat.DeliveryDropped:
			return s, nil
		default:
			return nil, fault.Field("status", "must be waiting, failed or dropped, not %q", s.Status)
		}
	case store.MakeEndpointDue:
		return s, keyText("channel", string(s.Channel))
	case store.ChangeDelivery:
		s.Actor = safeText(s.Actor, maxKey)
		if s.Verb != resend && s.Verb != drop {
			return nil, fault.Field("verb", "must be %s or %s, not %q", resend, drop, s.Verb)
		}
		return s, nil
	case store.MoveRooms:
		return checkedRooms(s)
	case store.ClaimLink:
		return s, first(checkedName("account", s.Account), checkedOwner(s.Owner))
	case store.FreeLink:
		return s, first(checkedName("account", s.Account), checkedOwner(s.Owner))
	case store.SetAlert:
		s.Text = safeText(s.Text, maxErrorText)
		return s, checkedName("name", s.Name)
	default:
		return step, nil
	}
}

func checkedOwner(o store.Owner) error { return checkedName("owner.node", o.Node) }

// checkedName refuses an empty key, too.
func checkedName(field, s string) error {
	if s == "" {
		return fault.Field(field, "is empty")
	}
	return keyText(field, s)
}

func checkedParts(all []chat.Part) ([]chat.Part, error) {
	if len(all) == 0 {
		return nil, fault.Field("parts", "are empty; a delivery without parts is dropped")
	}
	parts := make([]chat.Part, len(all))
	for i, p := range all {
		at := fmt.Sprintf("parts[%d]", i)
		if p.Number != i+1 {
			return nil, fault.Field(at+".number", "must be %d, parts are numbered in order", i+1)
		}
		if err := checkedName(at+".id", p.ID); err != nil {
			return nil, err
		}
		if p.Body == nil {
			p.Body = []byte{}
		}
		parts[i] = p
	}
	return parts, nil
}

func checkedTake(t store.Take) (*store.Take, error) {
	if err := checkedOwner(t.Owner); err != nil {
		return nil, err
	}
	parts, err := checkedParts(t.Parts)
	t.Parts = parts
	return &t, err
}

func checkedRooms(s store.MoveRooms) (any, error) {
	if err := first(checkedName("channel", string(s.Channel)), keyText("channel_type", s.ChannelType)); err != nil {
		return nil, err
	}
	for i := range s.Rooms {
		if err := checkedRoom(fmt.Sprintf("rooms[%d]", i), &s.Rooms[i]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// checkedRoom checks a room a step moves, if any.
func checkedRoom(field string, r *store.Room) error {
	switch {
	case r == nil:
		return nil
	case roomStatuses.code(r.Status) == 0:
		return fault.Field(field+".status", "%q is not known", r.Status)
	}
	return first(checkedName(field+".room", r.Room), keyText(field+".position", r.Position))
}

func checkedAppend(s store.Append) (any, error) {
	if s.Dedupe != nil {
		if len(s.Dedupe.Hash) > 0 || s.Dedupe.HashContent {
			return nil, fault.Field("dedupe.hash", "must be empty: the key alone decides")
		}
		if err := keyText("dedupe.key", s.Dedupe.Key); err != nil {
			return nil, err
		}
	}
	if len(s.Entries) == 0 && (s.Dedupe != nil || s.External != "") {
		return nil, fault.Field("entries", "are empty: there is nothing that could be repeated or referred to")
	}
	return s, first(keyText("external", s.External), checkedRoom("room", s.Room))
}
