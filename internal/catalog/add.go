package catalog

import (
	"context"
	"fmt"
	"maps"
	"time"

	"parley/internal/channel"
	"parley/internal/fault"
)

// testTime bounds the test of one channel.
const testTime = 45 * time.Second

// TypeView is a type of channel that can be added.
type TypeView struct {
	Name string `json:"name"`
	// Questions ask for what its owner has to say; other keys have defaults.
	Questions []channel.Question `json:"questions"`
}

// Types lists the types of channel, by name.
func (s *Service) Types() []TypeView {
	all := make([]TypeView, 0, len(s.types))
	for _, name := range keys(s.types) {
		view := TypeView{Name: name, Questions: []channel.Question{}}
		if a, ok := s.types[name].(channel.Asker); ok {
			view.Questions = a.Questions()
		}
		all = append(all, view)
	}
	return all
}

// AddOptions say how to add or change a channel.
type AddOptions struct {
	// Force stores the channel although its test failed.
	Force bool
	// Actor is recorded with the change.
	Actor string
}

// Added is the outcome of adding or changing a channel.
type Added struct {
	// Findings are what the test found.
	Findings []channel.Finding `json:"findings"`
	// Stored is false when the test failed; then nothing was changed.
	Stored bool `json:"stored"`
	// Result is what changed.
	Result Result `json:"result"`
}

// AddChannel tests a new channel and stores it when the test does not fail. A
// channel that is there already is fault.Conflict; what is wrong with the
// settings comes back as [Problems].
func (s *Service) AddChannel(ctx context.Context, name string, spec ChannelSpec, o AddOptions) (Added, error) {
	return twice(func() (Added, error) { return s.addOnce(ctx, name, spec, o) })
}

func (s *Service) addOnce(ctx context.Context, name string, spec ChannelSpec, o AddOptions) (Added, error) {
	now, err := s.load(ctx)
	if err != nil {
		return Added{}, err
	}
	if _, there := now.channels[name]; there {
		return Added{}, fault.New(fault.Conflict, "there is a channel %q already; change it with parley apply, or take another name", name)
	}
	p := newPlan(s, now)
	m := Manifest{Channels: map[string]ChannelSpec{name: spec}}
	if err := p.channels(ctx, m); err != nil {
		return Added{}, err
	}
	if err := p.failure(); err != nil {
		return Added{}, err
	}
	return s.tested(ctx, p, name, o, "add channel")
}

// tested stores a planned change of one channel if its test does not fail.
func (s *Service) tested(ctx context.Context, p *plan, name string, o AddOptions, note string) (Added, error) {
	stored := p.nextChannels[name]
	sealed, err := s.store.Secrets(ctx, stored.secretIDs())
	if err != nil {
		return Added{}, fmt.Errorf("read secrets: %w", err)
	}
	all := maps.Clone(sealed)
	for _, one := range p.sealed {
		all[one.ID] = one.Sealed
	}
	added := Added{Findings: s.test(ctx, stored, stored.configured(name, s.sealer, all))}
	if Failed(added.Findings) && !o.Force {
		added.Result = Result{Changes: []Change{}, Revision: p.now.revision}
		return added, nil
	}
	if err := p.together(ctx); err != nil {
		return Added{}, err
	}
	p.retireDemo()
	added.Result, err = s.commit(ctx, p, o.Actor, note)
	added.Stored = err == nil
	return added, err
}

// TestChannel tries a stored channel. It changes nothing. An unknown name is
// fault.NotFound.
func (s *Service) TestChannel(ctx context.Context, name string) ([]channel.Finding, error) {
	stored, configured, err := s.configured(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.test(ctx, stored, configured), nil
}

// Failed reports whether a finding is a failure.
func Failed(all []channel.Finding) bool {
	for _, f := range all {
		if f.Level == channel.LevelFail {
			return true
		}
	}
	return false
}

// test asks the channel's type what it finds, after what holds for all types.
func (s *Service) test(ctx context.Context, stored storedChannel, c channel.Configured) []channel.Finding {
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	all := []channel.Finding{}
	if stored.Disabled {
		all = append(all, channel.Finding{Level: channel.LevelWarn, Name: "disabled", Text: "the channel is disabled: it takes nothing in and sends nothing; the rest is tested all the same",
			Mend: "put it back: parley channel enable " + c.Name})
	}
	for _, own := range stored.Secrets {
		if _, err := c.Secret(own); err != nil {
			return append(all, channel.Finding{Level: channel.LevelFail, Name: "secrets",
				Text: fmt.Sprintf("secret %s does not open", label(stored.ID, own)),
				Mend: "bring back the key file it was sealed with, or apply the catalog again with the secret in it"})
		}
	}
	kind, known := s.types[stored.Type]
	if !known {
		return append(all, channel.Finding{Level: channel.LevelFail, Name: "type",
			Text: fmt.Sprintf("this parley does not have channels of type %q", stored.Type), Mend: "use the parley that stored it, or a newer one"})
	}
	if t, ok := kind.(channel.Tester); ok {
		all = append(all, t.Test(ctx, c)...)
	} else {
		all = append(all, channel.Finding{Level: channel.LevelOK, Name: "settings",
			Text: "settings are in order and all secrets open; a channel of type " + stored.Type + " waits for clients and calls nobody"})
	}
	if a, ok := kind.(adviser); ok && !stored.Demo {
		for _, text := range a.Advise(c) {
			all = append(all, channel.Finding{Level: channel.LevelWarn, Name: "advice", Text: text, Mend: "change it in the catalog and apply it again"})
		}
	}
	return all
}
