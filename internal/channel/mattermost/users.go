package mattermost

import (
	"context"
	"sync"
	"time"

	mm "parley/internal/mattermost"
)

// userLife is for how long what the server said of a user is believed.
const userLife = 10 * time.Minute

// users remembers who is a bot, and people's names.
type users struct {
	client api
	now    func() time.Time

	mu    sync.Mutex
	known *generations[string, knownUser]
}

type knownUser struct {
	mm.User
	until time.Time
}

func newUsers(client api, now func() time.Time) *users {
	return &users{client: client, now: now, known: newGenerations[string, knownUser](4096)}
}

// get returns a user. Somebody the server does not know any more is a person
// without a name: a bot that was deleted cannot write.
func (u *users) get(ctx context.Context, id string) (mm.User, error) {
	u.mu.Lock()
	known, ok := u.known.get(id)
	u.mu.Unlock()
	if ok && u.now().Before(known.until) {
		return known.User, nil
	}
	user, err := u.client.User(ctx, id)
	switch {
	case mm.IsNotFound(err):
		user = mm.User{ID: id}
	case err != nil:
		return mm.User{}, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.known.put(id, knownUser{user, u.now().Add(userLife)})
	return user, nil
}

// nameOf is what a user is called towards assistants and agents.
func nameOf(u mm.User) string {
	if name := u.DisplayName(); name != "" {
		return name
	}
	return u.ID
}
