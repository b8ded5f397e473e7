package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// build makes a [state] of what is stored, with the functions that tell the
// drivers. Nothing of it is in force until then.
type build struct {
	published *Published
	from      contents
	secrets   map[string][]byte
	next      *state
	apply     []func()
	errs      []error
}

func (p *Published) newBuild(from contents, secrets map[string][]byte) *build {
	return &build{published: p, from: from, secrets: secrets, next: &state{
		revision:   from.revision,
		assistants: make(map[string]compiled, len(from.assistants)),
		pinned:     make(map[versionKey]compiled, len(from.pinned)),
		channels:   make(map[chat.ChannelID]Channel, len(from.channels)),
	}}
}

// run builds what can be built and returns what could not.
func (b *build) run() error {
	b.errs = b.from.failures()
	for _, name := range keys(b.from.assistants) {
		if c, ok := b.compiled(name, b.from.assistants[name]); ok {
			b.next.assistants[name] = c
		}
	}
	for _, key := range b.from.pins() {
		if body, ok := b.from.pinned[key]; ok {
			if c, ok := b.compiled(key.name, body); ok {
				b.next.pinned[key] = c
			}
		}
	}
	b.channels()
	return errors.Join(b.errs...)
}

// compiled keeps what is in force already: the same version is the same
// assistant, with what it has cached.
func (b *build) compiled(name string, body storedAssistant) (compiled, bool) {
	if had, ok := b.published.state.Load().at(name, body.version); ok {
		return had, true
	}
	a, err := compile(b.published.kinds, name, body)
	if err != nil {
		b.errs = append(b.errs, err)
		return compiled{}, false
	}
	return compiled{version: body.version, instance: a}, true
}

// channels hands every driver its channels.
func (b *build) channels() {
	mine := map[string][]channel.Configured{}
	for _, name := range keys(b.from.channels) {
		c := b.from.channels[name]
		if _, ok := b.published.drivers[c.Type]; !ok {
			b.errs = append(b.errs, fault.New(fault.Unavailable, "channel %q has type %q, which this parley does not have", name, c.Type))
			continue
		}
		mine[c.Type] = append(mine[c.Type], c.configured(name, b.published.sealer, b.secrets))
	}
	for _, typ := range keys(b.published.drivers) {
		apply, err := b.published.drivers[typ].Prepare(mine[typ])
		if err != nil {
			b.errs = append(b.errs, fmt.Errorf("channels of type %s: %w", typ, err))
			continue
		}
		if apply != nil {
			b.apply = append(b.apply, apply)
		}
		for _, c := range mine[typ] {
			b.next.channels[c.ID] = b.from.channels[c.Name].view(c.Name)
		}
	}
}

// pins are the versions that channels are pinned to and that are not in force
// for everybody, sorted.
func (c contents) pins() []versionKey {
	var all []versionKey
	for _, name := range keys(c.channels) {
		ch := c.channels[name]
		key := versionKey{ch.Assistant, ch.AssistantVersion}
		if key.version > 0 && c.assistants[key.name].version != key.version && !slices.Contains(all, key) {
			all = append(all, key)
		}
	}
	return all
}

// readPinned reads the versions that only single channels use. One that is not
// there or cannot be read joins unread.
func (c contents) readPinned(ctx context.Context, from store.Catalog) error {
	for _, key := range c.pins() {
		item, err := from.ItemVersion(ctx, store.ItemAssistant, key.name, key.version)
		var a storedAssistant
		switch {
		case fault.Is(err, fault.NotFound):
		case err != nil:
			return err
		default:
			a, err = decodeAssistant(item)
		}
		if err != nil {
			c.unread[fmt.Sprintf("version %d of assistant %s", key.version, key.name)] = err
			continue
		}
		c.pinned[key] = a
	}
	return nil
}

// readSecrets reads the sealed secrets of all channels.
func (c contents) readSecrets(ctx context.Context, from store.Catalog) (map[string][]byte, error) {
	var ids []string
	for _, ch := range c.channels {
		ids = append(ids, ch.secretIDs()...)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return from.Secrets(ctx, ids)
}

// configured is the channel as its driver gets it. Secrets stay sealed until
// the driver asks.
func (c storedChannel) configured(name string, sealer Sealer, sealed map[string][]byte) channel.Configured {
	return channel.Configured{
		ID: c.ID, Name: name, Assistant: c.Assistant, Disabled: c.Disabled, Body: c.Settings,
		Secret: func(own string) (string, error) {
			id := secretID(c.ID, own)
			value, ok := sealed[id]
			if !ok {
				return "", fault.New(fault.NotFound, "channel %q holds no secret %q", name, own)
			}
			plain, err := sealer.Open(id, value)
			if err != nil {
				return "", fmt.Errorf("secret %s of channel %s: %w", own, name, err)
			}
			return string(plain), nil
		},
	}
}

func (c storedChannel) view(name string) Channel {
	return Channel{
		Name: name, ID: c.ID, Type: c.Type, Assistant: c.Assistant, AssistantVersion: c.AssistantVersion,
		Disabled: c.Disabled, Demo: c.Demo, Version: c.version,
	}
}

// compile makes the assistant of a stored body.
func compile(kinds map[string]assistant.Kind, name string, body storedAssistant) (assistant.Assistant, error) {
	kind, ok := kinds[body.Kind]
	if !ok {
		return nil, fault.New(fault.Unavailable, "assistant %q has kind %q, which this parley does not have", name, body.Kind)
	}
	a, err := kind.Compile(fileOf(name, body.assistantBody), []byte(body.Definition))
	if err != nil {
		return nil, fmt.Errorf("assistant %s version %d: %w", name, body.version, err)
	}
	return a, nil
}

// fileOf is what a definition is called in the compiler's errors.
func fileOf(name string, body assistantBody) string {
	if body.File != "" {
		return body.File
	}
	return name
}

// failures are the items that could not be read, as errors.
func (c contents) failures() []error {
	var errs []error
	for _, name := range keys(c.unread) {
		errs = append(errs, fault.Wrap(c.unread[name], fault.Unavailable, "%s cannot be read by this parley", name))
	}
	return errs
}
