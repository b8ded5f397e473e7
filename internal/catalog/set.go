package catalog

import (
	"context"
	"encoding/json"
	"fmt"

	"parley/internal/channel"
	"parley/internal/fault"
)

// SettingChange is a new value for one key of a channel.
type SettingChange struct {
	// Key is written like bot.name or apps[0].secret. Besides the keys of the
	// channel's type there are assistant and disabled.
	Key string `json:"key" minLength:"1" maxLength:"300" doc:"As in a catalog, such as token, bot.name or apps[0].secret; assistant and disabled too."`
	// Value is JSON. Null takes the key away, and so does an empty text for a
	// key that holds no text.
	Value json.RawMessage `json:"value" doc:"The new value. Null takes the key away, which for a secret means that it stays as it is."`
}

// SetChannel changes single settings of a channel and stores them when its test
// does not fail: what is not named stays as it is, secrets too. It is checked
// as in a catalog. An unknown name is fault.NotFound; what is wrong with the
// settings comes back as [Problems]. What changes nothing is not tested.
func (s *Service) SetChannel(ctx context.Context, name string, changes []SettingChange, o AddOptions) (Added, error) {
	return twice(func() (Added, error) { return s.setOnce(ctx, name, changes, o) })
}

func (s *Service) setOnce(ctx context.Context, name string, changes []SettingChange, o AddOptions) (Added, error) {
	now, err := s.load(ctx)
	if err != nil {
		return Added{}, err
	}
	old, ok := now.channels[name]
	switch {
	case !ok:
		return Added{}, unknownName("channel", name, keys(now.channels))
	case old.Demo:
		return Added{}, fault.New(fault.Conflict, "channel %q is the demo, which goes when your own app comes; make one: parley channel add %s", name, old.Type)
	}
	spec, err := s.written(ctx, name, old)
	if err != nil {
		return Added{}, err
	}
	if spec, err = changed(spec, "channels."+name, changes); err != nil {
		return Added{}, err
	}
	p := newPlan(s, now)
	if err := p.channels(ctx, Manifest{Channels: map[string]ChannelSpec{name: spec}}); err != nil {
		return Added{}, err
	}
	if err := p.failure(); err != nil {
		return Added{}, err
	}
	if p.empty() {
		return Added{Findings: []channel.Finding{}, Stored: true, Result: p.result(now.revision, nil, false)}, nil
	}
	return s.tested(ctx, p, name, o, "set channel")
}

// written is a stored channel as an owner would write it, without the secrets
// that stand by themselves.
func (s *Service) written(ctx context.Context, name string, c storedChannel) (ChannelSpec, error) {
	spec := ChannelSpec{Type: c.Type, Assistant: c.Assistant, Disabled: c.Disabled}
	able, ok := s.types[c.Type].(channel.Exporter)
	if !ok {
		return spec, fault.New(fault.Conflict, "single settings of channels of type %q cannot be changed here; apply a catalog", c.Type)
	}
	sealed, err := s.store.Secrets(ctx, c.secretIDs())
	if err != nil {
		return spec, fmt.Errorf("read secrets: %w", err)
	}
	configured := c.configured(name, s.sealer, sealed)
	settings, err := able.Export(configured)
	if err != nil {
		return spec, fmt.Errorf("write channel %s down: %w", name, err)
	}
	spec.Settings, err = json.Marshal(withSecrets(settings, configured, false))
	return spec, err
}

// withSecrets replaces references to secrets. Those in lists are put back,
// because a list is given as a whole. All others are left out, as in a catalog
// that keeps them: so the channel's type can ask for them anew, as it does when
// they would go to another server than they were given for. What does not open
// is left out as well.
func withSecrets(v any, c channel.Configured, inList bool) any {
	switch v := v.(type) {
	case channel.SecretRef:
		if value, err := c.Secret(string(v)); inList && err == nil {
			return value
		}
		return nil
	case map[string]any:
		all := make(map[string]any, len(v))
		for key, inner := range v {
			if inner = withSecrets(inner, c, inList); inner != nil {
				all[key] = inner
			}
		}
		return all
	case []any:
		all := make([]any, len(v))
		for i, inner := range v {
			all[i] = withSecrets(inner, c, true)
		}
		return all
	}
	return v
}

// changed puts new values into a channel.
func changed(spec ChannelSpec, path string, changes []SettingChange) (ChannelSpec, error) {
	settings := map[string]any{}
	if err := json.Unmarshal(spec.Settings, &settings); err != nil {
		return spec, fmt.Errorf("read settings: %w", err)
	}
	var wrong Problems
	for _, one := range changes {
		var err error
		switch one.Key {
		case "type":
			err = fault.Field("type", "cannot change; add a channel under another name")
		case "assistant":
			err = into(&spec.Assistant, one, "the name of an assistant")
		case "disabled":
			err = into(&spec.Disabled, one, "true or false")
		default:
			var value any
			if err = into(&value, one, "JSON"); err == nil {
				err = ChangeSetting(settings, one.Key, value)
			}
		}
		if err != nil {
			found, ok := problemsOf(err, path)
			if !ok {
				return spec, err
			}
			wrong = append(wrong, found...)
		}
	}
	if err := wrong.asError(); err != nil {
		return spec, err
	}
	var err error
	spec.Settings, err = json.Marshal(settings)
	return spec, err
}

func into(out any, one SettingChange, wanted string) error {
	if json.Unmarshal(one.Value, out) != nil {
		return fault.Field(one.Key, "should be %s", wanted)
	}
	return nil
}
