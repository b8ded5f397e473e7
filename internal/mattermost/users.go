package mattermost

import (
	"context"
	"net/http"
)

// usersAtOnce is how many users one request asks for.
const usersAtOnce = 200

// Me reads our own account. It asks the server each time, so it also tells
// whether the credentials are still good.
func (c *Client) Me(ctx context.Context) (User, error) {
	var u User
	err := c.call(ctx, request{op: "read own account", method: http.MethodGet, path: "/users/me"}, &u)
	if err == nil {
		c.self.Store(&u.ID)
	}
	return u, err
}

// selfID is our own user id, asked for once: it never changes.
func (c *Client) selfID(ctx context.Context) (string, error) {
	if id := c.self.Load(); id != nil {
		return *id, nil
	}
	u, err := c.Me(ctx)
	if err != nil {
		return "", err
	}
	return u.ID, nil
}

// User reads an account.
func (c *Client) User(ctx context.Context, id string) (User, error) {
	if err := checkIDs("user id", id); err != nil {
		return User{}, err
	}
	return c.user(ctx, "/users/"+id)
}

// UserByName reads an account by its user name, without the @.
func (c *Client) UserByName(ctx context.Context, name string) (User, error) {
	part, err := pathName("user", name)
	if err != nil {
		return User{}, err
	}
	return c.user(ctx, "/users/username/"+part)
}

func (c *Client) user(ctx context.Context, path string) (User, error) {
	var u User
	err := c.call(ctx, request{op: "read user", method: http.MethodGet, path: path}, &u)
	return u, err
}

// Users reads accounts by id, in no order; unknown ids are missing from the
// result.
func (c *Client) Users(ctx context.Context, ids ...string) ([]User, error) {
	for _, id := range ids {
		if err := checkIDs("user id", id); err != nil {
			return nil, err
		}
	}
	return c.users(ctx, "/users/ids", ids)
}

// UsersByName reads accounts by user name, in no order; unknown names are
// missing from the result.
func (c *Client) UsersByName(ctx context.Context, names ...string) ([]User, error) {
	return c.users(ctx, "/users/usernames", names)
}

func (c *Client) users(ctx context.Context, path string, keys []string) ([]User, error) {
	var all []User
	for len(keys) > 0 {
		n := min(len(keys), usersAtOnce)
		var some []User
		err := c.call(ctx, request{op: "read users", method: http.MethodPost, path: path, body: keys[:n], reads: true}, &some)
		if err != nil {
			return nil, err
		}
		all, keys = append(all, some...), keys[n:]
	}
	return all, nil
}
