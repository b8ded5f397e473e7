package catalog

import (
	"context"
	"fmt"
	"time"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/fault"
	"parley/internal/store"
)

// Store is what the catalog needs of the database.
type Store interface {
	store.Writer
	store.Catalog
}

// Sealer seals secrets. The id of a secret is part of its seal, so that a
// sealed value copied to another id does not open.
type Sealer interface {
	Seal(id string, plain []byte) []byte
	Open(id string, sealed []byte) ([]byte, error)
}

// Options are what a [Service] works with.
type Options struct {
	Store  Store
	Sealer Sealer
	// Kinds are the kinds of assistant that can be compiled.
	Kinds []assistant.Kind
	// Types are the types of channel that can be configured.
	Types []channel.Kind
	// Demo is the definition of the demo assistant, of kind "flow". Without it
	// there is no demo.
	Demo []byte
	// Published, if set, takes each stored change at once, before Apply
	// returns. Offline there is none.
	Published *Published
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Service checks and stores what owners want to be in place. It is safe for
// concurrent use: of two changes at once, one is tried again on top of the
// other.
type Service struct {
	store     Store
	sealer    Sealer
	kinds     map[string]assistant.Kind
	types     map[string]channel.Kind
	demo      []byte
	published *Published
	now       func() time.Time
}

// New returns a service. It fails when two kinds or two types share a name.
func New(o Options) (*Service, error) {
	kinds, err := byName(o.Kinds)
	if err != nil {
		return nil, fmt.Errorf("assistant kinds: %w", err)
	}
	types, err := byName(o.Types)
	if err != nil {
		return nil, fmt.Errorf("channel types: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{
		store: o.Store, sealer: o.Sealer, kinds: kinds, types: types,
		demo: o.Demo, published: o.Published, now: o.Now,
	}, nil
}

// byName maps things to their names.
func byName[T interface{ Name() string }](all []T) (map[string]T, error) {
	m := make(map[string]T, len(all))
	for _, one := range all {
		if _, twice := m[one.Name()]; twice {
			return nil, fmt.Errorf("%q is there twice", one.Name())
		}
		m[one.Name()] = one
	}
	return m, nil
}

// ApplyOptions say how to apply.
type ApplyOptions struct {
	// DryRun checks everything and stores nothing.
	DryRun bool
	// Draft stores assistants as drafts, which answer nobody until they are
	// published. Channels of the manifest must be in place as they are.
	Draft bool
	// Actor is recorded with the change: an id, never a secret.
	Actor string
}

// Action is what applying does to one item.
type Action string

// The actions.
const (
	Create    Action = "create"
	Update    Action = "update"
	Unchanged Action = "unchanged"
	Remove    Action = "delete"
)

// Change is what applying does, or would do, to one item.
type Change struct {
	Action Action         `json:"action"`
	Kind   store.ItemKind `json:"kind"`
	Name   string         `json:"name"`
	// Version is the version in force afterwards; 0 in a dry run and for
	// deleted items.
	Version int64 `json:"version,omitempty"`
	// Diff is for people: lines that begin with "+", "-", a space or "@@", and
	// one line for each secret that changes. It holds no secret.
	Diff []string `json:"diff,omitempty"`
}

// Generated is a value that was made up because the owner left it out, and
// that is shown only now.
type Generated struct {
	Channel string `json:"channel"`
	Label   string `json:"label"`
	Value   string `json:"value"`
}

// Result is the outcome of applying.
type Result struct {
	Changes []Change `json:"changes"`
	// Shown are generated ids and secrets; empty in a dry run, which would
	// generate others.
	Shown []Generated `json:"shown,omitempty"`
	// Revision is the catalog's revision afterwards.
	Revision int64 `json:"revision"`
	DryRun   bool  `json:"dry_run,omitempty"`
	// DemoRemoved is set when the demo went because a real app came.
	DemoRemoved bool `json:"demo_removed,omitempty"`
	// Dropped is how many deliveries were dropped, because their channel was
	// deleted.
	Dropped int64 `json:"dropped_deliveries,omitempty" doc:"Deliveries that were dropped, because their channel was deleted."`
	// Warning is set when the change is stored but not in force on this node.
	Warning string `json:"warning,omitempty"`
}

// Changed reports whether anything was, or would be, stored.
func (r Result) Changed() bool {
	for _, c := range r.Changes {
		if c.Action != Unchanged {
			return true
		}
	}
	return false
}

// Apply puts a manifest in place. Everything is checked before anything is
// stored; what is wrong comes back as [Problems]. Applying the same manifest
// again changes nothing. Items the manifest does not name are left alone,
// except for the demo, which goes when the first real app comes.
func (s *Service) Apply(ctx context.Context, m Manifest, o ApplyOptions) (Result, error) {
	return twice(func() (Result, error) { return s.applyOnce(ctx, m, o) })
}

// twice does a change once more when it was refused with a conflict: somebody
// else may have stored a revision since we read. A real reason shows again.
func twice[R any](change func() (R, error)) (R, error) {
	result, err := change()
	if fault.Is(err, fault.Conflict) {
		result, err = change()
	}
	return result, err
}

func (s *Service) applyOnce(ctx context.Context, m Manifest, o ApplyOptions) (Result, error) {
	now, err := s.load(ctx)
	if err != nil {
		return Result{}, err
	}
	p := newPlan(s, now)
	p.draft = o.Draft
	p.assistants(m)
	if err := p.channels(ctx, m); err != nil {
		return Result{}, err
	}
	if o.Draft {
		p.onlyDrafts()
	}
	if err := p.failure(); err != nil {
		return Result{}, err
	}
	p.retireDemo()
	note := "apply"
	if o.Draft {
		note = "apply drafts"
	}
	if err := p.together(ctx); err != nil {
		return Result{}, err
	}
	if o.DryRun {
		return p.result(now.revision, nil, true), nil
	}
	return s.commit(ctx, p, o.Actor, note)
}

// commit stores a plan and puts it in force on this node.
func (s *Service) commit(ctx context.Context, p *plan, actor, note string) (Result, error) {
	if p.empty() {
		return p.result(p.now.revision, nil, false), nil
	}
	stored, err := store.Do(ctx, s.store, store.PutCatalog{
		Base: p.now.revision, Items: p.items, Secrets: p.sealed, Gone: p.gone(),
		Actor: actor, Note: note, Now: s.now(),
	})
	if err != nil {
		return Result{}, err
	}
	result := p.result(stored.Revision, stored.Versions, false)
	result.Dropped = stored.Dropped
	if s.published != nil {
		if err := s.published.Refresh(ctx); err != nil {
			result.Warning = "stored, but not in force on this node yet: " + fault.Message(err)
		}
	}
	return result, nil
}

// load reads what is in force. An item this binary cannot read stops every
// change, because a change next to it could not be checked.
func (s *Service) load(ctx context.Context) (contents, error) {
	items, revision, err := s.store.PublishedItems(ctx)
	if err != nil {
		return contents{}, fmt.Errorf("read catalog: %w", err)
	}
	now := newContents(items, revision)
	for name, err := range now.unread {
		return contents{}, fault.Wrap(err, fault.Conflict,
			"%s was stored by a newer parley; use that one, or delete the item with it", name)
	}
	return now, nil
}

// Delete takes one item out of force. An assistant that a channel uses stays,
// with a fault.Conflict that names the channel; an unknown name is
// fault.NotFound. Versions stay for the conversations that use them.
func (s *Service) Delete(ctx context.Context, kind store.ItemKind, name, actor string) (Result, error) {
	return twice(func() (Result, error) { return s.deleteOnce(ctx, kind, name, actor) })
}

func (s *Service) deleteOnce(ctx context.Context, kind store.ItemKind, name, actor string) (Result, error) {
	now, err := s.load(ctx)
	if err != nil {
		return Result{}, err
	}
	p := newPlan(s, now)
	switch kind {
	case store.ItemAssistant:
		if _, ok := now.assistants[name]; !ok {
			if _, drafted := now.drafts[name]; !drafted {
				return Result{}, unknownName("assistant", name, now.assistantNames())
			}
			p.removeDraft(name)
			break
		}
		if users := usersOf(now.channels, name); len(users) > 0 {
			return Result{}, fault.New(fault.Conflict,
				"assistant %q is in use by channel %s; give it another assistant first", name, quoteList(users))
		}
		p.removeAssistant(name)
	case store.ItemChannel:
		if _, ok := now.channels[name]; !ok {
			return Result{}, unknownName("channel", name, keys(now.channels))
		}
		p.removeChannel(name)
		if p.demoRemoved {
			p.forgetDemo()
		}
	default:
		return Result{}, fault.Field("kind", "%q cannot be deleted; say assistant or channel", kind)
	}
	return s.commit(ctx, p, actor, "delete")
}
