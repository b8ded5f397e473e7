package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"parley/internal/fault"
	"parley/internal/store"
)

// history is everything that was stored of one assistant since it was last
// deleted, oldest first.
type history struct {
	name string
	rows []assistantRow
	// next is the version that the next row gets.
	next int64
}

type assistantRow struct {
	storedAssistant
	// row is the stored version; where it differs from version, the row put
	// that one in force again.
	row      int64
	revision int64
}

// history reads the versions of an assistant.
func (s *Service) history(ctx context.Context, name string) (history, error) {
	items, err := s.store.ItemVersions(ctx, store.ItemAssistant, name)
	if err != nil {
		return history{}, fmt.Errorf("read versions of %s: %w", name, err)
	}
	h := history{name: name, next: 1}
	slices.Reverse(items)
	for _, item := range items {
		h.next = item.Version + 1
		if item.Deleted {
			h.rows = nil
			continue
		}
		a, err := decodeAssistant(item)
		if err != nil {
			return history{}, fault.Wrap(err, fault.Conflict, "version %d of assistant %q was stored by a newer parley; use that one", item.Version, name)
		}
		h.rows = append(h.rows, assistantRow{storedAssistant: a, row: item.Version, revision: item.Revision})
	}
	return h, nil
}

// versions are the rows that brought a definition.
func (h history) versions() []assistantRow {
	return slices.DeleteFunc(slices.Clone(h.rows), func(r assistantRow) bool { return r.row != r.version })
}

// body finds a version, or fault.NotFound.
func (h history) body(version int64) (assistantBody, error) {
	for _, r := range h.rows {
		if r.row == version && r.version == version {
			body := r.assistantBody
			body.Aside, body.Back, body.Demo = false, false, false
			return body, nil
		}
	}
	return assistantBody{}, fault.New(fault.NotFound, "assistant %q has no version %d; see parley assistant versions %s", h.name, version, h.name)
}

// served is a version that answered, and the pin that made it so.
type served struct {
	version int64
	// pin is 0 when the channel followed what was in force for everybody.
	pin  int64
	back bool
}

// trail is what a roll-back walks: what answered, the newest last, without
// what was rolled back.
type trail []served

// add notes what answered next. A roll-back takes off what came after the
// version it went to, so that the next one goes further back.
func (t trail) add(next served) trail {
	if n := len(t); n > 0 && t[n-1].version == next.version {
		t[n-1].pin = next.pin
		return t
	}
	if next.back {
		for i := len(t) - 1; i >= 0; i-- {
			if t[i].version == next.version {
				return t[:i+1]
			}
		}
	}
	return append(t, next)
}

// before finds what a roll-back goes to: the newest other version, or the one
// that was asked for.
func (t trail) before(to int64) (served, bool) {
	for i := len(t) - 2; i >= 0; i-- {
		if to == 0 || t[i].version == to {
			return t[i], true
		}
	}
	return served{}, false
}

// trail is what was in force for everybody.
func (h history) trail() trail {
	var t trail
	for _, r := range h.rows {
		if !r.Aside {
			t = t.add(served{version: r.version, back: r.Back})
		}
	}
	return t
}

// trailOn is what the assistant answered with on one channel. rows are the
// channel's, oldest first.
func (h history) trailOn(rows []channelRow) trail {
	var (
		t       trail
		inForce served
		pinned  *channelRow
		next    int
	)
	// Both lists are in the order of revisions; a revision with a row in each
	// counts once, with both.
	for len(rows) > 0 || next < len(h.rows) {
		revision := nextRevision(rows, h.rows[next:])
		back := false
		for ; next < len(h.rows) && h.rows[next].revision == revision; next++ {
			if r := h.rows[next]; !r.Aside {
				inForce, back = served{version: r.version}, r.Back
			}
		}
		for ; len(rows) > 0 && rows[0].revision == revision; rows = rows[1:] {
			pinned = &rows[0]
			back = back || pinned.AssistantBack
		}
		switch {
		case pinned == nil:
		case pinned.deleted || pinned.Assistant != h.name:
			t = nil
		case pinned.AssistantVersion > 0:
			t = t.add(served{version: pinned.AssistantVersion, pin: pinned.AssistantVersion, back: back})
		case inForce.version > 0:
			t = t.add(served{version: inForce.version, back: back})
		}
	}
	return t
}

func nextRevision(channels []channelRow, assistants []assistantRow) int64 {
	switch {
	case len(channels) == 0:
		return assistants[0].revision
	case len(assistants) == 0:
		return channels[0].revision
	default:
		return min(channels[0].revision, assistants[0].revision)
	}
}

// channelRow is one stored version of a channel.
type channelRow struct {
	channelBody
	revision int64
	deleted  bool
}

// channelRows reads the versions of a channel, oldest first.
func (s *Service) channelRows(ctx context.Context, name string) ([]channelRow, error) {
	items, err := s.store.ItemVersions(ctx, store.ItemChannel, name)
	if err != nil {
		return nil, fmt.Errorf("read versions of channel %s: %w", name, err)
	}
	slices.Reverse(items)
	rows := make([]channelRow, len(items))
	for i, item := range items {
		rows[i] = channelRow{revision: item.Revision, deleted: item.Deleted}
		if err := json.Unmarshal(item.Body, &rows[i].channelBody); err != nil {
			return nil, fault.Wrap(err, fault.Conflict, "version %d of channel %q was stored by a newer parley; use that one", item.Version, name)
		}
	}
	return rows, nil
}
