// Package crowd is many people who talk to a running server over RTM at once,
// each with a book of what was promised to them, and the auditor who compares
// the books with the server's history and log.
//
// A person numbers the messages, gives each an id, sends them in order, and
// sends again under the same id, in order, what was not acknowledged: after a
// reconnect as the SDKs do, and when an ack does not come. The books do not
// close when the server is killed; that is the point.
//
//	c := crowd.Gather(t, crowd.Options{App: app, People: 20})
//	c.Talk()
//	server.Kill()
//	server.Start()
//	... c.Missing() says what was acknowledged and is gone ...
//	c.Settle(time.Minute)
//	crowd.Audit(t, c, admin)
package crowd
