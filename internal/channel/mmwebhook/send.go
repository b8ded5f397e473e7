package mmwebhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"parley/internal/channel"
	"parley/internal/chat"
	mm "parley/internal/mattermost"
	"parley/internal/present"
)

// partBody is one post of a delivery, as it is stored.
type partBody struct {
	// Channel is the name of the channel, as in its address.
	Channel string `json:"channel"`
	Text    string `json:"text"`
	// Buttons is set on the part under which the entry's options stand.
	Buttons bool `json:"buttons,omitempty"`
}

var (
	errNoIncoming = errors.New("there is no incoming_url, so only instant answers can be brought; add an incoming webhook to the channel")
	errNoName     = errors.New("the name of the Mattermost channel is not known any more; it is learned when its people write again")
	errDisabled   = errors.New("this channel is disabled or gone")
)

func permanent(cause error) *channel.SendError {
	return &channel.SendError{Outcome: channel.SendPermanent, Cause: cause}
}

// Render implements [channel.Sender]: a message becomes one post or, when it is
// long, several. Nothing that was posted over a webhook can be changed, so an
// edit is said anew and a deletion cannot be told.
func (d *Driver) Render(ctx context.Context, o channel.Outgoing) ([][]byte, error) {
	h := d.hook(o.Leg.Channel)
	switch {
	case h == nil:
		return nil, &channel.SendError{Outcome: channel.SendTemporary, Endpoint: true, Cause: errDisabled}
	case h.client == nil:
		return nil, permanent(errNoIncoming)
	}
	c := o.Entry.Content
	switch o.Entry.Purpose {
	case chat.Message:
	case chat.Edit:
		c.Text = "*(corrected)* " + c.Text
	default:
		return nil, nil
	}
	texts := posts(c)
	if len(texts) == 0 {
		return nil, nil
	}
	name, err := d.channelName(ctx, o.Conversation.Key)
	if err != nil {
		return nil, &channel.SendError{Outcome: channel.SendTemporary, Cause: err}
	}
	if name == "" {
		return nil, permanent(errNoName)
	}
	var bodies [][]byte
	for i, text := range texts {
		b, err := json.Marshal(partBody{Channel: name, Text: text, Buttons: i == len(texts)-1 && o.Entry.Purpose == chat.Message})
		if err != nil {
			return nil, permanent(fmt.Errorf("encode a part: %w", err))
		}
		bodies = append(bodies, b)
	}
	return bodies, nil
}

// incoming is what is posted to an incoming webhook.
type incoming struct {
	Channel     string         `json:"channel"`
	Text        string         `json:"text"`
	Username    string         `json:"username,omitempty"`
	IconURL     string         `json:"icon_url,omitempty"`
	Attachments []attachment   `json:"attachments,omitempty"`
	Props       map[string]any `json:"props"`
}

// Send implements [channel.Sender]. No id comes back.
func (d *Driver) Send(ctx context.Context, o channel.Outgoing, p chat.Part) (string, error) {
	var body partBody
	if err := json.Unmarshal(p.Body, &body); err != nil {
		return "", permanent(fmt.Errorf("read a part: %w", err))
	}
	h := d.hook(o.Leg.Channel)
	switch {
	case h == nil:
		return "", &channel.SendError{Outcome: channel.SendTemporary, Endpoint: true, Cause: errDisabled}
	case h.client == nil:
		return "", permanent(errNoIncoming)
	}
	post := incoming{Channel: body.Channel, Text: body.Text, Username: h.body.Bot.Name, IconURL: h.body.Bot.Icon, Props: props()}
	// With it a person who looks for a post sent twice can tell which are one.
	post.Props["parley"] = map[string]any{"part": p.ID}
	if body.Buttons {
		buttons := d.sign(h, present.Options(o.Entry.Content), pressable{Channel: h.id, Conversation: o.Conversation.ID, Seq: o.Entry.Seq})
		if len(buttons) > 0 {
			post.Attachments = []attachment{{Actions: buttons}}
		}
	}
	if err := h.client.IncomingWebhook(ctx, h.incoming.Reveal(), post); err != nil {
		return "", sendError(err)
	}
	return "", nil
}

// Find implements [channel.Sender]: an incoming webhook cannot be asked.
func (d *Driver) Find(context.Context, channel.Outgoing, chat.Part) (string, bool, error) {
	return "", false, channel.ErrCannotFind
}

// Failed implements [channel.Sender]. A webhook cannot mark a post; the failure
// is in the log, in the metrics and in the list of deliveries.
func (d *Driver) Failed(context.Context, channel.Outgoing) error { return nil }

// sendError says what a failed post means for its delivery. Mattermost's own
// refusals share one error id, so the status decides; one without any id comes
// from something in front of it, and concerns the way as a whole.
func sendError(err error) *channel.SendError {
	e := &channel.SendError{Cause: err}
	delay, limited := mm.Limited(err)
	status, own := mm.StatusOf(err), mm.IDOf(err) != ""
	switch {
	case limited:
		e.Outcome, e.Delay, e.Endpoint = channel.SendLimited, delay, true
	case status == http.StatusNotImplemented:
		// Switched off on the server, for everybody, until somebody switches it on.
		e.Outcome, e.Endpoint = channel.SendTemporary, true
		e.Cause = fmt.Errorf("incoming webhooks are switched off on the server; let an admin switch on EnableIncomingWebhooks: %w", err)
	case mm.Uncertain(err):
		e.Outcome, e.Endpoint = channel.SendUncertain, true
	case own && status >= 400 && status < 500, status == http.StatusInternalServerError && !mm.Temporary(err):
		e.Outcome, e.Cause = channel.SendPermanent, fmt.Errorf("%s: %w", refusedBecause(status), err)
	default:
		e.Outcome, e.Endpoint = channel.SendTemporary, true
	}
	return e
}

// refusedBecause says in the words of an owner what a refusal means.
func refusedBecause(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "the incoming webhook is deleted, or its address is wrong"
	case http.StatusForbidden:
		return "the incoming webhook is locked to another channel, or its creator is not in this one"
	case http.StatusNotFound:
		return "the incoming webhook's team has no channel of this name; it was renamed or archived, or the incoming webhook was made in another team"
	}
	return "the incoming webhook refused it"
}
