package mmwebhook

import (
	"parley/internal/chat"
	"parley/internal/present"
)

// response is the answer to a call of an outgoing webhook; see section "Outgoing
// webhooks" of Mattermost's documentation. Without a text nothing is posted.
type response struct {
	Text        *string        `json:"text,omitempty"`
	Username    string         `json:"username,omitempty"`
	IconURL     string         `json:"icon_url,omitempty"`
	Attachments []attachment   `json:"attachments,omitempty"`
	Props       map[string]any `json:"props,omitempty"`
}

// attachment holds buttons and nothing else: what is said stands in the text,
// where mentions are broken.
type attachment struct {
	Actions []button `json:"actions"`
}

// respond makes the response that posts a text.
func (h *hook) respond(text string, buttons []button) response {
	r := response{Text: &text, Username: h.body.Bot.Name, IconURL: h.body.Bot.Icon, Props: props()}
	if len(buttons) > 0 {
		r.Attachments = []attachment{{Actions: buttons}}
	}
	return r
}

// props keep people's clients from loading remote pictures.
func props() map[string]any { return map[string]any{"unsafe_links": "true"} }

// carried makes the response that brings instant answers: one post for all,
// with the buttons of the last of them that has any.
func (d *Driver) carried(h *hook, conv chat.Conversation, entries []chat.Entry) response {
	text := carriedText(entries)
	if text == "" {
		return response{}
	}
	var buttons []button
	for i := len(entries) - 1; i >= 0 && len(buttons) == 0; i-- {
		buttons = d.sign(h, present.Options(entries[i].Content), pressable{
			Channel: h.id, Conversation: conv.ID, Seq: entries[i].Seq, First: entries[0].Seq, Last: entries[len(entries)-1].Seq,
		})
	}
	return h.respond(text, buttons)
}

// carriedText is what instant answers say, with choices as words to type too;
// empty for nothing.
func carriedText(entries []chat.Entry) string {
	var all []chat.Content
	for _, e := range entries {
		if e.Purpose == chat.Message && e.Visibility == chat.VisibleToAll {
			all = append(all, e.Content)
		}
	}
	return responseText(all)
}
