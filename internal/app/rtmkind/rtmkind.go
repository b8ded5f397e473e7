// Package rtmkind is the channel type rtm as the catalog sees it, with what
// owners ask of it beyond the driver contract: what to paste where, advice, and
// test tokens.
package rtmkind

import (
	"slices"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/rtm"
	"parley/internal/fault"
)

// Kind is [rtm.Kind] with the catalog's optional abilities. The zero value is
// ready.
type Kind struct{ rtm.Kind }

var _ channel.Kind = Kind{}

// Guide says what to paste into a client. It gives no secret.
func (Kind) Guide(c channel.Configured, publicURL string) []channel.Shown {
	body, err := rtm.ParseBody(c.Body)
	if err != nil {
		// The settings are shown beside this; that they are unreadable shows there.
		return nil
	}
	paste := []channel.Shown{
		{Label: "base URL", Value: strings.TrimRight(publicURL, "/")},
		{Label: "bot name", Value: body.Bot.Name},
		{Label: "bot id", Value: body.Bot.ID},
	}
	for _, app := range body.Apps {
		paste = append(paste, channel.Shown{Label: "client id", Value: app.ID})
	}
	return paste
}

// Advise says what works but is weak.
func (Kind) Advise(c channel.Configured) []string { return rtm.Hints(c.Body, c.Secret) }

// TestToken signs the JWT an owner's own service would make. It needs the app's
// shared secret; an app with a public key alone is fault.Invalid, one the
// channel does not have fault.NotFound.
func (Kind) TestToken(c channel.Configured, app, user string, now time.Time, life time.Duration) (string, error) {
	body, err := rtm.ParseBody(c.Body)
	if err != nil {
		return "", err
	}
	var ids []string
	for _, a := range body.Apps {
		ids = append(ids, a.ID)
	}
	switch {
	case app == "" && len(ids) == 1:
		app = ids[0]
	case app == "":
		return "", fault.Field("app", "is missing; channel %s has: %s", c.Name, strings.Join(ids, ", "))
	}
	i := slices.Index(ids, app)
	if i < 0 {
		return "", fault.New(fault.NotFound, "channel %s has no app %q; it has: %s", c.Name, app, strings.Join(ids, ", "))
	}
	algorithm := ""
	for _, able := range []string{"HS256", "HS512"} {
		if algorithm == "" && slices.Contains(body.Apps[i].Algorithms, able) {
			algorithm = able
		}
	}
	if algorithm == "" {
		return "", fault.Field("app", "%s takes only tokens signed with its own private key, which Parley does not have", app)
	}
	secret, err := c.Secret(rtm.SecretID(body.Bot.ID, app))
	if err != nil {
		return "", err
	}
	return rtm.SignJWT(rtm.UserJWT{App: app, Secret: secret, Subject: user, Algorithm: algorithm, Life: life, Now: now})
}
