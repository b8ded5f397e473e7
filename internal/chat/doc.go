// Package chat holds the words of the domain: conversations and their entries,
// episodes and who has control, turns, legs, and what an entry says. It is
// pure: it decides, it does no I/O, and it imports the standard library only.
package chat
