// Package socket keeps many WebSocket sessions open cheaply and ends each of
// them for a named reason.
//
// A [Group] holds the sessions of one listener. [Group.Accept] upgrades a
// request and returns a [Session]; the caller starts its reader with
// [Session.Go], returns from the HTTP handler, and from then on an idle
// session costs one goroutine (that reader) and a few kilobytes: the buffers
// of net/http are let go, writing is done by a goroutine that exists only
// while something is queued, and one goroutine per group sends the
// protocol-level pings and notices the peers that stopped answering.
//
// How things fail, in one place:
//
//   - A peer that does not read is dropped ([ReasonSlowReader]) when its queue
//     is full or one write takes longer than [Options.WriteTimeout]. Nobody
//     else waits for it: [Session.Send] never blocks.
//   - A peer that neither answers a ping nor sends anything is dropped
//     ([ReasonDead]); one that begins a message and does not finish it too
//     ([ReasonStalled]). A caller that is slow to call [Session.Read] again is
//     no reason to drop a peer.
//   - Input that breaks the protocol is answered with its close code and ends
//     the session (too large 1009, text that is not UTF-8 1007, else 1002).
//   - The first reason wins; every later call on the session returns it as an
//     [*EndError].
//
// Messages are sent in the order of the Send calls. What is queued when a
// session is dropped is lost; what is queued when it is closed with
// [Session.Close] is written first. Nothing here is durable: a caller that
// must not lose a message keeps it elsewhere until the peer confirms it.
//
// No method takes the context of an HTTP request, since that context ends
// with the handler while the session lives on. All methods may be called from
// any goroutine, except that only one may be in Read at a time.
//
// Lock order: Group.mu is never held while a Session or its connection is
// locked, and Session.mu is never held during I/O.
package socket
