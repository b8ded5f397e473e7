package mattermost

import (
	"context"
	"fmt"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
)

// tellLate says once, after a long outage, that posts were left unanswered: in
// the conversation of the newest of them.
func (r *room) tellLate(ctx context.Context) {
	r.mu.Lock()
	late, id := r.cursor.Late, r.cursor.LateID
	next := r.cursor
	next.Late, next.LateID = 0, ""
	r.mu.Unlock()
	r.persist(ctx, r.h.older, id, func() error {
		ref, err := r.h.l.d.Store.Reference(ctx, r.h.l.id(), id)
		if fault.Is(err, fault.NotFound) {
			return nil // erased meanwhile
		}
		if err != nil {
			return err
		}
		conv, err := r.h.l.d.Store.Conversation(ctx, ref.Conversation)
		if err != nil {
			return err
		}
		return r.h.l.d.Gateway.Notice(ctx, channel.Notice{
			Conversation: conv, Content: chat.TextContent(lateText(late, r.h.l.settings.Load().maxAge)),
			Key: "late:" + r.id + ":" + id, Position: r.position(next),
		})
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.h.ctx.Err() == nil {
		r.cursor.Late, r.cursor.LateID, r.dirty = 0, "", true
	}
}

func lateText(n int, age time.Duration) string {
	if n == 1 {
		return fmt.Sprintf("I was away, and one message here stayed without an answer because it was more than %s old. Please write again if it still matters.", plainDuration(age))
	}
	return fmt.Sprintf("I was away, and %d messages here stayed without an answer because they were more than %s old. Please write again if it still matters.", n, plainDuration(age))
}

// plainDuration writes a duration in the words of people.
func plainDuration(d time.Duration) string {
	unit := func(n int64, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	switch {
	case d >= 24*time.Hour && d%(24*time.Hour) == 0:
		return unit(int64(d/(24*time.Hour)), "day")
	case d >= time.Hour && d%time.Hour == 0:
		return unit(int64(d/time.Hour), "hour")
	case d >= time.Minute:
		return unit(int64(d/time.Minute), "minute")
	}
	return d.String()
}
