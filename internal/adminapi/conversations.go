package adminapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// Conversation is one conversation in a list.
type Conversation struct {
	ID          chat.ConversationID `json:"id"`
	Channel     chat.ChannelID      `json:"channel"`
	ChannelName string              `json:"channel_name,omitempty" doc:"Empty when the channel was deleted."`
	Contact     chat.ContactID      `json:"contact"`
	// User is the contact's id on the channel.
	User     string `json:"user,omitempty" doc:"The contact's id on the channel."`
	Name     string `json:"name,omitempty"`
	Verified bool   `json:"verified" doc:"A signature vouches for the user."`
	Entries  int64  `json:"entries" doc:"All entries, events included."`
	Messages int64  `json:"messages" doc:"What the contact sees."`

	CreatedAt time.Time  `json:"created_at"`
	LastAt    *time.Time `json:"last_at,omitempty"`
}

// ConversationList is a page of conversations, newest made first.
type ConversationList struct {
	Conversations []Conversation `json:"conversations"`
	// Next is what to pass as before for the next page; empty at the end.
	Next chat.ConversationID `json:"next,omitempty" doc:"Pass it as before for the next page; empty at the end."`
}

// Episode is how a conversation is, or was last, handled.
type Episode struct {
	ID        chat.EpisodeID `json:"id"`
	Open      bool           `json:"open"`
	Control   chat.Control   `json:"control"`
	Epoch     int64          `json:"epoch"`
	Assistant string         `json:"assistant,omitempty"`
	Version   int64          `json:"version,omitempty"`
	Queue     string         `json:"queue,omitempty"`
	Agent     string         `json:"agent,omitempty"`
	Outcome   string         `json:"outcome,omitempty"`
	OpenedAt  time.Time      `json:"opened_at"`
	ClosedAt  *time.Time     `json:"closed_at,omitempty"`
}

// Entry is one line of a conversation.
type Entry struct {
	ID         string          `json:"id"`
	Seq        int64           `json:"seq"`
	VisibleSeq int64           `json:"visible_seq,omitempty"`
	At         time.Time       `json:"at"`
	Author     chat.Author     `json:"author"`
	Purpose    chat.Purpose    `json:"purpose"`
	Visibility chat.Visibility `json:"visibility"`
	Target     int64           `json:"target,omitempty"`
	Content    json.RawMessage `json:"content" doc:"The content as it is stored; text is always a readable fall-back."`
	EditedAt   *time.Time      `json:"edited_at,omitempty"`
	Deleted    bool            `json:"deleted,omitempty"`
}

// Turn is an answer owed to a contact.
type Turn struct {
	Conversation chat.ConversationID `json:"conversation"`
	Status       chat.TurnStatus     `json:"status"`
	FirstSeq     int64               `json:"first_seq"`
	LastSeq      int64               `json:"last_seq"`
	Attempts     int                 `json:"attempts"`
	DueAt        time.Time           `json:"due_at"`
	LastError    string              `json:"last_error,omitempty"`
}

// TurnList is turns, newest first.
type TurnList struct {
	Turns []Turn `json:"turns"`
}

// ConversationDetails is one conversation with a page of its log.
type ConversationDetails struct {
	Conversation Conversation `json:"conversation"`
	Episode      *Episode     `json:"episode,omitempty"`
	Turns        []Turn       `json:"turns" doc:"The newest turns."`
	Entries      []Entry      `json:"entries"`
	// Next is what to pass as after for the next page; 0 at the end.
	Next int64 `json:"next,omitempty" doc:"Pass it as after for the next page; 0 at the end."`
}

type (
	listInput struct {
		Channel string `query:"channel" doc:"A channel's name or id."`
		Search  string `query:"search" maxLength:"200" doc:"Part of the user's id."`
		Before  string `query:"before" doc:"Continue after this conversation."`
		Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	}
	listOutput struct{ Body ConversationList }
	showInput  struct {
		ID    string `path:"id" doc:"A conversation's id, cv-..."`
		After int64  `query:"after" minimum:"0" doc:"Only entries with a higher sequence number."`
		Limit int    `query:"limit" minimum:"1" maximum:"500" default:"200"`
	}
	showOutput struct{ Body ConversationDetails }
	turnsInput struct {
		Status       string `query:"status" enum:"waiting,claimed,done,failed,dropped" doc:"Only turns in this state."`
		Conversation string `query:"conversation" doc:"Only turns of this conversation."`
		Limit        int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	}
	turnsOutput struct{ Body TurnList }
)

func (a *api) registerConversations(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/conversations", "list-conversations", "List conversations, newest first", ScopeConversationsRead), a.listConversations)
	huma.Register(h, op(http.MethodGet, "/conversations/{id}", "get-conversation", "Show a conversation's log and handling", ScopeConversationsRead), a.getConversation)
	huma.Register(h, op(http.MethodGet, "/turns", "list-turns", "List answers owed, newest first", ScopeConversationsRead), a.listTurns)
}

func (a *api) listConversations(ctx context.Context, in *listInput) (*listOutput, error) {
	filter := store.ConversationFilter{Search: in.Search, Limit: in.Limit}
	names, err := a.channelNames(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	if in.Channel != "" {
		if filter.Channel, err = a.channelOf(ctx, names, in.Channel); err != nil {
			return nil, a.fail(ctx, err)
		}
	}
	if in.Before != "" {
		before, err := a.Conversations.ConversationByID(ctx, chat.ConversationID(in.Before))
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		filter.Before = before.Key
	}
	found, err := a.Conversations.ListConversations(ctx, filter)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	list := ConversationList{Conversations: make([]Conversation, 0, len(found))}
	for _, c := range found {
		one, err := a.view(ctx, c, names)
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		list.Conversations = append(list.Conversations, one)
	}
	if len(found) == in.Limit {
		list.Next = found[len(found)-1].ID
	}
	return &listOutput{Body: list}, nil
}

func (a *api) getConversation(ctx context.Context, in *showInput) (*showOutput, error) {
	details, err := a.details(ctx, in)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &showOutput{Body: details}, nil
}

func (a *api) details(ctx context.Context, in *showInput) (ConversationDetails, error) {
	var d ConversationDetails
	c, err := a.Conversations.ConversationByID(ctx, chat.ConversationID(in.ID))
	if err != nil {
		return d, err
	}
	names, err := a.channelNames(ctx)
	if err != nil {
		return d, err
	}
	if d.Conversation, err = a.view(ctx, c, names); err != nil {
		return d, err
	}
	handling, err := a.Conversations.Handling(ctx, c.Key)
	if err != nil {
		return d, err
	}
	d.Episode = episodeView(handling.Episode)
	const newestTurns = 20
	turns, err := a.Conversations.Turns(ctx, store.TurnFilter{Conversation: c.Key, Limit: newestTurns})
	if err != nil {
		return d, err
	}
	d.Turns = make([]Turn, 0, len(turns))
	for _, t := range turns {
		d.Turns = append(d.Turns, turnView(t, c.ID))
	}
	entries, err := a.Conversations.Entries(ctx, c.Key, in.After, in.Limit)
	if err != nil {
		return d, err
	}
	d.Entries = make([]Entry, 0, len(entries))
	for _, e := range entries {
		one, err := entryView(e, c)
		if err != nil {
			return d, err
		}
		d.Entries = append(d.Entries, one)
	}
	if len(entries) == in.Limit {
		d.Next = entries[len(entries)-1].Seq
	}
	return d, nil
}

func (a *api) listTurns(ctx context.Context, in *turnsInput) (*turnsOutput, error) {
	filter := store.TurnFilter{Status: chat.TurnStatus(in.Status), Limit: in.Limit}
	ids := map[chat.ConversationKey]chat.ConversationID{}
	if in.Conversation != "" {
		c, err := a.Conversations.ConversationByID(ctx, chat.ConversationID(in.Conversation))
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		filter.Conversation, ids[c.Key] = c.Key, c.ID
	}
	found, err := a.Conversations.Turns(ctx, filter)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	list := TurnList{Turns: make([]Turn, 0, len(found))}
	for _, t := range found {
		id, known := ids[t.Conversation]
		if !known {
			c, err := a.Conversations.Conversation(ctx, t.Conversation)
			if err != nil {
				return nil, a.fail(ctx, err)
			}
			id = c.ID
			ids[t.Conversation] = id
		}
		list.Turns = append(list.Turns, turnView(t, id))
	}
	return &turnsOutput{Body: list}, nil
}

// channelIndex maps channel ids to names and back.
type channelIndex map[chat.ChannelID]string

func (a *api) channelNames(ctx context.Context) (channelIndex, error) {
	all, err := a.Catalog.Channels(ctx)
	if err != nil {
		return nil, err
	}
	index := make(channelIndex, len(all))
	for _, c := range all {
		index[c.ID] = c.Name
	}
	return index, nil
}

// channelOf finds the channel that a caller names, by name or id. The id of a
// channel that was deleted will do while there are conversations of it.
func (a *api) channelOf(ctx context.Context, names channelIndex, nameOrID string) (chat.ChannelID, error) {
	id := chat.ChannelID(nameOrID)
	if _, known := names[id]; known {
		return id, nil
	}
	there := make([]string, 0, len(names))
	for id, name := range names {
		if name == nameOrID {
			return id, nil
		}
		there = append(there, name)
	}
	found, err := a.Conversations.ListConversations(ctx, store.ConversationFilter{Channel: id, Limit: 1})
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return id, nil
	}
	slices.Sort(there)
	known := "there are none yet"
	if len(there) > 0 {
		known = "there is: " + strings.Join(there, ", ")
	}
	return "", fault.New(fault.NotFound, "there is no channel %q; %s", nameOrID, known)
}

func (a *api) view(ctx context.Context, c chat.Conversation, names channelIndex) (Conversation, error) {
	v := Conversation{
		ID: c.ID, Channel: c.Channel, ChannelName: names[c.Channel], Contact: c.ContactID,
		Entries: c.Seq, Messages: c.VisibleSeq, CreatedAt: c.CreatedAt, LastAt: timeOrNil(c.LastAt),
	}
	person, err := a.Conversations.Person(ctx, c.Contact, c.Channel)
	switch {
	case fault.Is(err, fault.NotFound):
	case err != nil:
		return v, err
	default:
		v.User, v.Name, v.Verified = person.ExternalID, person.Name, person.Verified
	}
	return v, nil
}

func episodeView(e chat.Episode) *Episode {
	if e.Key == 0 {
		return nil
	}
	return &Episode{
		ID: e.ID, Open: e.Open(), Control: e.Control, Epoch: e.Epoch, Assistant: e.Assistant, Version: e.Version,
		Queue: e.Queue, Agent: e.Agent, Outcome: e.Outcome, OpenedAt: e.OpenedAt, ClosedAt: timeOrNil(e.ClosedAt),
	}
}

func turnView(t chat.Turn, id chat.ConversationID) Turn {
	return Turn{
		Conversation: id, Status: t.Status, FirstSeq: t.FirstSeq, LastSeq: t.LastSeq,
		Attempts: t.Attempts, DueAt: t.DueAt, LastError: t.LastError,
	}
}

func entryView(e chat.Entry, c chat.Conversation) (Entry, error) {
	content, err := chat.EncodeContent(e.Content)
	if err != nil {
		return Entry{}, err
	}
	return Entry{
		ID: c.EntryID(e.Seq).String(), Seq: e.Seq, VisibleSeq: e.VisibleSeq, At: e.CreatedAt,
		Author: e.Author, Purpose: e.Purpose, Visibility: e.Visibility, Target: e.Target,
		Content: content, EditedAt: timeOrNil(e.EditedAt), Deleted: e.Deleted,
	}, nil
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
