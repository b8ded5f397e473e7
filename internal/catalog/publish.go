package catalog

import (
	"context"
	"slices"

	"parley/internal/fault"
	"parley/internal/store"
)

// PublishOptions say what of an assistant is put in force, and where.
type PublishOptions struct {
	// Version is put in force; 0 means the draft, or with Channels and without
	// a draft the version that is in force for everybody.
	Version int64
	// Channels are pinned to that version. Without any, it is put in force for
	// everybody, except for channels that are pinned.
	Channels []string
	// Follow publishes nothing: it takes the pins off Channels, or off every
	// channel of the assistant when none is named.
	Follow bool
	// Actor is recorded with the change.
	Actor string
}

// Publish puts a draft or an older version of an assistant in force, for
// everybody or for single channels. Episodes that are open keep the version
// they began with. Publishing what is in force already changes nothing.
func (s *Service) Publish(ctx context.Context, name string, o PublishOptions) (Result, error) {
	o.Channels = unique(o.Channels)
	return twice(func() (Result, error) { return s.publishOnce(ctx, name, o) })
}

func (s *Service) publishOnce(ctx context.Context, name string, o PublishOptions) (Result, error) {
	p, err := s.assistantPlan(ctx, name, o.Channels)
	if err != nil {
		return Result{}, err
	}
	if o.Follow {
		if o.Version != 0 {
			return Result{}, fault.Field("version", "does not go with follow: a channel that follows has no version of its own")
		}
		return s.follow(ctx, p, name, o)
	}
	h, err := s.history(ctx, name)
	if err != nil {
		return Result{}, err
	}
	inForce, published := p.now.assistants[name]
	draft, drafted := p.now.drafts[name]
	switch {
	case len(o.Channels) > 0 && !published:
		return Result{}, fault.New(fault.Conflict, "nothing of assistant %q is in force yet; publish it for everybody first, without channels", name)
	case o.Version == 0 && drafted:
		err = p.publishDraft(h, draft, o.Channels)
	case o.Version == 0 && len(o.Channels) == 0:
		return Result{}, fault.Field("version", "is missing: assistant %q has no draft; name one of its versions (parley assistant versions %s)", name, name)
	default:
		version := o.Version
		if version == 0 {
			version = inForce.version
		}
		err = p.publishVersion(h, version, o.Channels, false)
	}
	if err != nil {
		return Result{}, err
	}
	return s.commit(ctx, p, o.Actor, "publish")
}

// assistantPlan begins a change to one assistant. Every channel must exist and
// be answered by it.
func (s *Service) assistantPlan(ctx context.Context, name string, channels []string) (*plan, error) {
	now, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(now.assistantNames(), name) {
		return nil, unknownName("assistant", name, now.assistantNames())
	}
	for _, on := range channels {
		c, ok := now.channels[on]
		switch {
		case !ok:
			return nil, unknownName("channel", on, keys(now.channels))
		case c.Assistant != name:
			return nil, fault.Field("channels", "channel %q is answered by %q, not by %q", on, c.Assistant, name)
		}
	}
	return newPlan(s, now), nil
}

func (s *Service) follow(ctx context.Context, p *plan, name string, o PublishOptions) (Result, error) {
	on := o.Channels
	if len(on) == 0 {
		on = usersOf(p.now.channels, name)
	}
	if err := p.pin(on, 0, false); err != nil {
		return Result{}, err
	}
	return s.commit(ctx, p, o.Actor, "follow")
}

// publishDraft makes the draft the next version.
func (p *plan) publishDraft(h history, draft storedAssistant, channels []string) error {
	inForce, had := p.now.assistants[h.name]
	body := draft.assistantBody
	body.Aside = len(channels) > 0
	if err := p.compiles(h.name, body); err != nil {
		return err
	}
	change := Change{Action: Create, Kind: store.ItemAssistant, Name: h.name, Diff: diffText("", draft.describe())}
	if had {
		change.Action, change.Diff = Update, diffText(inForce.describe(), draft.describe())
	}
	if err := p.putBody(change, body); err != nil {
		return err
	}
	p.items[len(p.items)-1].Published = !body.Aside
	p.removeDraft(h.name)
	return p.pin(channels, h.next, false)
}

// publishVersion puts a stored version in force, for everybody or for some
// channels.
func (p *plan) publishVersion(h history, version int64, channels []string, back bool) error {
	body, err := h.body(version)
	if err != nil {
		return err
	}
	if err := p.compiles(h.name, body); err != nil {
		return err
	}
	if len(channels) > 0 {
		return p.pin(channels, version, back)
	}
	inForce, had := p.now.assistants[h.name]
	if had && inForce.version == version {
		p.unchanged(store.ItemAssistant, h.name, version)
		return nil
	}
	body.As, body.Back = version, back
	next := storedAssistant{assistantBody: body, version: version}
	change := Change{Action: Update, Kind: store.ItemAssistant, Name: h.name, Version: version, Diff: diffText(inForce.describe(), next.describe())}
	if draft, drafted := p.now.drafts[h.name]; drafted && draft.same(body) {
		p.removeDraft(h.name)
	}
	return p.putBody(change, body)
}

// compiles refuses a definition that this parley cannot run: it may have been
// stored by another one.
func (p *plan) compiles(name string, body assistantBody) error {
	_, err := compile(p.service.kinds, name, storedAssistant{assistantBody: body})
	if err == nil {
		return nil
	}
	found, ok := problemsOf(err, "assistants."+name+".definition")
	if !ok {
		return err
	}
	return inFile(found, fileOf(name, body), true)
}

// pin sets the version of channels; 0 lets them follow.
func (p *plan) pin(channels []string, version int64, back bool) error {
	for _, name := range channels {
		old := p.now.channels[name]
		if old.AssistantVersion == version {
			p.unchanged(store.ItemChannel, name, old.version)
			continue
		}
		next := old
		next.AssistantVersion, next.AssistantBack = version, back
		if err := p.changeChannel(name, next); err != nil {
			return err
		}
	}
	return nil
}

// changeChannel puts a stored channel back with another body.
func (p *plan) changeChannel(name string, next storedChannel) error {
	old := p.now.channels[name]
	p.nextChannels[name] = next
	return p.putBody(Change{
		Action: Update, Kind: store.ItemChannel, Name: name, Diff: diffText(old.describe(), next.describe()),
	}, next.channelBody)
}
