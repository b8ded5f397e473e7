package delivery

import (
	"cmp"
	"context"
	"slices"
	"time"

	"parley/internal/chat"
)

// EndpointState says whether an endpoint takes deliveries.
type EndpointState string

// The states of an endpoint.
const (
	// EndpointOpen takes deliveries, as far as this node knows.
	EndpointOpen EndpointState = "open"
	// EndpointShut takes none; it is probed from time to time.
	EndpointShut EndpointState = "shut"
	// EndpointProbed is shut and has a probe due or under way.
	EndpointProbed EndpointState = "probed"
)

// Status is what there is to know about deliveries.
type Status struct {
	// Running is how many deliveries this node has in hand.
	Running int
	// Endpoints are those with open or failed deliveries or with failures,
	// sorted by channel.
	Endpoints []Endpoint
}

// Endpoint is one channel that deliveries go to.
type Endpoint struct {
	Channel chat.ChannelID
	// Open are waiting or under way, Failed were given up, on all nodes.
	Open, Failed int64
	// OldestOpen is when the oldest open one was made; zero for none.
	OldestOpen time.Time
	// State and what follows is what this node knows.
	State EndpointState
	// Failures counts those of the endpoint since it last answered.
	Failures int
	// ShutSince and NextProbe are zero for an open endpoint.
	ShutSince, NextProbe time.Time
	LastError            string
}

// Status reads the counts and adds what this node knows of its endpoints.
func (s *Service) Status(ctx context.Context) (Status, error) {
	counts, err := s.Store.DeliveryCounts(ctx)
	if err != nil {
		return Status{}, err
	}
	byChannel := make(map[chat.ChannelID]*Endpoint)
	at := func(ch chat.ChannelID) *Endpoint {
		if byChannel[ch] == nil {
			byChannel[ch] = &Endpoint{Channel: ch, State: EndpointOpen}
		}
		return byChannel[ch]
	}
	for _, c := range counts {
		e := at(c.Channel)
		e.Open, e.Failed, e.OldestOpen = c.Open, c.Failed, c.OldestOpen
	}
	now := s.Now()
	for ch, g := range s.gates.known() {
		e := at(ch)
		e.Failures, e.LastError = g.failures, g.lastError
		if !g.shut {
			continue
		}
		e.State, e.ShutSince, e.NextProbe = EndpointShut, g.since, g.probeAt
		if !now.Before(g.probeAt) {
			e.State = EndpointProbed
		}
	}
	out := Status{Running: s.work.running()}
	for _, e := range byChannel {
		out.Endpoints = append(out.Endpoints, *e)
	}
	slices.SortFunc(out.Endpoints, func(a, b Endpoint) int { return cmp.Compare(a.Channel, b.Channel) })
	return out, nil
}
