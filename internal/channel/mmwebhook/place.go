package mmwebhook

import (
	"context"
	"encoding/json"
	"strings"

	"parley/internal/chat"
	mm "parley/internal/mattermost"
)

// place is one person in one channel of Mattermost. The payload does not say
// whether a post is a reply, so threads cannot be told apart, and several
// people write past each other in a channel.
type place struct{ team, room, user string }

// key is the place key.
func (p place) key() string { return "room:" + p.team + ":" + p.room + ":" + p.user }

// parsePlace reads what key writes.
func parsePlace(key string) (place, bool) {
	parts := strings.Split(key, ":")
	if len(parts) != 4 || parts[0] != "room" {
		return place{}, false
	}
	for _, id := range parts[1:] {
		if !mm.ValidID(id) {
			return place{}, false
		}
	}
	return place{team: parts[1], room: parts[2], user: parts[3]}, true
}

// native is what an entry keeps of where it was said: an incoming webhook
// takes the name of a channel, which may change, and no id.
type native struct {
	ChannelName string `json:"channel_name"`
}

// content completes what somebody said.
func content(c chat.Content, speaker, channelName string) chat.Content {
	c.Speaker = speaker
	b, err := json.Marshal(native{channelName})
	if err != nil {
		return c // cannot be: it is one text
	}
	c.Native = map[string]json.RawMessage{Name: b}
	return c
}

const (
	// namePage and namePages bound the search for the name of a channel.
	namePage  = 50
	namePages = 10
)

// channelName is what the channel of a conversation was called when its contact
// last wrote, or empty when that is too long ago to be found.
func (d *Driver) channelName(ctx context.Context, key chat.ConversationKey) (string, error) {
	for page := range int64(namePages) {
		found, err := d.Store.VisiblePage(ctx, key, chat.Page{Offset: page * namePage, Limit: namePage})
		if err != nil {
			return "", err
		}
		for i := len(found.Entries) - 1; i >= 0; i-- {
			var n native
			raw, ok := found.Entries[i].Content.Native[Name]
			if ok && json.Unmarshal(raw, &n) == nil && validChannelName(n.ChannelName) {
				return n.ChannelName, nil
			}
		}
		if len(found.Entries) < namePage {
			break
		}
	}
	return "", nil
}
