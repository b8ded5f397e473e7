package mattermost

import "parley/internal/chat"

// GaveUp reports whether the link of a channel with a password was refused and
// will not try again: each further try counts against the account until it is
// locked, a test's too.
func (d *Driver) GaveUp(id chat.ChannelID) bool {
	l := d.link(id)
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.gaveUp
}
