package adminapitest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// Deliveries keeps deliveries in memory, as the store's contract says.
type Deliveries struct {
	mu     sync.Mutex
	rows   []chat.Delivery
	parts  map[chat.DeliveryKey][]chat.Part
	actors []string
}

// Add puts a delivery in place; keys grow with each.
func (d *Deliveries) Add(one chat.Delivery, parts ...chat.Part) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.parts == nil {
		d.parts = make(map[chat.DeliveryKey][]chat.Part)
	}
	d.rows = append(d.rows, one)
	d.parts[one.Key] = parts
}

// Actors are who changed deliveries, in order.
func (d *Deliveries) Actors() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.actors)
}

// Delivery returns one with its parts, or fault.NotFound.
func (d *Deliveries) Delivery(_ context.Context, key chat.DeliveryKey) (chat.Delivery, []chat.Part, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one, err := d.find(key)
	if err != nil {
		return chat.Delivery{}, nil, err
	}
	return *one, d.parts[key], nil
}

func (d *Deliveries) find(key chat.DeliveryKey) (*chat.Delivery, error) {
	for i := range d.rows {
		if d.rows[i].Key == key {
			return &d.rows[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "there is no delivery %d", key)
}

// Deliveries lists them, newest first.
func (d *Deliveries) Deliveries(_ context.Context, f store.DeliveryFilter) (found []chat.Delivery, _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range slices.Backward(d.rows) {
		status := f.Status == one.Status || f.Status == "" && (isOpen(one.Status) || one.Status == chat.DeliveryFailed)
		if status && (f.Channel == "" || f.Channel == one.Channel) && (f.Conversation == 0 || f.Conversation == one.Conversation) &&
			(f.Before == 0 || one.Key < f.Before) && len(found) < f.Limit {
			found = append(found, one)
		}
	}
	return found, nil
}

// DeliveryCounts counts them by channel.
func (d *Deliveries) DeliveryCounts(context.Context) (all []store.DeliveryCount, _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.rows {
		i := slices.IndexFunc(all, func(c store.DeliveryCount) bool { return c.Channel == one.Channel })
		if i < 0 {
			i, all = len(all), append(all, store.DeliveryCount{Channel: one.Channel})
		}
		switch {
		case isOpen(one.Status):
			all[i].Open++
		case one.Status == chat.DeliveryFailed:
			all[i].Failed++
		}
	}
	return all, nil
}

func isOpen(s chat.DeliveryStatus) bool {
	return s == chat.DeliveryWaiting || s == chat.DeliveryClaimed
}

// Commit implements [store.Writer] for an operator's word.
func (d *Deliveries) Commit(_ context.Context, step store.Step) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := step.(store.ChangeDelivery)
	if !ok {
		return nil, fmt.Errorf("unexpected %T", step)
	}
	one, err := d.find(s.Delivery)
	if err != nil {
		return nil, err
	}
	switch {
	case s.Verb == "resend" && one.Status != chat.DeliverySent && one.Status != chat.DeliveryClaimed:
		one.Status, one.DueAt = chat.DeliveryWaiting, s.Now
	case s.Verb == "drop" && one.Status != chat.DeliverySent && one.Status != chat.DeliveryDropped:
		one.Status, one.EndedAt = chat.DeliveryDropped, s.Now
	default:
		return nil, fault.New(fault.Conflict, "delivery %d is %s already", s.Delivery, one.Status)
	}
	d.actors = append(d.actors, s.Actor)
	return store.ChangedDelivery{Delivery: *one}, nil
}
