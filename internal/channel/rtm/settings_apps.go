package rtm

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"parley/internal/channel"
	"parley/internal/fault"
)

// algorithms that an app may use. "none" is not among them and never accepted.
var knownAlgorithms = []string{"HS256", "HS512", "RS256", "RS512"}

// apps completes the apps: one without an id takes the next stored app that no
// other names, so that applying the same text twice changes nothing.
func (s *settling) apps(gs []givenApp) error {
	if len(gs) == 0 {
		// A channel without an app could not be used; the first one is made.
		gs = []givenApp{{}}
	}
	if len(gs) > maxApps {
		return fault.Field("apps", "has %d apps; %d is the most", len(gs), maxApps)
	}
	named := map[string]int{}
	for i, g := range gs {
		if g.ID == "" {
			continue
		}
		if first, twice := named[g.ID]; twice {
			return fault.Field(fmt.Sprintf("apps[%d].id", i), "%s stands in apps[%d] already", g.ID, first)
		}
		named[g.ID] = i
	}
	var free []string
	for _, a := range s.old.Apps {
		if _, taken := named[a.ID]; !taken {
			free = append(free, a.ID)
		}
	}
	kept := map[string]bool{}
	for i, g := range gs {
		if g.ID == "" && len(free) > 0 {
			g.ID, free = free[0], free[1:]
		}
		app, err := s.app(fmt.Sprintf("apps[%d]", i), g)
		if err != nil {
			return err
		}
		kept[app.ID] = true
		s.body.Apps = append(s.body.Apps, app)
	}
	for _, a := range s.old.Apps {
		if !kept[a.ID] && hasHMAC(a.Algorithms) {
			s.secrets[SecretID(s.body.Bot.ID, a.ID)] = ""
		}
	}
	return nil
}

func (s *settling) app(field string, g givenApp) (AppBody, error) {
	a := AppBody{ID: g.ID, SingleUseJWT: g.SingleUseJWT}
	if a.ID == "" {
		a.ID = newID("cs-")
		s.shown = append(s.shown, channel.Shown{Label: "client id of a new app", Value: a.ID})
	}
	if err := checkID(field+".id", a.ID, "cs-", "an app"); err != nil {
		return a, err
	}
	if err := s.keys(field, g, &a); err != nil {
		return a, err
	}
	for i, o := range g.Origins {
		clean, err := origin(o)
		if err != nil {
			return a, fault.Field(fmt.Sprintf("%s.origins[%d]", field, i), "%s", err)
		}
		if !slices.Contains(a.Origins, clean) {
			a.Origins = append(a.Origins, clean)
		}
	}
	life := DefaultTokenLife
	if g.TokenLife != "" {
		var err error
		if life, err = time.ParseDuration(g.TokenLife); err != nil || life < MinTokenLife || life > MaxTokenLife {
			return a, fault.Field(field+".token_life", "%q is not a duration between %v and %v, such as 1h", g.TokenLife, MinTokenLife, MaxTokenLife)
		}
	}
	a.TokenLife = life.String()
	return a, nil
}

// keys settles what the app proves itself with. Whether it has a secret
// follows from what is written alone, so that moving to a public key takes the
// old secret out of force.
func (s *settling) keys(field string, g givenApp, a *AppBody) error {
	a.PublicKey = strings.TrimSpace(g.PublicKey)
	if a.PublicKey != "" {
		if _, err := parsePublicKey(a.PublicKey); err != nil {
			return fault.Field(field+".public_key", "%s", err)
		}
	}
	algorithms, err := settleAlgorithms(field, g, a.PublicKey != "")
	if err != nil {
		return err
	}
	a.Algorithms = algorithms

	id := SecretID(s.body.Bot.ID, a.ID)
	had := slices.ContainsFunc(s.old.Apps, func(o AppBody) bool { return o.ID == a.ID && hasHMAC(o.Algorithms) })
	switch {
	case !hasHMAC(a.Algorithms):
		if had {
			s.secrets[id] = ""
		}
	case g.Secret != "":
		s.secrets[id] = g.Secret
	case !had:
		secret := newSecret()
		s.secrets[id] = secret
		s.shown = append(s.shown, channel.Shown{Label: "secret of app " + a.ID, Value: secret})
	}
	return nil
}

func settleAlgorithms(field string, g givenApp, hasKey bool) ([]string, error) {
	list := slices.Clone(g.Algorithms)
	if len(list) == 0 {
		if hasKey {
			list = append(list, "RS256", "RS512")
		}
		if !hasKey || g.Secret != "" {
			list = append(list, "HS256", "HS512")
		}
	}
	for i, alg := range list {
		at := fmt.Sprintf("%s.algorithms[%d]", field, i)
		switch {
		case !slices.Contains(knownAlgorithms, alg):
			return nil, fault.Field(at, "%q cannot be used; choose from %s", alg, strings.Join(knownAlgorithms, ", "))
		case strings.HasPrefix(alg, "RS") && !hasKey:
			return nil, fault.Field(at, "%s needs public_key", alg)
		}
	}
	if g.Secret != "" && !hasHMAC(list) {
		return nil, fault.Field(field+".secret", "is not used by %s; add HS256 or take the secret out", strings.Join(list, ", "))
	}
	if hasKey && !hasRSA(list) {
		return nil, fault.Field(field+".public_key", "is not used by %s; add RS256 or take the key out", strings.Join(list, ", "))
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func newID(prefix string) string { return prefix + uuid.NewString() }

// newSecret returns 32 random bytes: enough for HS256 under every library's
// rules, and written in characters that survive shells and forms.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails; it ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}
