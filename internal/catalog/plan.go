package catalog

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// plan is the difference between what is in force and what is wanted. Its
// methods collect problems; [plan.failure] tells whether there are any.
type plan struct {
	service *Service
	now     contents
	// next is what will be in force.
	nextAssistants map[string]storedAssistant
	nextChannels   map[string]storedChannel

	items       []store.Item
	sealed      []store.SealedSecret
	changes     []Change
	shown       []Generated
	problems    Problems
	demoRemoved bool
	// demo marks everything the plan puts as part of the demo.
	demo bool
	// draft stores assistants as drafts and lets no channel change.
	draft bool
}

func newPlan(s *Service, now contents) *plan {
	p := &plan{
		service: s, now: now,
		nextAssistants: make(map[string]storedAssistant, len(now.assistants)),
		nextChannels:   make(map[string]storedChannel, len(now.channels)),
	}
	for name, a := range now.assistants {
		p.nextAssistants[name] = a
	}
	for name, c := range now.channels {
		p.nextChannels[name] = c
	}
	return p
}

func (p *plan) empty() bool { return len(p.items) == 0 && len(p.sealed) == 0 }

func (p *plan) failure() error { return p.problems.asError() }

func (p *plan) refuse(path, format string, args ...any) {
	p.problems = append(p.problems, Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

// assistants compiles every wanted assistant and notes those that differ.
func (p *plan) assistants(m Manifest) {
	for _, name := range keys(m.Assistants) {
		spec := m.Assistants[name]
		path := "assistants." + name
		if reason := badName(name); reason != "" {
			p.refuse(path, "%s", reason)
			continue
		}
		kind, ok := p.service.kinds[spec.Kind]
		if !ok {
			p.refuse(path+".kind", "%s", notKnown("kind", spec.Kind, keys(p.service.kinds)))
			continue
		}
		file := spec.Path
		if file == "" {
			file = name
		}
		if _, err := kind.Compile(file, []byte(spec.Definition)); err != nil {
			found, ok := problemsOf(err, path+".definition")
			if !ok {
				p.refuse(path+".definition", "%s", fault.Message(err))
				continue
			}
			p.problems = append(p.problems, inFile(found, file, spec.Path == "")...)
			continue
		}
		p.putAssistant(name, assistantBody{
			Definition: spec.Definition, Demo: p.demo, File: spec.File, Kind: spec.Kind,
		})
	}
}

func (p *plan) putAssistant(name string, body assistantBody) {
	if p.draft {
		p.putDraft(name, body)
		return
	}
	old, had := p.now.assistants[name]
	change := Change{Kind: store.ItemAssistant, Name: name, Action: Create}
	if had && old.same(body) {
		p.unchanged(change.Kind, name, old.version)
		return
	}
	raw, err := encodeBody(body)
	if err != nil {
		p.refuse("assistants."+name, "the definition cannot be stored: it is not text")
		return
	}
	next := storedAssistant{assistantBody: body}
	p.nextAssistants[name] = next
	if had {
		change.Action = Update
		change.Diff = diffText(old.describe(), next.describe())
	} else {
		change.Diff = diffText("", next.describe())
	}
	p.put(change, raw)
	if draft, has := p.now.drafts[name]; has && draft.same(body) {
		p.removeDraft(name)
	}
}

// channels settles every wanted channel and notes those that differ. Its error
// is not the owner's mistake.
func (p *plan) channels(ctx context.Context, m Manifest) error {
	for _, name := range keys(m.Channels) {
		if err := p.channel(ctx, name, m); err != nil {
			return err
		}
	}
	p.checkIDs(m)
	return nil
}

func (p *plan) channel(ctx context.Context, name string, m Manifest) error {
	spec, path := m.Channels[name], "channels."+name
	if reason := badName(name); reason != "" {
		p.refuse(path, "%s", reason)
		return nil
	}
	p.checkAssistant(path, spec.Assistant, m)
	typ, ok := p.service.types[spec.Type]
	if !ok {
		p.refuse(path+".type", "%s", notKnown("type", spec.Type, keys(p.service.types)))
		return nil
	}
	old, had := p.now.channels[name]
	if had && old.Type != spec.Type {
		p.refuse(path+".type", "cannot change from %s to %s; delete the channel first (parley channel delete %s --yes) or use another name",
			old.Type, spec.Type, name)
		return nil
	}
	var inForce []byte
	if had {
		inForce = old.Settings
	}
	settings := spec.Settings
	if len(settings) == 0 {
		settings = json.RawMessage("{}")
	}
	settled, err := typ.Settle(name, settings, inForce)
	if err != nil {
		found, ok := problemsOf(err, path)
		if !ok {
			return fmt.Errorf("settle channel %s: %w", name, err)
		}
		p.problems = append(p.problems, found...)
		return nil
	}
	if had && settled.ID != old.ID {
		p.refuse(path, "its id would change from %s to %s, and with it all conversations would be cut off; "+
			"delete the channel first (parley channel delete %s --yes) or use another name", old.ID, settled.ID, name)
		return nil
	}
	return p.putChannel(ctx, name, spec, settled)
}

func (p *plan) checkAssistant(path, name string, m Manifest) {
	// One with a problem of its own is there too, although it is not in next.
	there := map[string]bool{}
	for _, known := range slices.Concat(keys(p.nextAssistants), keys(m.Assistants)) {
		there[known] = true
	}
	_, drafted := p.now.drafts[name]
	switch {
	case name == "":
		p.refuse(path+".assistant", "is missing; say which assistant answers here")
	case !there[name] && drafted:
		p.refuse(path+".assistant", "assistant %q is only a draft; publish it first (parley assistant publish %s)", name, name)
	case !there[name]:
		p.refuse(path+".assistant", "%s", notKnown("assistant", name, keys(there)))
	}
}

// putChannel notes a channel and the secrets that really change.
func (p *plan) putChannel(ctx context.Context, name string, spec ChannelSpec, settled channel.Settled) error {
	old, had := p.now.channels[name]
	body := channelBody{
		Assistant: spec.Assistant, Disabled: spec.Disabled, ID: settled.ID,
		Settings: settled.Body, Type: spec.Type, Demo: p.demo,
	}
	if had && old.Assistant == spec.Assistant {
		// A manifest says nothing about versions: a pin stays.
		body.AssistantVersion, body.AssistantBack = old.AssistantVersion, old.AssistantBack
	}
	secrets, notes, err := p.secrets(ctx, settled, old.Secrets)
	if err != nil {
		return fmt.Errorf("secrets of channel %s: %w", name, err)
	}
	body.Secrets = secrets
	raw, err := encodeBody(body)
	if err != nil {
		return fmt.Errorf("channel %s: %w", name, err)
	}
	next := storedChannel{channelBody: body, version: old.version, raw: raw}
	p.nextChannels[name] = next
	for _, g := range settled.Shown {
		p.shown = append(p.shown, Generated{Channel: name, Label: g.Label, Value: g.Value})
	}
	change := Change{Kind: store.ItemChannel, Name: name, Action: Update}
	switch {
	case had && bytes.Equal(old.raw, raw) && len(notes) == 0:
		change.Action, change.Version = Unchanged, old.version
		p.changes = append(p.changes, change)
		return nil
	case had && bytes.Equal(old.raw, raw):
		// Only secrets change: the version stays, the revision moves.
		change.Version, change.Diff = old.version, notes
		p.changes = append(p.changes, change)
		return nil
	case had:
		change.Diff = append(diffText(old.describe(), next.describe()), notes...)
	default:
		change.Action = Create
		change.Diff = append(diffText("", next.describe()), notes...)
	}
	p.demoRemoved = p.demoRemoved || old.Demo
	p.put(change, raw)
	return nil
}

// secrets seals what changes and returns the ids the channel then holds, with
// one line for people about each change.
func (p *plan) secrets(ctx context.Context, settled channel.Settled, held []string) (ids, notes []string, err error) {
	ids = slices.Clone(held)
	stored, err := p.service.store.Secrets(ctx, prefixed(settled.ID, held))
	if err != nil {
		return nil, nil, err
	}
	for _, own := range keys(settled.Secrets) {
		value, id := settled.Secrets[own], secretID(settled.ID, own)
		sealed, had := stored[id]
		if value == "" {
			if i := slices.Index(ids, own); i >= 0 {
				ids = slices.Delete(ids, i, i+1)
				p.sealed = append(p.sealed, store.SealedSecret{ID: id})
				notes = append(notes, "- secret "+label(settled.ID, own)+": removed")
			}
			continue
		}
		if had && p.isSame(id, sealed, value) {
			continue
		}
		p.sealed = append(p.sealed, store.SealedSecret{ID: id, Sealed: p.service.sealer.Seal(id, []byte(value))})
		if slices.Contains(ids, own) {
			notes = append(notes, "~ secret "+label(settled.ID, own)+": changed")
		} else {
			ids = append(ids, own)
			notes = append(notes, "+ secret "+label(settled.ID, own)+": set")
		}
	}
	slices.Sort(ids)
	return ids, notes, nil
}

// label is a secret's id for people: without the channel's own id and what
// stands before it, which say nothing new beside the channel.
func label(id chat.ChannelID, own string) string {
	if _, rest, ok := strings.Cut(own, string(id)+"/"); ok && rest != "" {
		return rest
	}
	return own
}

// isSame compares a wanted secret with the sealed one. One that does not open
// any more is replaced.
func (p *plan) isSame(id string, sealed []byte, value string) bool {
	plain, err := p.service.sealer.Open(id, sealed)
	return err == nil && subtle.ConstantTimeCompare(plain, []byte(value)) == 1
}

// checkIDs refuses two channels with one id: a client could not be told which
// of them it means.
func (p *plan) checkIDs(m Manifest) {
	owner := map[chat.ChannelID]string{}
	for _, name := range keys(p.nextChannels) {
		id := p.nextChannels[name].ID
		first, taken := owner[id]
		if !taken {
			owner[id] = name
			continue
		}
		blamed, other := name, first
		if _, wanted := m.Channels[blamed]; !wanted {
			blamed, other = first, name
		}
		p.refuse("channels."+blamed, "has the same id %s as channel %q; each needs its own", id, other)
	}
}

func (p *plan) put(change Change, raw []byte) {
	p.changes = append(p.changes, change)
	p.items = append(p.items, store.Item{
		Kind: change.Kind, Name: change.Name, Body: raw,
		Published: true, Deleted: change.Action == Remove,
	})
}

// putBody notes a change to an item with a body of ours.
func (p *plan) putBody(change Change, body any) error {
	raw, err := encodeBody(body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", change.Kind, change.Name, err)
	}
	p.put(change, raw)
	return nil
}

func (p *plan) unchanged(kind store.ItemKind, name string, version int64) {
	p.changes = append(p.changes, Change{Action: Unchanged, Kind: kind, Name: name, Version: version})
}

func (p *plan) removeAssistant(name string) {
	old := p.nextAssistants[name]
	delete(p.nextAssistants, name)
	p.put(Change{Action: Remove, Kind: store.ItemAssistant, Name: name, Diff: diffText(old.describe(), "")}, []byte("{}"))
	if _, has := p.now.drafts[name]; has {
		p.removeDraft(name)
	}
}

func (p *plan) removeChannel(name string) {
	old := p.nextChannels[name]
	delete(p.nextChannels, name)
	for _, id := range old.secretIDs() {
		p.sealed = append(p.sealed, store.SealedSecret{ID: id})
	}
	p.demoRemoved = p.demoRemoved || old.Demo
	p.put(Change{Action: Remove, Kind: store.ItemChannel, Name: name, Diff: diffText(old.describe(), "")}, []byte("{}"))
}

// gone are the ids of channels that will be in force no more.
func (p *plan) gone() []chat.ChannelID {
	stays := map[chat.ChannelID]bool{}
	for _, c := range p.nextChannels {
		stays[c.ID] = true
	}
	var all []chat.ChannelID
	for _, name := range keys(p.now.channels) {
		if id := p.now.channels[name].ID; !stays[id] {
			all = append(all, id)
		}
	}
	return all
}

// result reports the plan. versions belong to p.items, in their order.
func (p *plan) result(revision int64, versions []int64, dry bool) Result {
	r := Result{Changes: p.changes, Revision: revision, DryRun: dry, DemoRemoved: p.demoRemoved}
	if r.Changes == nil {
		r.Changes = []Change{}
	}
	if !dry {
		r.Shown = p.shown
	}
	for i, item := range p.items {
		if i >= len(versions) || item.Deleted {
			continue
		}
		for j := range r.Changes {
			if c := &r.Changes[j]; c.Kind == item.Kind && c.Name == item.Name && c.Action != Unchanged && c.Version == 0 && c.Kind != itemDraft {
				c.Version = versions[i]
			}
		}
	}
	return r
}
