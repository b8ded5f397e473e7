package cli

import (
	"net/http"
	"strconv"
	"time"

	"parley/internal/adminapi"
	"parley/internal/chat"
)

type deliveryCmd struct {
	List   deliveryListCmd   `cmd:"" help:"List what is on its way to far sides, and what was given up; newest first."`
	Show   deliveryShowCmd   `cmd:"" help:"Show a delivery: what it says, its parts, and what went wrong."`
	Resend deliveryResendCmd `cmd:"" help:"Try a failed, dropped or waiting delivery now. What was sent of it is not sent again."`
	Drop   deliveryDropCmd   `cmd:"" help:"Give a delivery up, so that those behind it go on. What was sent of it stays; resend takes it up again."`
}

type deliveryListCmd struct {
	Channel      string `help:"Only this channel (name or id)."`
	Status       string `enum:"waiting,claimed,sent,failed,dropped," default:"" help:"Only those in this state: waiting, claimed, sent, failed or dropped. Without it: those not sent yet and those that failed."`
	Conversation string `placeholder:"ID" help:"Only those of this conversation."`
	Before       int64  `placeholder:"ID" help:"Continue after this delivery."`
	Limit        int    `default:"50" help:"How many, at most 500."`
}

// Run lists deliveries.
func (c *deliveryListCmd) Run(r *run) error {
	query := queryOf("channel", c.Channel, "status", c.Status, "conversation", c.Conversation, "limit", strconv.Itoa(c.Limit))
	if c.Before != 0 {
		query.Set("before", number(c.Before))
	}
	list, err := ask[adminapi.DeliveryList](r, http.MethodGet, "/deliveries", query, nil)
	if err != nil {
		return err
	}
	return r.answer(list, func() {
		rows := make([][]string, len(list.Deliveries))
		for i, d := range list.Deliveries {
			rows[i] = []string{
				number(int64(d.ID)), deliveryChannel(d), string(d.Status), strconv.Itoa(d.Attempts),
				d.CreatedAt.Local().Format(time.DateTime), when(d.DueAt), d.Entry, orDash(clean(short(d.LastError))),
			}
		}
		r.table([]string{"ID", "CHANNEL", "STATE", "ATTEMPTS", "SINCE", "NEXT", "ENTRY", "LAST ERROR"}, rows)
		if list.Next != 0 {
			r.note("there are more: --before %d", list.Next)
		}
	})
}

func deliveryChannel(d adminapi.Delivery) string {
	if d.ChannelName != "" {
		return d.ChannelName
	}
	return string(d.Channel)
}

// short keeps a table's line readable; show has all of it.
func short(text string) string {
	const most = 80 // runes
	all := []rune(text)
	if len(all) <= most {
		return text
	}
	return string(all[:most]) + "…"
}

type deliveryShowCmd struct {
	ID int64 `arg:"" help:"The delivery's number, as delivery list has it."`
}

// Run shows a delivery.
func (c *deliveryShowCmd) Run(r *run) error {
	d, err := ask[adminapi.DeliveryDetails](r, http.MethodGet, deliveryPath(c.ID), nil, nil)
	if err != nil {
		return err
	}
	return r.answer(d, func() { r.showDelivery(d) })
}

func deliveryPath(id int64) string { return "/deliveries" + pathOf(number(id)) }

func (r *run) showDelivery(d adminapi.DeliveryDetails) {
	one := d.Delivery
	state := string(one.Status)
	switch {
	case one.Attempts == 1:
		state += ", 1 attempt failed"
	case one.Attempts > 1:
		state += ", " + strconv.Itoa(one.Attempts) + " attempts failed"
	}
	rows := [][]string{
		{"delivery", number(int64(one.ID))},
		{"state", state},
		{"channel", orDash(one.ChannelName) + " " + string(one.Channel)},
		{"conversation", string(one.Conversation)},
		{"entry", one.Entry + ", a " + purposeText(d)},
		{"text", orDash(clean(d.Text))},
		{"made", one.CreatedAt.Local().Format(time.DateTime)},
	}
	if one.DueAt != nil {
		rows = append(rows, []string{"next attempt", when(one.DueAt)})
	}
	if one.EndedAt != nil {
		rows = append(rows, []string{"ended", when(one.EndedAt)})
	}
	if one.LastError != "" {
		rows = append(rows, []string{"last error", clean(one.LastError)})
	}
	r.table(nil, rows)
	r.say("")
	if len(d.Parts) == 0 {
		r.say("It has no parts: it was not begun.")
		return
	}
	parts := make([][]string, len(d.Parts))
	for i, p := range d.Parts {
		sent := "not sent"
		if p.SentAt != nil {
			sent = when(p.SentAt)
		}
		parts[i] = []string{strconv.Itoa(p.Number), strconv.Itoa(p.Bytes), sent, orDash(clean(p.External)), p.ID}
	}
	r.table([]string{"PART", "BYTES", "SENT", "ID THERE", "KEY"}, parts)
}

func purposeText(d adminapi.DeliveryDetails) string {
	text := string(d.Purpose)
	if text == "" {
		text = string(chat.Message)
	}
	if d.Deleted {
		text += " (deleted)"
	}
	return text + " by " + authorText(adminapi.Entry{Author: d.Author})
}

type deliveryResendCmd struct {
	ID int64 `arg:"" help:"The delivery's number, as delivery list has it."`
}

// Run has a delivery tried now.
func (c *deliveryResendCmd) Run(r *run) error { return r.changeDelivery(c.ID, "resend") }

type deliveryDropCmd struct {
	ID int64 `arg:"" help:"The delivery's number, as delivery list has it."`
}

// Run gives a delivery up.
func (c *deliveryDropCmd) Run(r *run) error { return r.changeDelivery(c.ID, "drop") }

func (r *run) changeDelivery(id int64, verb string) error {
	d, err := ask[adminapi.Delivery](r, http.MethodPost, deliveryPath(id)+"/"+verb, nil, nil)
	if err != nil {
		return err
	}
	return r.answer(d, func() {
		r.say("delivery %d to %s is %s now", d.ID, deliveryChannel(d), d.Status)
		if verb == "resend" && d.Status == chat.DeliveryWaiting {
			r.note("a running server tries it at once, unless its channel does not answer; `parley delivery show %d` tells", d.ID)
		}
	})
}
