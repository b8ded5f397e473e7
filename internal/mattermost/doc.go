// Package mattermost speaks to one Mattermost server as one account: REST v4
// for asking and posting, and the WebSocket for hearing.
//
// A [Client] is made with [New] and used from any number of goroutines. Its
// REST calls share one limiter, so that an account that was told to slow down
// slows down everywhere. [Client.Connect] opens the event [Stream], which can
// take up where an earlier one ended ([Resume]) and notices connections that
// are open and dead. Nothing here retries a lost connection or a failed post:
// that is for the caller, who knows what may be repeated.
//
// # Errors
//
// The server's messages are translated and change between versions, so only
// HTTP status and error id decide ([IDOf]); they are never shown. Every refusal
// and every lost connection is an [*Error], which is also a fault
// (internal/fault) with a safe text that names the mend. [Uncertain] tells the
// one case that must not simply be repeated: the request was written and no
// answer came.
//
// # Times and ids
//
// Times in the types are Unix milliseconds, as on the wire, and 0 for never.
// Ids are 26 characters of a-z and 0-9; a call with any other id is refused
// before anything is sent, so no id can change the path of a request.
//
// Facts in comments were observed with Mattermost 11.1 and 11.4 unless a
// comment says otherwise.
package mattermost
