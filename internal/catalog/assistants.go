package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/internal/fault"
)

// AssistantView is one assistant.
type AssistantView struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Version is in force for everybody; 0 when there is only a draft.
	Version int64 `json:"version"`
	Demo    bool  `json:"demo,omitempty"`
	// Draft is set when there is a draft, with when it was stored.
	Draft *time.Time `json:"draft,omitempty"`
	// UsedBy names the channels it answers on.
	UsedBy []string `json:"used_by,omitempty"`
	// Pinned are those of them that stay with a version of their own.
	Pinned []Pin `json:"pinned,omitempty"`
}

// Pin is a channel that stays with one version.
type Pin struct {
	Channel string `json:"channel"`
	Version int64  `json:"version"`
}

// AssistantDetails is one definition of an assistant.
type AssistantDetails struct {
	AssistantView
	// Shown is the version of Definition; 0 for the draft.
	Shown int64 `json:"shown"`
	// File is the definition's file as its owner wrote it, or empty.
	File       string    `json:"file,omitempty"`
	Definition string    `json:"definition"`
	StoredAt   time.Time `json:"stored_at"`
}

// VersionView is one version of an assistant.
type VersionView struct {
	Version  int64     `json:"version"`
	StoredAt time.Time `json:"stored_at"`
	// InForce is set on the version that is in force for everybody.
	InForce bool `json:"in_force,omitempty"`
	// Pinned names the channels that stay with it.
	Pinned []string `json:"pinned,omitempty"`
}

// Versions are the versions of an assistant, newest first.
type Versions struct {
	Versions []VersionView `json:"versions"`
	// Draft is set when there is a draft, with when it was stored.
	Draft *time.Time `json:"draft,omitempty"`
	// Before is what a roll-back for everybody would go to; 0 for nothing.
	Before int64 `json:"before,omitempty"`
}

// Assistants lists the stored assistants, by name, with those that are only
// drafted.
func (s *Service) Assistants(ctx context.Context) ([]AssistantView, error) {
	now, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	all := []AssistantView{}
	for _, name := range now.assistantNames() {
		all = append(all, now.viewAssistant(name))
	}
	return all, nil
}

func (c contents) viewAssistant(name string) AssistantView {
	v := AssistantView{Name: name, UsedBy: usersOf(c.channels, name)}
	if draft, drafted := c.drafts[name]; drafted {
		v.Kind, v.Draft = draft.Kind, &draft.created
	}
	if a, inForce := c.assistants[name]; inForce {
		v.Kind, v.Version, v.Demo = a.Kind, a.version, a.Demo
	}
	for _, channel := range v.UsedBy {
		if pin := c.channels[channel].AssistantVersion; pin > 0 {
			v.Pinned = append(v.Pinned, Pin{Channel: channel, Version: pin})
		}
	}
	return v
}

// assistant finds an assistant by name, or fault.NotFound with a suggestion.
func (s *Service) assistant(ctx context.Context, name string) (contents, AssistantView, error) {
	now, err := s.load(ctx)
	if err != nil {
		return contents{}, AssistantView{}, err
	}
	if !slices.Contains(now.assistantNames(), name) {
		return contents{}, AssistantView{}, unknownName("assistant", name, now.assistantNames())
	}
	return now, now.viewAssistant(name), nil
}

// Assistant shows one version of an assistant; version 0 is the one in force,
// or the draft of one that was never published. A version it does not have is
// fault.NotFound.
func (s *Service) Assistant(ctx context.Context, name string, version int64) (AssistantDetails, error) {
	_, view, err := s.assistant(ctx, name)
	if err != nil {
		return AssistantDetails{}, err
	}
	if version == 0 && view.Version == 0 {
		return s.Draft(ctx, name)
	}
	if version == 0 {
		version = view.Version
	}
	h, err := s.history(ctx, name)
	if err != nil {
		return AssistantDetails{}, err
	}
	body, err := h.body(version)
	if err != nil {
		return AssistantDetails{}, err
	}
	d := AssistantDetails{AssistantView: view, Shown: version, File: body.File, Definition: body.Definition}
	d.Kind = body.Kind
	for _, r := range h.versions() {
		if r.version == version {
			d.StoredAt = r.created
		}
	}
	return d, nil
}

// Draft shows the draft of an assistant; fault.NotFound when it has none.
func (s *Service) Draft(ctx context.Context, name string) (AssistantDetails, error) {
	now, view, err := s.assistant(ctx, name)
	if err != nil {
		return AssistantDetails{}, err
	}
	draft, ok := now.drafts[name]
	if !ok {
		return AssistantDetails{}, fault.New(fault.NotFound, "assistant %q has no draft; make one with parley apply --draft", name)
	}
	view.Kind = draft.Kind
	return AssistantDetails{AssistantView: view, File: draft.File, Definition: draft.Definition, StoredAt: draft.created}, nil
}

// Versions lists the versions of an assistant. Those from before it was last
// deleted are not among them.
func (s *Service) Versions(ctx context.Context, name string) (Versions, error) {
	_, view, err := s.assistant(ctx, name)
	if err != nil {
		return Versions{}, err
	}
	h, err := s.history(ctx, name)
	if err != nil {
		return Versions{}, err
	}
	out := Versions{Versions: []VersionView{}, Draft: view.Draft}
	for _, r := range h.versions() {
		v := VersionView{Version: r.version, StoredAt: r.created, InForce: r.version == view.Version}
		for _, pin := range view.Pinned {
			if pin.Version == r.version {
				v.Pinned = append(v.Pinned, pin.Channel)
			}
		}
		out.Versions = append(out.Versions, v)
	}
	slices.Reverse(out.Versions)
	if before, ok := h.trail().before(0); ok && view.Version > 0 {
		out.Before = before.version
	}
	return out, nil
}

// PinsText says which channels stay with a version of their own, for people.
func (v AssistantView) PinsText() string {
	texts := make([]string, len(v.Pinned))
	for i, p := range v.Pinned {
		texts[i] = fmt.Sprintf("%s at %d", p.Channel, p.Version)
	}
	return strings.Join(texts, ", ")
}
