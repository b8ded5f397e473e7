package mmwebhook

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
	"parley/internal/present"
)

const (
	// actionPurpose keeps the signature of a button from being good for
	// anything else.
	actionPurpose = "mattermost-webhook action"
	// actionLife is for how long a button can be pressed.
	actionLife = 90 * 24 * time.Hour
	// maxAction bounds the body of a press, maxSigned its signed context, in
	// bytes.
	maxAction = 64 << 10
	maxSigned = 4 << 10
	// maxButtons bounds the buttons of a post, maxValue what one says in bytes;
	// the rest are words to type.
	maxButtons = 50
	maxValue   = 1000
)

// button is an action of an attachment. Its id is letters and digits: with a
// dash or underscore every press is a 404.
type button struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Type        string      `json:"type"`
	Integration integration `json:"integration"`
}

type integration struct {
	URL     string            `json:"url"`
	Context map[string]string `json:"context"`
}

// pressable is what a button stands for. It is signed; the server gives it to
// nobody but us.
type pressable struct {
	Channel      chat.ChannelID      `json:"c"`
	Conversation chat.ConversationID `json:"v"`
	// Seq is the entry that offers the option, Option its number there, from 0.
	Seq    int64 `json:"s"`
	Option int   `json:"o"`
	// First and Last are the entries of a post that is a response; 0 for one
	// that came through the incoming webhook.
	First int64 `json:"f,omitempty"`
	Last  int64 `json:"l,omitempty"`
}

// sign makes the buttons of options, when Mattermost can reach us. Options that
// open an address are links in the text.
func (d *Driver) sign(h *hook, options []chat.Option, of pressable) []button {
	base := strings.TrimRight(d.CallbackBase(), "/")
	if base == "" {
		return nil
	}
	var all []button
	for i, o := range options {
		title := strings.Join(strings.Fields(o.Title), " ")
		if o.Value == "" || o.URL != "" || title == "" || len(o.Value) > maxValue || len(all) == maxButtons {
			continue
		}
		of.Option = i
		payload, err := json.Marshal(of)
		if err != nil {
			continue // cannot be: all fields are texts and numbers
		}
		all = append(all, button{
			ID: "option" + strconv.Itoa(i+1), Name: title, Type: "button",
			Integration: integration{
				URL:     base + hooksPath + actionsPart,
				Context: map[string]string{"token": d.Signer.Sign(actionPurpose, payload, d.Now().Add(actionLife))},
			},
		})
	}
	return all
}

// press is what Mattermost tells about a pressed button.
type press struct {
	UserID      string `json:"user_id"`
	UserName    string `json:"user_name"`
	ChannelID   string `json:"channel_id"`
	ChannelName string `json:"channel_name"`
	TriggerID   string `json:"trigger_id"`
	Context     struct {
		Token string `json:"token"`
	} `json:"context"`
}

// pressed is the answer to it. Slack's forms are not read in it.
type pressed struct {
	Update    *update `json:"update,omitempty"`
	Ephemeral string  `json:"ephemeral_text,omitempty"`
	Plain     bool    `json:"skip_slack_parsing,omitempty"`
}

// update replaces text and props of the button's post.
type update struct {
	Message string         `json:"message"`
	Props   map[string]any `json:"props"`
}

// whisper is shown to the person who pressed, and to nobody else.
func whisper(text string) pressed { return pressed{Ephemeral: text, Plain: true} }

const (
	sayForeign = "This button is not valid any more. Please type what you want instead."
	sayOld     = "This button is too old. Please type what you want instead."
	sayBusy    = "That could not be stored right now. Please press again in a moment."
	sayNotYou  = "This button belongs to somebody else's question. Please ask yourself."
)

// action takes a pressed button. Nothing in the call is signed by Mattermost;
// what makes it genuine is the signed context.
func (d *Driver) action(w http.ResponseWriter, r *http.Request) {
	if !d.onlyPost(w, r, "Mattermost calls it when a button is pressed") {
		return
	}
	body, err := readBody(w, r, maxAction)
	var p press
	if err == nil {
		if bad := json.Unmarshal(body, &p); bad != nil || !mm.ValidID(p.UserID) {
			err = fault.Wrap(bad, fault.Invalid, "the body is not a pressed button of Mattermost")
		}
	}
	if err != nil {
		d.metrics.clicks.WithLabelValues(resultInvalid).Inc()
		d.refuse(w, err)
		return
	}
	answer, result := d.press(r.Context(), p)
	d.metrics.clicks.WithLabelValues(result).Inc()
	d.write(w, http.StatusOK, answer)
}

// press takes one pressed button and says what to answer, and what became of it
// in one word for the metric.
func (d *Driver) press(ctx context.Context, p press) (pressed, string) {
	if len(p.Context.Token) > maxSigned {
		return whisper(sayForeign), resultBadToken
	}
	signed, err := d.Signer.Open(actionPurpose, p.Context.Token, d.Now())
	if err != nil {
		if signed != nil {
			return whisper(sayOld), resultExpired
		}
		return whisper(sayForeign), resultBadToken
	}
	var of pressable
	if json.Unmarshal(signed, &of) != nil || d.hook(of.Channel) == nil {
		return whisper(sayForeign), resultBadToken
	}
	answer, result, err := d.click(ctx, d.hook(of.Channel), of, p)
	if err != nil {
		d.Logger.Warn("a pressed button could not be taken", "error", err)
		return whisper(sayBusy), resultFailed
	}
	return answer, result
}

// click stores what a press says. A button works in the channel where it was
// shown and for the person whose question it answers, and nowhere else.
func (d *Driver) click(ctx context.Context, h *hook, of pressable, p press) (pressed, string, error) {
	conv, err := d.Store.ConversationByID(ctx, of.Conversation)
	if fault.Is(err, fault.NotFound) {
		return whisper(sayOld), resultExpired, nil
	}
	if err != nil {
		return pressed{}, "", err
	}
	at, ok := parsePlace(conv.Place)
	switch {
	case !ok || conv.Channel != h.id || p.ChannelID != at.room:
		return whisper(sayForeign), resultForeign, nil
	case p.UserID != at.user:
		return whisper(sayNotYou), resultForeign, nil
	}
	first, last := of.Seq, of.Seq
	if of.First > 0 {
		first, last = of.First, of.Last
	}
	entries, err := d.Store.EntriesBetween(ctx, conv.Key, first, last)
	if err != nil {
		return pressed{}, "", err
	}
	offer, option, ok := optionOf(entries, of)
	if !ok {
		return whisper(sayOld), resultExpired, nil
	}
	o, err := d.open(ctx, h, at, p.UserName)
	if err != nil {
		return pressed{}, "", err
	}
	quick := offer.Content.Choices != nil && offer.Content.Choices.Style == chat.StyleQuickReplies
	in := channel.Inbound{
		Conversation: conv, Speaker: o.Speaker, Purpose: chat.Message,
		Content:   content(chat.ClickContent(option.Value, option.Title), p.UserName, p.ChannelName),
		DedupeKey: clickKey(of, p, quick), KeyDecides: true,
		// Without an incoming webhook, what comes at once is whispered.
		Carry: h.client == nil,
	}
	receipt, err := d.Gateway.Accept(ctx, in)
	if err != nil {
		return pressed{}, "", err
	}
	var answer pressed
	if text := carriedText(receipt.Carried); text != "" {
		answer = whisper(text)
	}
	if quick {
		answer.Update = withoutButtons(entries, offer, of)
	}
	if receipt.Duplicate {
		return answer, resultRepeat, nil
	}
	return answer, resultAccepted, nil
}

// optionOf finds what was pressed; it is gone when the entry was edited or
// erased meanwhile.
func optionOf(entries []chat.Entry, of pressable) (chat.Entry, chat.Option, bool) {
	for _, e := range entries {
		if e.Seq != of.Seq || e.Deleted {
			continue
		}
		options := present.Options(e.Content)
		if of.Option < 0 || of.Option >= len(options) || options[of.Option].Value == "" {
			break
		}
		return e, options[of.Option], true
	}
	return chat.Entry{}, chat.Option{}, false
}

// clickKey recognises a press that counts already. Of quick replies the first
// press counts; a button can be pressed again, and every press has a trigger id
// of its own. Keys are one space for the whole channel, entries are numbered in
// their conversation.
func clickKey(of pressable, p press, quick bool) string {
	entry := string(of.Conversation) + " " + strconv.FormatInt(of.Seq, 10)
	if quick {
		return "pick:" + entry
	}
	sum := sha256.Sum256([]byte(p.TriggerID + " " + entry + " " + strconv.Itoa(of.Option)))
	return "click:" + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// withoutButtons is the update that takes quick replies off their post. It
// replaces the text too, so it has to say the same again; where that is not
// known, because Mattermost has cut it, the buttons stay.
func withoutButtons(entries []chat.Entry, offer chat.Entry, of pressable) *update {
	var text string
	if of.First > 0 {
		var all []chat.Entry
		for _, e := range entries {
			if e.Seq >= of.First && e.Seq <= of.Last && e.Author.Kind == chat.ByAssistant {
				all = append(all, e)
			}
		}
		text = carriedText(all)
	} else if parts := posts(offer.Content); len(parts) > 0 {
		text = parts[len(parts)-1]
	}
	if text == "" || utf8.RuneCountInString(text) > maxPost {
		return nil
	}
	return &update{Message: text, Props: props()}
}
