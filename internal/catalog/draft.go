package catalog

import "parley/internal/store"

// putDraft notes a definition as the draft of its assistant. What is in force
// already needs no draft.
func (p *plan) putDraft(name string, body assistantBody) {
	inForce, published := p.now.assistants[name]
	old, had := p.now.drafts[name]
	switch {
	case published && inForce.same(body):
		p.unchanged(store.ItemAssistant, name, inForce.version)
		if had {
			p.removeDraft(name)
		}
		return
	case had && old.same(body):
		p.unchanged(itemDraft, name, 0)
		return
	}
	next, change := storedAssistant{assistantBody: body}, Change{Kind: itemDraft, Name: name, Action: Create}
	switch {
	case had:
		change.Action = Update
		change.Diff = diffText(old.describe(), next.describe())
	case published:
		change.Diff = diffText(inForce.describe(), next.describe())
	default:
		change.Diff = diffText("", next.describe())
	}
	if err := p.putBody(change, body); err != nil {
		p.refuse("assistants."+name, "the definition cannot be stored: it is not text")
	}
}

func (p *plan) removeDraft(name string) {
	p.put(Change{Action: Remove, Kind: itemDraft, Name: name}, []byte("{}"))
}

// onlyDrafts refuses channels that would change beside drafts. Those that stay
// as they are may stand in the same file.
func (p *plan) onlyDrafts() {
	for _, c := range p.changes {
		if c.Kind == store.ItemChannel && c.Action != Unchanged {
			p.refuse("channels."+c.Name, "would change, and channels have no drafts; apply it without --draft, or take it out")
		}
	}
}
