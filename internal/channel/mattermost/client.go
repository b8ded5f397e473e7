package mattermost

import (
	"context"
	"time"

	mm "parley/internal/mattermost"
)

// api is what the driver asks a server for; [mm.Client] does all of it.
type api interface {
	Me(ctx context.Context) (mm.User, error)
	User(ctx context.Context, id string) (mm.User, error)
	Config(ctx context.Context) (mm.ClientConfig, error)
	MyTeams(ctx context.Context) ([]mm.Team, error)
	MyChannels(ctx context.Context) ([]mm.Channel, error)
	Channel(ctx context.Context, id string) (mm.Channel, error)
	PostsAfter(ctx context.Context, channelID, afterID string, perPage int) (mm.PostPage, error)
	PostsBefore(ctx context.Context, channelID, beforeID string, perPage int) (mm.PostPage, error)
	NewestPost(ctx context.Context, channelID string) (mm.Post, error)
	PostsSince(ctx context.Context, channelID string, since time.Time) (mm.Changes, error)
	Post(ctx context.Context, id string) (mm.Post, error)
	CreatePost(ctx context.Context, n mm.NewPost) (mm.Post, error)
	PatchPost(ctx context.Context, id string, patch mm.Patch) (mm.Post, error)
	DeletePost(ctx context.Context, id string) error
	React(ctx context.Context, postID, emoji string) error
	Typing(ctx context.Context, channelID, parentID string) error
	Connect(ctx context.Context, resume mm.Resume) (stream, error)
	Close(ctx context.Context) error
}

// stream is an open WebSocket; [mm.Stream] is one.
type stream interface {
	Next(ctx context.Context) (mm.Event, error)
	Resume() mm.Resume
	Lost() bool
	Close()
}

// client fits a [mm.Client] to api.
type client struct{ *mm.Client }

// Connect implements api.
func (c client) Connect(ctx context.Context, resume mm.Resume) (stream, error) {
	s, err := c.Client.Connect(ctx, resume)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// dialServer makes a client; it sends nothing yet.
func (d *Driver) dialServer(a account) (api, error) {
	o := mm.Options{
		Server: a.server, CAFile: a.caFile, Proxy: a.proxy, Now: d.Now, PingEvery: d.Times.Ping,
		Logger: d.Logger.With("channel", a.channel),
	}
	if a.user != "" {
		o.Login = &mm.Login{User: a.user, Password: a.secret}
	} else {
		o.Token = a.secret
	}
	c, err := mm.New(o)
	if err != nil {
		return nil, err
	}
	return client{c}, nil
}
