package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"

	"parley/internal/chat"
	"parley/internal/store"
)

// assistantBody is how an assistant is stored. Fields stand in the order of
// their keys, so that equal assistants are equal bytes.
type assistantBody struct {
	Definition string `json:"definition"`
	Demo       bool   `json:"demo,omitempty"`
	File       string `json:"file,omitempty"`
	Kind       string `json:"kind"`
}

// channelBody is how a channel is stored, in the order of its keys too.
type channelBody struct {
	Assistant string         `json:"assistant"`
	Demo      bool           `json:"demo,omitempty"`
	Disabled  bool           `json:"disabled,omitempty"`
	ID        chat.ChannelID `json:"id"`
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

// storedAssistant is an assistant in force, as the store has it.
type storedAssistant struct {
	assistantBody
	version int64
	raw     []byte
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
	channels   map[string]storedChannel
	// unread are items whose body this binary cannot read, by kind and name.
	unread map[string]error
}

// newContents decodes items. Kinds of item that this binary does not know are
// passed over: a newer one stored them.
func newContents(items []store.Item, revision int64) contents {
	all := contents{
		revision:   revision,
		assistants: map[string]storedAssistant{},
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
			a := storedAssistant{version: item.Version, raw: item.Body}
			if err = json.Unmarshal(item.Body, &a.assistantBody); err == nil {
				all.assistants[item.Name] = a
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
