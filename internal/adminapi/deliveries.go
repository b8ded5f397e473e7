package adminapi

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"parley/internal/chat"
	"parley/internal/secret"
	"parley/internal/store"
)

// Deliveries reads and changes what is on its way to far sides.
type Deliveries interface {
	store.Writer
	Delivery(ctx context.Context, key chat.DeliveryKey) (chat.Delivery, []chat.Part, error)
	Deliveries(ctx context.Context, f store.DeliveryFilter) ([]chat.Delivery, error)
	DeliveryCounts(ctx context.Context) ([]store.DeliveryCount, error)
}

// Delivery is an entry on its way to a far side.
type Delivery struct {
	ID           chat.DeliveryKey    `json:"id"`
	Conversation chat.ConversationID `json:"conversation"`
	Channel      chat.ChannelID      `json:"channel"`
	ChannelName  string              `json:"channel_name,omitempty" doc:"Empty when the channel was deleted."`
	Entry        string              `json:"entry" doc:"The entry's id."`
	Seq          int64               `json:"seq" doc:"The entry's place in the conversation."`
	Status       chat.DeliveryStatus `json:"status" enum:"waiting,claimed,sent,failed,dropped"`
	Attempts     int                 `json:"attempts" doc:"Attempts that have failed."`
	DueAt        *time.Time          `json:"due_at,omitempty" doc:"When the next attempt may start."`
	LastError    string              `json:"last_error,omitempty"`
	CreatedAt    time.Time           `json:"created_at"`
	EndedAt      *time.Time          `json:"ended_at,omitempty"`
}

// DeliveryList is a page of deliveries, newest first.
type DeliveryList struct {
	Deliveries []Delivery `json:"deliveries"`
	// Next is what to pass as before for the next page; 0 at the end.
	Next chat.DeliveryKey `json:"next,omitempty" doc:"Pass it as before for the next page; left out at the end."`
}

// DeliveryPart is one request of a delivery.
type DeliveryPart struct {
	Number int `json:"number"`
	// ID is the key the far side was given.
	ID       string     `json:"id" doc:"The key under which the far side gets it."`
	Bytes    int        `json:"bytes" doc:"Size of what is sent."`
	External string     `json:"external,omitempty" doc:"The far side's id of what was sent."`
	SentAt   *time.Time `json:"sent_at,omitempty" doc:"Left out until the far side has taken it."`
}

// DeliveryDetails is a delivery with its parts and the beginning of what it says.
type DeliveryDetails struct {
	Delivery Delivery       `json:"delivery"`
	Author   chat.Author    `json:"author"`
	Purpose  chat.Purpose   `json:"purpose"`
	Deleted  bool           `json:"deleted,omitempty" doc:"The entry was deleted."`
	Text     string         `json:"text,omitempty" doc:"The beginning of the entry's text, secrets blanked."`
	Parts    []DeliveryPart `json:"parts" doc:"None before the first attempt."`
}

type (
	deliveriesInput struct {
		Channel      string           `query:"channel" doc:"A channel's name or id."`
		Status       string           `query:"status" enum:"waiting,claimed,sent,failed,dropped" doc:"Only deliveries in this state; open and failed ones when left out."`
		Conversation string           `query:"conversation" doc:"Only deliveries of this conversation."`
		Before       chat.DeliveryKey `query:"before" minimum:"0" doc:"Continue after this delivery."`
		Limit        int              `query:"limit" minimum:"1" maximum:"500" default:"50"`
	}
	deliveriesOutput struct{ Body DeliveryList }
	deliveryInput    struct {
		ID chat.DeliveryKey `path:"id" minimum:"1" doc:"A delivery's id."`
	}
	deliveryOutput        struct{ Body DeliveryDetails }
	deliveryChangedOutput struct{ Body Delivery }
)

func (a *api) registerDeliveries(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/deliveries", "list-deliveries", "List deliveries, newest first", ScopeDeliveriesRead), a.listDeliveries)
	huma.Register(h, op(http.MethodGet, "/deliveries/{id}", "get-delivery", "Show a delivery and its parts", ScopeDeliveriesRead), a.getDelivery)
	huma.Register(h, op(http.MethodPost, "/deliveries/{id}/resend", "resend-delivery",
		"Try a failed, dropped or waiting delivery now; parts that were sent are not sent again", ScopeDeliveriesWrite),
		func(ctx context.Context, in *deliveryInput) (*deliveryChangedOutput, error) {
			return a.changeDelivery(ctx, in.ID, "resend")
		})
	huma.Register(h, op(http.MethodPost, "/deliveries/{id}/drop", "drop-delivery",
		"Give a delivery up; what was sent of it stays", ScopeDeliveriesWrite),
		func(ctx context.Context, in *deliveryInput) (*deliveryChangedOutput, error) {
			return a.changeDelivery(ctx, in.ID, "drop")
		})
}

func (a *api) listDeliveries(ctx context.Context, in *deliveriesInput) (*deliveriesOutput, error) {
	list, err := a.deliveries(ctx, in)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &deliveriesOutput{Body: list}, nil
}

func (a *api) deliveries(ctx context.Context, in *deliveriesInput) (list DeliveryList, err error) {
	names, err := a.channelNames(ctx)
	if err != nil {
		return list, err
	}
	filter := store.DeliveryFilter{Status: chat.DeliveryStatus(in.Status), Before: in.Before, Limit: in.Limit}
	if in.Channel != "" {
		if filter.Channel, err = a.channelOf(ctx, names, in.Channel); err != nil {
			return list, err
		}
	}
	known := make(map[chat.ConversationKey]chat.Conversation)
	if in.Conversation != "" {
		c, err := a.Conversations.ConversationByID(ctx, chat.ConversationID(in.Conversation))
		if err != nil {
			return list, err
		}
		filter.Conversation, known[c.Key] = c.Key, c
	}
	found, err := a.Deliveries.Deliveries(ctx, filter)
	if err != nil {
		return list, err
	}
	list.Deliveries = make([]Delivery, 0, len(found))
	for _, d := range found {
		c, ok := known[d.Conversation]
		if !ok {
			if c, err = a.Conversations.Conversation(ctx, d.Conversation); err != nil {
				return list, err
			}
			known[d.Conversation] = c
		}
		list.Deliveries = append(list.Deliveries, deliveryView(d, c, names))
	}
	if len(found) == in.Limit {
		list.Next = found[len(found)-1].Key
	}
	return list, nil
}

func (a *api) getDelivery(ctx context.Context, in *deliveryInput) (*deliveryOutput, error) {
	details, err := a.deliveryDetails(ctx, in.ID)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &deliveryOutput{Body: details}, nil
}

func (a *api) deliveryDetails(ctx context.Context, key chat.DeliveryKey) (out DeliveryDetails, err error) {
	d, parts, err := a.Deliveries.Delivery(ctx, key)
	if err != nil {
		return out, err
	}
	if out.Delivery, err = a.oneDelivery(ctx, d); err != nil {
		return out, err
	}
	entries, err := a.Conversations.Entries(ctx, d.Conversation, d.Seq-1, 1)
	if err != nil {
		return out, err
	}
	if len(entries) == 1 && entries[0].Seq == d.Seq {
		e := entries[0]
		out.Author, out.Purpose, out.Deleted, out.Text = e.Author, e.Purpose, e.Deleted, beginning(e.Content.Display())
	}
	out.Parts = make([]DeliveryPart, 0, len(parts))
	for _, p := range parts {
		out.Parts = append(out.Parts, DeliveryPart{Number: p.Number, ID: p.ID, Bytes: len(p.Body), External: p.External, SentAt: timeOrNil(p.SentAt)})
	}
	return out, nil
}

// changeDelivery does what an operator asks for, and has it tried at once.
func (a *api) changeDelivery(ctx context.Context, key chat.DeliveryKey, verb string) (*deliveryChangedOutput, error) {
	out, err := store.Do(ctx, a.Deliveries, store.ChangeDelivery{Delivery: key, Verb: verb, Actor: actorOf(ctx), Now: a.Now()})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	if a.DeliveriesChanged != nil {
		a.DeliveriesChanged()
	}
	view, err := a.oneDelivery(ctx, out.Delivery)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &deliveryChangedOutput{Body: view}, nil
}

func (a *api) oneDelivery(ctx context.Context, d chat.Delivery) (Delivery, error) {
	names, err := a.channelNames(ctx)
	if err != nil {
		return Delivery{}, err
	}
	c, err := a.Conversations.Conversation(ctx, d.Conversation)
	if err != nil {
		return Delivery{}, err
	}
	return deliveryView(d, c, names), nil
}

func deliveryView(d chat.Delivery, c chat.Conversation, names channelIndex) Delivery {
	v := Delivery{
		ID: d.Key, Conversation: c.ID, Channel: d.Channel, ChannelName: names[d.Channel], Entry: c.EntryID(d.Seq).String(), Seq: d.Seq,
		Status: d.Status, Attempts: d.Attempts, LastError: d.LastError, CreatedAt: d.CreatedAt, EndedAt: timeOrNil(d.EndedAt),
	}
	if d.Status == chat.DeliveryWaiting {
		v.DueAt = timeOrNil(d.DueAt)
	}
	return v
}

// beginning is enough of a text to know it again.
func beginning(text string) string {
	const most = 200 // runes
	text = strings.TrimSpace(secret.Redact(text))
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most]) + "…"
}
