package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

// itemDraft is the kind of item that holds the draft of the assistant of the
// same name. It goes when the draft is published.
const itemDraft store.ItemKind = "draft"

// assistantBody is how an assistant is stored, and its draft. Fields stand in
// the order of their keys, so that equal assistants are equal bytes.
//
// Rows are only ever added: putting an older version in force again stores its
// body once more with As. Such a row is no version of its own.
type assistantBody struct {
	// As is the version whose definition this is, when another row brought it.
	As int64 `json:"as,omitempty"`
	// Aside marks a version that was stored for single channels: by this row
	// it never was in force for everybody.
	Aside bool `json:"aside,omitempty"`
	// Back marks a row that a roll-back stored.
	Back       bool   `json:"back,omitempty"`
	Definition string `json:"definition"`
	Demo       bool   `json:"demo,omitempty"`
	File       string `json:"file,omitempty"`
	Kind       string `json:"kind"`
}

// channelBody is how a channel is stored, in the order of its keys too.
type channelBody struct {
	Assistant string `json:"assistant"`
	// AssistantBack marks a pin that a roll-back set or took away.
	AssistantBack bool `json:"assistant_back,omitempty"`
	// AssistantVersion pins the channel to one version; 0 follows the version
	// that is in force for everybody.
	AssistantVersion int64          `json:"assistant_version,omitempty"`
	Demo             bool           `json:"demo,omitempty"`
	Disabled         bool           `json:"disabled,omitempty"`
	ID               chat.ChannelID `json:"id"`
	// Secrets are the driver's ids of the sealed values the channel holds,
	// sorted: what has to be fetched for it, and deleted with it.
	Secrets  []string        `json:"secrets,omitempty"`
	Settings json.RawMessage `json:"settings"`
	Type     string          `json:"type"`
}

// secretID is the id under which a channel's secret is stored. The channel's
// own id is part of it, so that no channel can name the secret of another.
func secretID(id chat.ChannelID, own string) string {
	return "channel/" + string(id) + "/" + own
}

// same reports whether two bodies are the same assistant. The file's name is
// only for people: moving a file makes no new version.
func (b assistantBody) same(o assistantBody) bool {
	return b.Definition == o.Definition && b.Kind == o.Kind && b.Demo == o.Demo
}

// storedAssistant is an assistant in force, or a draft, as the store has it.
type storedAssistant struct {
	assistantBody
	// version is the one that owners and episodes know; of a draft it says
	// nothing.
	version int64
	created time.Time
}

func decodeAssistant(item store.Item) (storedAssistant, error) {
	a := storedAssistant{version: item.Version, created: item.CreatedAt}
	err := json.Unmarshal(item.Body, &a.assistantBody)
	if a.As > 0 {
		a.version = a.As
	}
	return a, err
}

// storedChannel is a channel in force, as the store has it.
type storedChannel struct {
	channelBody
	version int64
	raw     []byte
}

// secretIDs are the ids of the channel's secrets as they are stored.
func (c storedChannel) secretIDs() []string {
	ids := make([]string, len(c.Secrets))
	for i, own := range c.Secrets {
		ids[i] = secretID(c.ID, own)
	}
	return ids
}

// contents is everything in force at one revision, by name.
type contents struct {
	revision   int64
	assistants map[string]storedAssistant
	drafts     map[string]storedAssistant
	channels   map[string]storedChannel
	// pinned are the versions that channels are pinned to, where they are not
	// in force for everybody; see readPinned.
	pinned map[versionKey]storedAssistant
	// unread are items whose body this binary cannot read, by kind and name.
	unread map[string]error
}

// assistantNames are the assistants there are, in force or only drafted.
func (c contents) assistantNames() []string {
	all := slices.Concat(keys(c.assistants), keys(c.drafts))
	slices.Sort(all)
	return slices.Compact(all)
}

// newContents decodes items. Kinds of item that this binary does not know are
// passed over: a newer one stored them.
func newContents(items []store.Item, revision int64) contents {
	all := contents{
		revision:   revision,
		assistants: map[string]storedAssistant{},
		drafts:     map[string]storedAssistant{},
		pinned:     map[versionKey]storedAssistant{},
		channels:   map[string]storedChannel{},
		unread:     map[string]error{},
	}
	for _, item := range items {
		if item.Deleted {
			continue
		}
		var err error
		switch item.Kind {
		case store.ItemAssistant:
			var a storedAssistant
			if a, err = decodeAssistant(item); err == nil {
				all.assistants[item.Name] = a
			}
		case itemDraft:
			var a storedAssistant
			if a, err = decodeAssistant(item); err == nil {
				all.drafts[item.Name] = a
			}
		case store.ItemChannel:
			c := storedChannel{version: item.Version, raw: item.Body}
			if err = json.Unmarshal(item.Body, &c.channelBody); err == nil {
				all.channels[item.Name] = c
			}
		}
		if err != nil {
			all.unread[string(item.Kind)+" "+item.Name] = err
		}
	}
	return all
}

// encodeBody writes a body as it is stored: compact and without HTML escaping,
// so that definitions stay readable in the database.
func encodeBody(body any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, fmt.Errorf("encode catalog item: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
