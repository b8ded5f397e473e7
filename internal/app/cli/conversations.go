package cli

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"parley/internal/adminapi"
	"parley/internal/chat"
	"parley/internal/fault"
)

type conversationCmd struct {
	List conversationListCmd `cmd:"" help:"List conversations, newest first."`
	Show conversationShowCmd `cmd:"" help:"Show a conversation's log and how it is handled."`
}

type conversationListCmd struct {
	Channel string `help:"Only this channel (name or id)."`
	Search  string `help:"Only users whose id holds this text."`
	Before  string `placeholder:"ID" help:"Continue after this conversation."`
	Limit   int    `default:"50" help:"How many, at most 500."`
}

// Run lists conversations.
func (c *conversationListCmd) Run(r *run) error {
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	query := queryOf("channel", c.Channel, "search", c.Search, "before", c.Before, "limit", strconv.Itoa(c.Limit))
	list, err := call[adminapi.ConversationList](r.ctx, server, http.MethodGet, "/conversations", query, nil)
	if err != nil {
		return err
	}
	return r.answer(list, func() {
		rows := make([][]string, len(list.Conversations))
		for i, c := range list.Conversations {
			name := c.ChannelName
			if name == "" {
				name = string(c.Channel)
			}
			rows[i] = []string{string(c.ID), name, user(c), strconv.FormatInt(c.Messages, 10), when(c.LastAt)}
		}
		r.table([]string{"ID", "CHANNEL", "USER", "MESSAGES", "LAST"}, rows)
		if list.Next != "" {
			r.note("there are more: --before %s", list.Next)
		}
	})
}

func user(c adminapi.Conversation) string {
	text := orDash(clean(c.User))
	if c.Name != "" && c.Name != c.User {
		text += " (" + clean(c.Name) + ")"
	}
	return text
}

type conversationShowCmd struct {
	ID    string `arg:"" help:"The conversation's id, cv-..."`
	After int64  `help:"Only entries with a higher number."`
	Limit int    `default:"200" help:"How many, at most 500."`
}

// Run shows a conversation.
func (c *conversationShowCmd) Run(r *run) error {
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	query := queryOf("after", strconv.FormatInt(c.After, 10), "limit", strconv.Itoa(c.Limit))
	d, err := call[adminapi.ConversationDetails](r.ctx, server, http.MethodGet, "/conversations"+pathOf(c.ID), query, nil)
	if err != nil {
		return err
	}
	return r.answer(d, func() { r.showConversation(d) })
}

func (r *run) showConversation(d adminapi.ConversationDetails) {
	rows := [][]string{
		{"conversation", string(d.Conversation.ID)},
		{"channel", orDash(d.Conversation.ChannelName) + " " + string(d.Conversation.Channel)},
		{"user", user(d.Conversation)},
	}
	if e := d.Episode; e != nil {
		state := "open, control with " + string(e.Control)
		if !e.Open {
			state = "closed: " + orDash(e.Outcome)
		}
		rows = append(rows, []string{"episode", string(e.ID) + ", " + state},
			[]string{"assistant", e.Assistant + " version " + number(e.Version)})
	}
	for _, t := range d.Turns {
		if t.Status == chat.TurnFailed || t.Status == chat.TurnWaiting || t.Status == chat.TurnClaimed {
			rows = append(rows, []string{"turn", turnText(t)})
		}
	}
	r.table(nil, rows)
	r.say("")
	lines := make([][]string, len(d.Entries))
	for i, e := range d.Entries {
		lines[i] = []string{number(e.Seq), e.At.Local().Format(time.DateTime), authorText(e), entryText(e)}
	}
	r.table(nil, lines)
	if d.Next > 0 {
		r.note("there are more: --after %d", d.Next)
	}
}

func authorText(e adminapi.Entry) string {
	text := string(e.Author.Kind)
	if e.Author.Kind != chat.ByContact && e.Author.ID != "" {
		text += " " + clean(e.Author.ID)
	}
	if e.Visibility == chat.VisibleToDesk {
		text += " (desk)"
	}
	return text
}

func entryText(e adminapi.Entry) string {
	switch {
	case e.Deleted:
		return "(deleted)"
	case e.Purpose == chat.Deletion:
		return "(deletes " + number(e.Target) + ")"
	}
	var content struct {
		Type  string `json:"type"`
		Text  string `json:"text"`
		Event struct {
			Name string `json:"name"`
		} `json:"event"`
		Click *chat.Click `json:"click"`
	}
	// Our own server wrote it; what cannot be read is shown as it is.
	if json.Unmarshal(e.Content, &content) != nil {
		return clean(string(e.Content))
	}
	text := clean(content.Text)
	if content.Click != nil && content.Click.Display != content.Text {
		text = clean(content.Click.Display) + " -> " + text
	}
	switch {
	case content.Type == string(chat.TypeEvent):
		text = "(" + clean(content.Event.Name) + ")"
	case content.Type != string(chat.TypeText):
		text = strings.TrimSpace(text + " [" + content.Type + "]")
	}
	if e.Purpose == chat.Edit {
		text = "(edits " + number(e.Target) + ") " + text
	}
	return text
}

type turnCmd struct {
	List turnListCmd `cmd:"" help:"List answers owed, newest first."`
}

type turnListCmd struct {
	Failed       bool   `help:"Only those that were given up."`
	Status       string `enum:"waiting,claimed,done,failed,dropped," default:"" help:"Only those in this state: waiting, claimed, done, failed or dropped."`
	Conversation string `placeholder:"ID" help:"Only those of this conversation."`
	Limit        int    `default:"50" help:"How many, at most 500."`
}

// Run lists turns.
func (c *turnListCmd) Run(r *run) error {
	status := c.Status
	switch {
	case c.Failed && status != "" && status != string(chat.TurnFailed):
		return fault.New(fault.Invalid, "--failed and --status %s cannot both be", status)
	case c.Failed:
		status = string(chat.TurnFailed)
	}
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	query := queryOf("status", status, "conversation", c.Conversation, "limit", strconv.Itoa(c.Limit))
	list, err := call[adminapi.TurnList](r.ctx, server, http.MethodGet, "/turns", query, nil)
	if err != nil {
		return err
	}
	return r.answer(list, func() {
		rows := make([][]string, len(list.Turns))
		for i, t := range list.Turns {
			rows[i] = []string{
				string(t.Conversation), string(t.Status), number(t.FirstSeq) + "-" + number(t.LastSeq),
				strconv.Itoa(t.Attempts), orDash(clean(t.LastError)),
			}
		}
		r.table([]string{"CONVERSATION", "STATE", "ENTRIES", "ATTEMPTS", "LAST ERROR"}, rows)
	})
}

func turnText(t adminapi.Turn) string {
	text := string(t.Status) + ", entries " + number(t.FirstSeq) + "-" + number(t.LastSeq)
	if t.Attempts > 0 {
		text += ", " + strconv.Itoa(t.Attempts) + " attempts"
	}
	if t.LastError != "" {
		text += ": " + clean(t.LastError)
	}
	return text
}

// queryOf makes a query of pairs, without those whose value is empty.
func queryOf(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}
