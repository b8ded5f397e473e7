package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/fault"
)

// A channel type may offer more than the driver contract asks. The abilities
// are looked for here and nowhere else.
type (
	// guide tells an owner what to paste where, such as base URL and ids. It
	// gives no secret.
	guide interface {
		Guide(c channel.Configured, publicURL string) []channel.Shown
	}
	// adviser says what is allowed but unwise in a channel's settings and
	// secrets, such as an imported secret that is short. It gives no secret.
	adviser interface {
		Advise(c channel.Configured) []string
	}
	// signer signs a token with which a client may talk as user through an app
	// of the channel. app may be empty when the channel has only one; one that
	// the channel does not have is fault.NotFound.
	signer interface {
		TestToken(c channel.Configured, app, user string, now time.Time, life time.Duration) (string, error)
	}
)

// ChannelDetails is one channel with what an owner needs to connect to it.
type ChannelDetails struct {
	Channel
	// Settings are the stored settings, without secrets.
	Settings json.RawMessage `json:"settings"`
	// Paste is what to enter in the client, by label.
	Paste []channel.Shown `json:"paste,omitempty"`
}

// Channels lists the stored channels, by name.
func (s *Service) Channels(ctx context.Context) ([]Channel, error) {
	now, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Channel, 0, len(now.channels))
	for _, name := range keys(now.channels) {
		all = append(all, now.channels[name].view(name))
	}
	return all, nil
}

// Channel returns one channel by name with what to paste where, or
// fault.NotFound with a suggestion.
func (s *Service) Channel(ctx context.Context, name, publicURL string) (ChannelDetails, error) {
	c, configured, err := s.configured(ctx, name)
	if err != nil {
		return ChannelDetails{}, err
	}
	details := ChannelDetails{Channel: c.view(name), Settings: c.Settings}
	if g, ok := s.types[c.Type].(guide); ok {
		details.Paste = g.Guide(configured, publicURL)
	} else {
		details.Paste = []channel.Shown{
			{Label: "base URL", Value: publicURL},
			{Label: "channel id", Value: string(c.ID)},
		}
	}
	return details, nil
}

// TestToken signs a token with which an owner can try a channel as somebody.
// Without a channel name, app says which channel is meant, or there must be
// only one. The channel's type must use tokens; fault.Invalid otherwise.
func (s *Service) TestToken(ctx context.Context, name, app, user string, life time.Duration) (string, error) {
	if name != "" {
		return s.testToken(ctx, name, app, user, life)
	}
	now, err := s.load(ctx)
	if err != nil {
		return "", err
	}
	var able []string
	for _, name := range keys(now.channels) {
		if _, ok := s.types[now.channels[name].Type].(signer); ok {
			able = append(able, name)
		}
	}
	switch {
	case len(able) == 0:
		return "", fault.New(fault.NotFound, "there is no channel that uses tokens")
	case app == "" && len(able) > 1:
		return "", fault.Field("channel", "is missing; there is: %s", strings.Join(able, ", "))
	}
	for _, name := range able {
		token, err := s.testToken(ctx, name, app, user, life)
		if !fault.Is(err, fault.NotFound) {
			return token, err
		}
	}
	return "", fault.New(fault.NotFound, "no channel has the app %q", app)
}

func (s *Service) testToken(ctx context.Context, name, app, user string, life time.Duration) (string, error) {
	c, configured, err := s.configured(ctx, name)
	if err != nil {
		return "", err
	}
	t, ok := s.types[c.Type].(signer)
	if !ok {
		return "", fault.Field("channel", "channels of type %q do not use tokens", c.Type)
	}
	return t.TestToken(configured, app, user, s.now(), life)
}

// Advice is what is allowed but unwise, as "channel NAME: ...".
func (s *Service) Advice(ctx context.Context) ([]string, error) {
	now, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	sealed, err := now.readSecrets(ctx, s.store)
	if err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	var all []string
	for _, name := range keys(now.channels) {
		c := now.channels[name]
		a, ok := s.types[c.Type].(adviser)
		if !ok || c.Demo {
			continue // the demo is ours, and meant to be open to this machine
		}
		for _, text := range a.Advise(c.configured(name, s.sealer, sealed)) {
			all = append(all, fmt.Sprintf("channel %s: %s", name, text))
		}
	}
	return all, nil
}

// CheckSecrets opens every sealed secret and returns an error that names those
// that do not open, which is what a wrong key file looks like.
func (s *Service) CheckSecrets(ctx context.Context) (checked int, err error) {
	now, err := s.load(ctx)
	if err != nil {
		return 0, err
	}
	sealed, err := now.readSecrets(ctx, s.store)
	if err != nil {
		return 0, fmt.Errorf("read secrets: %w", err)
	}
	var errs []error
	for _, name := range keys(now.channels) {
		c := now.channels[name]
		open := c.configured(name, s.sealer, sealed)
		for _, own := range c.Secrets {
			if _, err := open.Secret(own); err != nil {
				errs = append(errs, fault.Wrap(err, fault.Unavailable, "secret %s of channel %s does not open", own, name))
				continue
			}
			checked++
		}
	}
	return checked, errors.Join(errs...)
}

// configured finds a stored channel by name, ready for its type's abilities.
func (s *Service) configured(ctx context.Context, name string) (storedChannel, channel.Configured, error) {
	now, err := s.load(ctx)
	if err != nil {
		return storedChannel{}, channel.Configured{}, err
	}
	c, ok := now.channels[name]
	if !ok {
		return storedChannel{}, channel.Configured{}, unknownName("channel", name, keys(now.channels))
	}
	sealed, err := s.store.Secrets(ctx, c.secretIDs())
	if err != nil {
		return storedChannel{}, channel.Configured{}, fmt.Errorf("read secrets: %w", err)
	}
	return c, c.configured(name, s.sealer, sealed), nil
}
