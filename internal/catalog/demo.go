package catalog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"parley/internal/fault"
	"parley/internal/store"
)

// The demo's two items. An owner may use the names too: what is applied under
// them stops being the demo.
const (
	demoName = "demo"
	demoType = "rtm"
	demoKind = "flow"
	// demoSecretID holds what [Service.EnsureDemo] returns, so that the file
	// for SDKs can be written again after a kill between commit and file.
	demoSecretID = "catalog/demo"
)

// Demo is what a client SDK needs to talk to the demo.
type Demo struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	BotName      string `json:"bot_name"`
	BotID        string `json:"bot_id"`
}

// EnsureDemo puts a demo app with a demo assistant in place when the catalog
// has never held anything, and returns what an SDK needs as long as the demo
// is there: nil once the first real app has taken its place, and without
// [Options.Demo].
func (s *Service) EnsureDemo(ctx context.Context) (*Demo, error) {
	now, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if now.revision == 0 && len(s.demo) > 0 {
		demo, err := s.makeDemo(ctx, now)
		if !fault.Is(err, fault.Conflict) {
			return demo, err
		}
		// Another node was first.
		if now, err = s.load(ctx); err != nil {
			return nil, err
		}
	}
	if c, ok := now.channels[demoName]; !ok || !c.Demo {
		return nil, nil
	}
	return s.readDemo(ctx)
}

func (s *Service) makeDemo(ctx context.Context, now contents) (*Demo, error) {
	demo := &Demo{
		ClientID: "cs-" + uuid.NewString(), BotID: "st-" + uuid.NewString(),
		// Two texts of 26 letters and digits: 256 bits, which HS512 can use.
		ClientSecret: rand.Text() + rand.Text(), BotName: "Parley Demo",
	}
	settings, err := json.Marshal(map[string]any{
		"bot":  map[string]any{"id": demo.BotID, "name": demo.BotName},
		"apps": []any{map[string]any{"id": demo.ClientID, "secret": demo.ClientSecret}},
	})
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	p := newPlan(s, now)
	p.demo = true
	m := Manifest{
		Assistants: map[string]AssistantSpec{demoName: {Kind: demoKind, Definition: string(s.demo)}},
		Channels:   map[string]ChannelSpec{demoName: {Type: demoType, Assistant: demoName, Settings: settings}},
	}
	p.assistants(m)
	if err := p.channels(ctx, m); err != nil {
		return nil, err
	}
	if err := p.failure(); err != nil {
		// The demo is ours: its problems are not the owner's.
		return nil, fmt.Errorf("demo: %s", err.Error())
	}
	plain, err := json.Marshal(demo)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	p.sealed = append(p.sealed, store.SealedSecret{ID: demoSecretID, Sealed: s.sealer.Seal(demoSecretID, plain)})
	if _, err := s.commit(ctx, p, "parley", "demo"); err != nil {
		return nil, err
	}
	return demo, nil
}

func (s *Service) readDemo(ctx context.Context) (*Demo, error) {
	found, err := s.store.Secrets(ctx, []string{demoSecretID})
	if err != nil {
		return nil, fmt.Errorf("read demo: %w", err)
	}
	sealed, ok := found[demoSecretID]
	if !ok {
		return nil, nil
	}
	plain, err := s.sealer.Open(demoSecretID, sealed)
	if err != nil {
		return nil, fmt.Errorf("read demo: %w", err)
	}
	var demo Demo
	if err := json.Unmarshal(plain, &demo); err != nil {
		return nil, fmt.Errorf("read demo: %w", err)
	}
	return &demo, nil
}

// retireDemo takes the demo out of force when a real app stands beside it. What
// the owner's channels still use stays.
func (p *plan) retireDemo() {
	real := false
	for _, c := range p.nextChannels {
		real = real || (c.Type == demoType && !c.Demo)
	}
	if !real {
		return
	}
	for _, name := range keys(p.nextChannels) {
		if p.nextChannels[name].Demo {
			p.removeChannel(name)
		}
	}
	if p.demoRemoved {
		p.forgetDemo()
	}
	for _, name := range keys(p.nextAssistants) {
		if p.nextAssistants[name].Demo && len(usersOf(p.nextChannels, name)) == 0 {
			p.removeAssistant(name)
		}
	}
}

// forgetDemo deletes what was kept for demo.json.
func (p *plan) forgetDemo() {
	p.sealed = append(p.sealed, store.SealedSecret{ID: demoSecretID})
}
