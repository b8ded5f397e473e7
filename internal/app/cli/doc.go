// Package cli is the command line: what can be asked, and how answers look.
//
// Commands that read or change data talk to the running server through the
// socket in its data folder. When no server holds the data they open it
// themselves and put the same questions to the same handlers in this process,
// so that a command behaves the same either way. With --url they ask a server
// elsewhere, over HTTP and with an API token.
package cli
