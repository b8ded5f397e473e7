// Package rtm is the channel that Kore.ai client SDKs (web, Android, iOS, React
// Native) and our own widget speak: a JWT is granted an access token, the token
// starts a socket, the socket carries messages, and history is read over HTTP.
//
// A channel is one bot ("st-..."); its apps ("cs-...") are credentials. What
// the clients really send and need was observed with web SDK 10.1.12, 10.27.0
// and 11.26.0 and read in the sources of the mobile SDKs; comments name the
// client (W10, W11, Android, iOS, React Native) where a line exists because of
// it.
//
// The log is the delivery. A socket holds the last sequence number it has
// sent; news of a commit that continue it are sent at once, anything else is
// read from the log. What a client has certainly received is known from the
// answer to a ping that was written behind it, so that after a lost connection
// the rest is sent again with the same messageId, which clients use to drop
// repeats.
//
// Locks, in the order they may be taken: session.mu, then user.mu; the maps of
// [Driver] are taken alone.
package rtm
