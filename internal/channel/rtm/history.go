package rtm

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
)

const (
	defaultLimit = 10
	maxLimit     = 100
	// historyTimeout bounds the answer: W10 and W11 hold every live message
	// back, the welcome included, until their history request is answered.
	historyTimeout = 5 * time.Second
	// deletedText stands where a message was deleted.
	deletedText = "(message deleted)"
)

// historyPage is the answer of the history endpoint.
type historyPage struct {
	Total         int64         `json:"total"`
	MoreAvailable bool          `json:"moreAvailable"`
	Icon          string        `json:"icon,omitempty"`
	Messages      []historyItem `json:"messages"`
}

type historyItem struct {
	ID         string             `json:"_id"`
	Type       string             `json:"type"`
	CreatedBy  string             `json:"createdBy"`
	BotID      string             `json:"botId"`
	Channels   []historyChannel   `json:"channels"`
	Components []historyComponent `json:"components"`
	CreatedOn  string             `json:"createdOn"`
	Timestamp  int64              `json:"timestampValue"`
	Lang       string             `json:"lang,omitempty"`
	ResourceID string             `json:"resourceid"`
	Tags       historyTags        `json:"tags"`
}

type historyChannel struct {
	Type string `json:"type"`
}

type historyComponent struct {
	Type string      `json:"cT"`
	Data historyText `json:"data"`
}

type historyText struct {
	Text string `json:"text"`
}

// historyTags are on every item: React Native fails on the whole page without
// tags, and Android loses the person's own messages without altText.
type historyTags struct {
	AltText     []historyTag `json:"altText"`
	MessageTags []historyTag `json:"messageTags"`
	UserTags    []historyTag `json:"userTags"`
	SessionTags []historyTag `json:"sessionTags"`
}

type historyTag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// history answers a page of what the person has seen, oldest first.
func (d *Driver) history(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), historyTimeout)
	defer cancel()
	a, err := d.authorize(r, "", d.Now())
	if err != nil {
		return err
	}
	query := r.URL.Query()
	if bot := query.Get("botId"); bot != a.Bot {
		return fault.New(fault.Forbidden, "botId: the token was granted for another bot")
	}
	if _, err := d.inForce(a); err != nil {
		return err
	}
	// Live frames that wait for this request may go once it is answered.
	defer d.releaseUser(userKey{channelID(a.Bot), a.place()})
	page, err := d.page(ctx, a, pageOf(query.Get("offset"), query.Get("skip"), query.Get("limit")))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}

func (d *Driver) releaseUser(key userKey) {
	for _, s := range d.sessionsOf(key) {
		s.release()
	}
}

// pageOf reads a page's bounds; what makes no sense becomes the default, since
// clients hold everything back when history fails. skip is the documented name
// of offset.
func pageOf(offset, skip, limit string) chat.Page {
	p := chat.Page{Limit: defaultLimit}
	if n, err := strconv.ParseInt(firstOf(offset, skip), 10, 64); err == nil && n > 0 {
		p.Offset = n
	}
	if n, err := strconv.Atoi(limit); err == nil && n > 0 {
		p.Limit = min(n, maxLimit)
	}
	return p
}

func (d *Driver) page(ctx context.Context, a access, want chat.Page) (historyPage, error) {
	b := d.state.Load().bots[a.Bot]
	if b == nil {
		return historyPage{}, fault.New(fault.Forbidden, "this bot is no longer here")
	}
	out := historyPage{Icon: b.icon, Messages: []historyItem{}}
	conv, err := d.Log.ConversationByPlace(ctx, channelID(a.Bot), a.place())
	switch {
	case fault.Is(err, fault.NotFound):
		return out, nil
	case err != nil:
		return historyPage{}, err
	}
	got, err := d.Log.VisiblePage(ctx, conv.Key, want)
	if err != nil {
		return historyPage{}, err
	}
	out.Total = got.Total
	out.MoreAvailable = want.Offset+int64(want.Limit) < got.Total
	user := userID(a.Bot, a.place())
	for i := range got.Entries {
		if item, ok := itemOf(conv, b, user, &got.Entries[i]); ok {
			out.Messages = append(out.Messages, item)
		}
	}
	return out, nil
}

// itemOf gives the form of one entry. An outgoing text without a word is left
// out, since clients would show an empty bubble or none.
func itemOf(conv chat.Conversation, b *bot, user string, e *chat.Entry) (historyItem, bool) {
	item := historyItem{
		ID: conv.EntryID(e.Seq).String(), Type: "outgoing", CreatedBy: user, BotID: b.id,
		Channels: []historyChannel{{Name}}, CreatedOn: wireTime(e.CreatedAt), Timestamp: e.CreatedAt.UnixMilli(),
		Lang: e.Content.Lang, ResourceID: "messagestore",
		Tags: historyTags{AltText: []historyTag{}, MessageTags: []historyTag{}, UserTags: []historyTag{}, SessionTags: []historyTag{}},
	}
	text := plainText(e.Content)
	switch {
	case e.Deleted:
		text = deletedText
	case e.Author.Kind != chat.ByContact:
		if inner, ok := templateOf(e.Content); ok {
			text = string(inner)
		}
	}
	if e.Author.Kind == chat.ByContact {
		item.Type = "incoming"
		if c := e.Content; !e.Deleted {
			// W10 shows this text and never looks at altText, so for a click it is
			// the title too, and not the value behind it.
			text = c.Display()
			if c.Click != nil && text != c.Input() {
				item.Tags.AltText = append(item.Tags.AltText, historyTag{Name: "text", Value: text})
			}
		}
	}
	if strings.TrimSpace(text) == "" && item.Type == "outgoing" {
		return historyItem{}, false
	}
	item.Components = []historyComponent{{Type: "text", Data: historyText{Text: text}}}
	return item, true
}
