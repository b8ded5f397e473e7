// Package mmwebhook is the channel of people who write in Mattermost and are
// answered over its webhooks: an outgoing webhook brings their posts, an
// incoming webhook takes the answers back, or the response to the outgoing one
// does when the assistant answers at once.
//
// # What it cannot keep
//
// Mattermost calls an outgoing webhook once and never again, so posts made
// while Parley is down are lost. Neither a response nor an incoming webhook
// tells which post came of it, so nothing proves that an answer arrived, and
// nothing can be looked for after a lost connection: such an answer is sent
// again. The payload names no thread, private channels and direct messages
// never call, and edits and deletions are not told. Package mattermost, with an
// account of its own, has none of these limits.
//
// # What it does keep
//
// A 2xx is given after the commit only. A post is accepted once, however many
// hooks bring it: its id is the key. A response has "text" or "attachments" only
// when it is an answer, because Mattermost posts them whatever the status.
//
// Nothing in a call is signed. A hook proves itself with the unguessable part
// of its address and its token, a pressed button with the signed context that
// only Mattermost and we know.
package mmwebhook
