// Package mattermost is the channel of people who write in Mattermost: one
// account (a bot, a personal access token, or a user name and password) in any
// number of teams, rooms and direct messages.
//
// # What is promised
//
// Nothing is lost: a [link] keeps, for each room, the post up to which it has
// read, committed with the entry that came from it. It hears of posts over the
// WebSocket; after every loss of events it asks, room by room, for the posts
// after that one. A post is accepted once, whichever way it came: its id is the
// key. A link that cannot store stops reading; what it then misses it reads
// later.
//
// A thread, a direct message and, where an owner wants flat answers in rooms, a
// person in a room is one place each ([place]); private and public never share
// one.
//
// # Whom it hears
//
// Identity is the user id, never the props: anybody can claim to be a bot or
// somebody else there. Not heard are our own posts, those of bots (the server
// is asked), those the server itself makes, and those of incoming webhooks.
// The last cannot be told from a person's by id, since a webhook posts as its
// creator: a post counts as a webhook's when it says so in its props and, seen
// live, has not set its author online, or, read later, carries the webhook's
// display name. Who forges all of that silences nobody but himself.
//
// A person who logs in to our own account and posts there is no echo: the entry
// is recorded as an agent's in the conversation of that place, if there is one,
// and not answered.
package mattermost
