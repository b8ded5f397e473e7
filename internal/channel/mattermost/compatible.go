package mattermost

import (
	"slices"

	"parley/internal/channel"
	"parley/internal/fault"
)

var _ channel.Together = Kind{}

// Together implements [channel.Together]: an account has one channel, or each
// post would be answered twice.
func (Kind) Together(all []channel.Configured) error {
	var seen []account
	var names []string
	for _, c := range all {
		if c.Disabled {
			continue
		}
		body, err := ParseBody(c.Body)
		if err != nil {
			return err
		}
		a, err := newAccount(c, body)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(seen, a.sameAccount); i >= 0 {
			return onOneAccount(names[i], c.Name, a.server)
		}
		seen, names = append(seen, a), append(names, c.Name)
	}
	return nil
}

func onOneAccount(one, other, server string) error {
	names := []string{one, other}
	slices.Sort(names)
	return fault.New(fault.Conflict, "channels %q and %q are on one account of %s; each needs an account of its own, so remove or disable one of them", names[0], names[1], server)
}
