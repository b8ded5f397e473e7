package delivery_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// A part that may have arrived is looked for before it is sent again.
func TestUncertain(t *testing.T) {
	for name, test := range map[string]struct {
		arrives, blind bool
		err            error
		sends          int
		again          float64
	}{
		"arrived":            {arrives: true, err: says(channel.SendUncertain, false), sends: 1},
		"not arrived":        {err: says(channel.SendUncertain, false), sends: 1},
		"arrived, blind":     {arrives: true, blind: true, err: says(channel.SendUncertain, false), sends: 2, again: 1},
		"unjudged":           {arrives: true, err: errors.New("eof"), sends: 1},
		"unknown judgement":  {arrives: true, err: says("odd", false), sends: 1},
		"certain it did not": {blind: true, err: says(channel.SendTemporary, false), sends: 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := begin(t)
				b.blind = test.blind
				tries := 0
				b.send = func(_ channel.Outgoing, p chat.Part) (bool, error) {
					if string(p.Body) == "b" {
						if tries++; tries == 1 {
							return test.arrives, test.err
						}
					}
					return true, nil
				}
				key := b.say(1, ch, "a\nb\nc")
				after(time.Minute)
				want(t, "status", b.at(key).Status, chat.DeliverySent)
				arrived := 0
				for _, text := range b.got() {
					if text == "b" {
						arrived++
					}
				}
				want(t, "part b arrived", arrived, test.sends)
				want(t, "sent again", b.metric(t, "parley_delivery_sent_again_total", string(ch)), test.again)
				want(t, "reference", b.at(key).parts[1].External, "ref-"+b.at(key).parts[1].ID)
			})
		})
	}
}

// Doubt outlives failures to find out, a restart, and an operator's word.
func TestDoubtStays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		b.send = func(channel.Outgoing, chat.Part) (bool, error) { return true, says(channel.SendUncertain, false) }
		looks := 0
		b.find = func(channel.Outgoing) error {
			switch looks++; {
			case looks == 1:
				return says(channel.SendLimited, false)
			case looks < 4:
				return says(channel.SendTemporary, false)
			case looks == 4:
				return says(channel.SendPermanent, false)
			}
			return nil
		}
		key := b.say(1, ch, "a")
		after(time.Minute)
		r := b.at(key)
		want(t, "status", r.Status, chat.DeliveryFailed)
		want(t, "in doubt", r.doubt, true)
		b.end()
		again := on(t, b.memory, b.far, 0)
		b.change(key, func(r *row) { r.Status, r.DueAt = chat.DeliveryWaiting, time.Now() })
		again.Wake()
		synctest.Wait()
		want(t, "status", b.at(key).Status, chat.DeliverySent)
		want(t, "arrived", b.got(), []string{"a"})
	})
}

// A message that was deleted while it was in doubt: its post must be known, so
// that the deletion behind it can take it away.
func TestDeletedInDoubt(t *testing.T) {
	for _, arrives := range []bool{true, false} {
		t.Run(fmt.Sprint("arrived ", arrives), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := begin(t)
				b.send = func(o channel.Outgoing, _ chat.Part) (bool, error) {
					b.change(o.Delivery, func(r *row) { r.entry.Deleted = true })
					return arrives, says(channel.SendUncertain, false)
				}
				key := b.say(1, ch, "a\nb")
				after(time.Minute)
				r := b.at(key)
				want(t, "status", r.Status, chat.DeliveryDropped)
				want(t, "first part is known", r.parts[0].External != "", arrives)
				want(t, "requests", b.asked(ch), 2)
			})
		})
	}
}

func TestPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		b.send = func(o channel.Outgoing, _ chat.Part) (bool, error) {
			if o.Entry.Content.Text == "send" && o.Attempt == 1 {
				panic("a bug")
			}
			return true, nil
		}
		renders := 0
		b.render = func(o channel.Outgoing) ([][]byte, error) {
			switch o.Entry.Content.Text {
			case "render":
				renders++
				panic("a bug")
			case "unjudged":
				return nil, errors.New("odd")
			case "refused":
				return nil, says(channel.SendPermanent, false)
			}
			return [][]byte{[]byte(o.Entry.Content.Text)}, nil
		}
		render, unjudged, refused, send := b.say(1, ch, "render"), b.say(2, ch, "unjudged"), b.say(3, ch, "refused"), b.say(4, ch, "send")
		b.say(1, ch, "behind")
		after(5 * time.Minute)
		for key, status := range map[chat.DeliveryKey]chat.DeliveryStatus{
			render: chat.DeliveryFailed, unjudged: chat.DeliveryFailed, refused: chat.DeliveryFailed, send: chat.DeliverySent,
		} {
			want(t, fmt.Sprint("delivery ", key), b.at(key).Status, status)
		}
		want(t, "renders", renders, 5)
		got := b.got()
		slices.Sort(got)
		want(t, "arrived", got, []string{"behind", "send"})
	})
}
