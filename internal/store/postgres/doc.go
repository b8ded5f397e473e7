// Package postgres keeps the store in PostgreSQL, for one or several nodes.
//
// One dedicated connection writes, a pool reads. A batch of steps is two round
// trips: BEGIN with all lookups, and all changes with COMMIT; or one, where all
// that it needs is remembered and has not changed. Nodes lock the conversations
// of a batch in the order of their keys, so that they wait for each other and
// never deadlock. When the connection is lost, the steps under way fail as
// unavailable - whether their commit arrived is not known, and de-duplication
// makes the repeat harmless - and the writer connects again.
package postgres
