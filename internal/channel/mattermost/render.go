package mattermost

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"parley/internal/channel"
	"parley/internal/chat"
	mm "parley/internal/mattermost"
	"parley/internal/present"
)

// partBody is one request of a delivery, as it is stored.
type partBody struct {
	// Op is "post", "edit" or "delete".
	Op string `json:"op"`
	// Post is what an edit or a deletion is about.
	Post string `json:"post,omitempty"`
	Room string `json:"room,omitempty"`
	Root string `json:"root,omitempty"`
	Text string `json:"text,omitempty"`
	// Buttons become Mattermost buttons when Mattermost can reach us.
	Buttons []buttonBody `json:"buttons,omitempty"`
	// Quick buttons disappear once one is pressed.
	Quick bool `json:"quick,omitempty"`
}

type buttonBody struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

const (
	opPost   = "post"
	opEdit   = "edit"
	opDelete = "delete"
)

const (
	// defaultMaxPost is the most runes of a post, unless the server says less.
	defaultMaxPost = 16383
	// maxButtons and maxValue bound what is made a button; the rest are words
	// to type.
	maxButtons = 50
	maxValue   = 1000
)

// Render implements [channel.Sender]: a message becomes one post or, when it is
// long, several. What can be pressed is always there as words too.
func (d *Driver) Render(ctx context.Context, o channel.Outgoing) ([][]byte, error) {
	at, ok := parsePlace(o.Leg.Place)
	if !ok {
		return nil, permanent(fmt.Errorf("%q is no place in Mattermost", o.Leg.Place))
	}
	limit := defaultMaxPost
	if l := d.link(o.Leg.Channel); l != nil {
		limit = l.postLimit()
	}
	var parts []partBody
	switch o.Entry.Purpose {
	case chat.Message:
		parts = messageParts(at, o.Entry.Content, limit)
	case chat.Edit:
		targets, err := d.standing(ctx, o.Leg.Channel, inOrder(o.Targets))
		if err != nil {
			return nil, err
		}
		parts = editParts(at, o.Entry.Content, limit, targets)
	case chat.Deletion:
		for _, t := range inOrder(o.Targets) {
			parts = append(parts, partBody{Op: opDelete, Post: postOf(t.External)})
		}
	}
	return encodeParts(parts)
}

func (l *link) postLimit() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.maxPost >= 1000 {
		return l.maxPost
	}
	return defaultMaxPost
}

// inOrder sorts references as their posts follow each other, those that an edit
// added last, and leaves out those without an id.
func inOrder(refs []chat.Reference) []chat.Reference {
	var out []chat.Reference
	for _, r := range refs {
		if r.External != "" {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b chat.Reference) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Part, b.Part))
	})
	return out
}

// standing leaves out which of several posts are gone, such as those that an
// earlier edit had no more need of. Of one alone that shows when it is edited.
func (d *Driver) standing(ctx context.Context, id chat.ChannelID, refs []chat.Reference) ([]chat.Reference, error) {
	if len(refs) < 2 {
		return refs, nil
	}
	l, _, err := d.ready(ctx, id)
	if err != nil {
		return nil, err
	}
	var out []chat.Reference
	for _, ref := range refs {
		_, err := l.client.Post(ctx, postOf(ref.External))
		switch {
		case mm.IsNotFound(err):
			continue
		case err != nil && mm.StatusOf(err) != http.StatusForbidden:
			return nil, sendError(err)
		}
		out = append(out, ref)
	}
	return out, nil
}

// texts is content as the texts of posts.
func texts(c chat.Content, limit int) []string {
	return present.Parts(present.Markdown(c, present.MarkdownOptions{Choices: true}), limit)
}

func messageParts(at place, c chat.Content, limit int) []partBody {
	var parts []partBody
	for _, text := range texts(c, limit) {
		parts = append(parts, partBody{Op: opPost, Room: at.room, Root: at.root, Text: text})
	}
	if n := len(parts); n > 0 {
		parts[n-1].Buttons = buttonsOf(c)
		parts[n-1].Quick = c.Choices != nil && c.Choices.Style == chat.StyleQuickReplies
	}
	return parts
}

// editParts changes the posts of an earlier message to say something else: as
// many as there are, more where it has become longer, fewer where shorter.
func editParts(at place, c chat.Content, limit int, targets []chat.Reference) []partBody {
	if len(targets) == 0 {
		return nil // it never arrived
	}
	said := texts(c, limit)
	var parts []partBody
	for i, text := range said {
		if i < len(targets) {
			parts = append(parts, partBody{Op: opEdit, Post: postOf(targets[i].External), Text: text})
		} else {
			parts = append(parts, partBody{Op: opPost, Room: at.room, Root: at.root, Text: text})
		}
	}
	for _, t := range targets[min(len(said), len(targets)):] {
		parts = append(parts, partBody{Op: opDelete, Post: postOf(t.External)})
	}
	return parts
}

// buttonsOf is what can be pressed to say something; addresses are links in the
// text.
func buttonsOf(c chat.Content) []buttonBody {
	var all []buttonBody
	for _, o := range present.Options(c) {
		if o.URL == "" && o.Value != "" && len(o.Value) <= maxValue && len(all) < maxButtons {
			all = append(all, buttonBody{Title: o.Title, Value: o.Value})
		}
	}
	return all
}

func encodeParts(parts []partBody) ([][]byte, error) {
	var out [][]byte
	for _, p := range parts {
		b, err := json.Marshal(p)
		if err != nil {
			return nil, permanent(fmt.Errorf("encode part: %w", err))
		}
		out = append(out, b)
	}
	return out, nil
}

func decodePart(p chat.Part) (partBody, error) {
	var b partBody
	if err := json.Unmarshal(p.Body, &b); err != nil {
		return b, permanent(fmt.Errorf("read part: %w", err))
	}
	if b.Op != opPost && b.Op != opEdit && b.Op != opDelete {
		return b, permanent(errors.New("a part of an unknown kind"))
	}
	return b, nil
}

func permanent(cause error) *channel.SendError {
	return &channel.SendError{Outcome: channel.SendPermanent, Cause: cause}
}
