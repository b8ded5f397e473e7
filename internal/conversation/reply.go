package conversation

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/store"
)

// fold computes an instant answer and attaches it to the step, if the assistant
// can give one and nobody is ahead of this entry.
func (s *Service) fold(ch chat.ChannelID, h *handling, step *store.Accept) {
	instant, ok := h.chosen.Assistant.(assistant.Instant)
	if !ok || h.openTurns > 0 {
		return
	}
	fold := store.Fold{}
	in := assistant.Input{Lang: step.Draft.Content.Lang, Now: step.Now, Entries: []chat.Entry{{
		Draft: step.Draft, Conversation: step.Conversation, Origin: step.Origin, CreatedAt: step.Now,
	}}}
	if !h.fresh(step.IdleBefore) {
		if h.episode.Control != chat.ControlAssistant {
			return
		}
		fold.Episode, fold.Epoch, fold.Revision = h.episode.Key, h.episode.Epoch, h.episode.Revision
		in.State = h.episode.State
		in.Entries[0].Episode = h.episode.Key
	}
	said, err := safely(s.Logger, func() (said store.Reply, _ error) {
		var reply assistant.Reply
		if reply, ok = instant.Instant(in); ok {
			said = s.reply(ch, h.chosen.Name, reply, step.Now)
		}
		return said, nil
	})
	if err != nil {
		s.Logger.Error("instant answer failed; trying a turn", "assistant", h.chosen.Name, "error", err)
	}
	if err != nil || !ok {
		return
	}
	fold.Reply = said
	step.Fold = &fold
}

// safely turns a panic into an error and logs where it happened.
func safely[T any](logger *slog.Logger, work func() (T, error)) (out T, err error) {
	defer func() {
		if p := recover(); p != nil {
			logger.Error("panic in a conversation", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return work()
}

// reply turns what an assistant says into what is stored: content its channel
// can show, and a hand-over only when there is somebody to hand over to.
func (s *Service) reply(ch chat.ChannelID, name string, r assistant.Reply, now time.Time) store.Reply {
	out := store.Reply{State: r.State, SetState: r.State != nil}
	say := func(content chat.Content) {
		out.Entries = append(out.Entries, s.draft(ch, name, content))
	}
	for _, content := range r.Messages {
		say(content)
	}
	switch {
	case r.HandOver != nil && s.Desk.Reachable(r.HandOver.Queue):
		out.Change = &chat.Change{Move: chat.HandOver, Queue: r.HandOver.Queue, At: now}
	case r.HandOver != nil:
		content := r.HandOver.Unavailable
		if content.Text == "" {
			content = chat.TextContent(nobodyText)
		}
		say(content)
	case r.Finish:
		out.Change = &chat.Change{Move: chat.Finish, Outcome: "finished", At: now}
	}
	return out
}

// nobodyText is said when an assistant asks for a person, has no words of its
// own for it, and there is nobody.
const nobodyText = "Sorry, nobody can be reached here right now. I am still here."

func (s *Service) draft(ch chat.ChannelID, name string, content chat.Content) chat.Draft {
	err := content.Validate()
	if err == nil {
		err = s.Check(ch, content)
	}
	if err != nil {
		s.Logger.Warn("an answer could not be shown by the channel's clients; its plain text is said instead", "assistant", name, "channel", ch, "error", err)
		mark := content.Mark
		content = chat.TextContent(content.Text)
		content.Mark = mark
	}
	return chat.Draft{
		Author:     chat.Author{Kind: chat.ByAssistant, ID: name},
		Purpose:    chat.Message,
		Visibility: chat.VisibleToAll,
		Content:    content,
	}
}

// Greet stores the assistant's greeting, if one is due.
func (s *Service) Greet(ctx context.Context, g channel.Greeting) error {
	if g.Mode == channel.GreetNever {
		return nil
	}
	c := g.Conversation
	h := s.known.of(c.Key)
	h.mu.Lock()
	defer h.mu.Unlock()
	// No fence of the store keeps a greeting back that another node's work has
	// made needless, so what is believed does not do here.
	h.forget()
	if err := s.learn(ctx, c.Key, h); err != nil {
		return err
	}
	now := s.Now()
	step := store.Accept{
		Conversation: c.Key,
		Origin:       c.Leg,
		Draft: chat.Draft{
			Author:     chat.Author{Kind: chat.ByContact, ID: string(c.ContactID)},
			Purpose:    chat.Event,
			Visibility: chat.VisibleToDesk,
			Content:    connectContent(g.Lang),
		},
		IdleBefore: now.Add(-s.Policy.Idle),
		OwesTurn:   true,
		Owner:      s.claimant(),
		Now:        now,
	}
	if !h.greetingDue(g.Mode, step.IdleBefore) {
		return nil
	}
	if h.anew(g.Mode) {
		step.IdleBefore = now.Add(time.Hour * 24 * 365)
	}
	if err := s.answerer(ctx, c, h, &step); err != nil {
		return err
	}
	s.fold(c.Channel, h, &step)
	if step.Fold != nil && len(step.Fold.Reply.Entries) == 0 && !h.anew(g.Mode) {
		// An assistant that greets nobody: no need to record each page load.
		return nil
	}
	_, err := s.commit(ctx, c, h, step, nil)
	return err
}

func connectContent(lang string) chat.Content {
	c := chat.EventContent(chat.EventConnect)
	c.Lang = lang
	return c
}

// anew reports whether the mode ends the open episode.
func (h *handling) anew(mode channel.GreetingMode) bool {
	if !h.episode.Open() {
		return false
	}
	withPerson := h.episode.Control == chat.ControlQueue || h.episode.Control == chat.ControlHuman
	return mode == channel.GreetAnew || mode == channel.GreetAnewUnlessHuman && !withPerson
}

func (h *handling) greetingDue(mode channel.GreetingMode, idleBefore time.Time) bool {
	fresh := h.fresh(idleBefore)
	switch {
	case h.lastMark == chat.MarkWelcome && h.episode.Open():
		return false
	case h.openTurns > 0 && !h.anew(mode):
		return false
	case mode == channel.GreetIfNew:
		return !h.episode.Open()
	case mode == channel.GreetIfIdle:
		return fresh
	default:
		return fresh || h.anew(mode) || h.episode.Control == chat.ControlAssistant
	}
}
