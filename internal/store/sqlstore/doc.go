// Package sqlstore is what both database engines share: the schema, the steps
// and the queries.
//
// A [Writer] commits steps in batches, each in three moves. It LOADS the rows
// that the batch needs with a few lookups by key; it DECIDES, step by step, on
// those rows in memory, where the steps of a batch see each other's effects;
// and it WRITES the changed rows and commits. Deciding does no I/O and is plain
// Go, so an engine adds only how rows are fetched and stored in bulk: see
// [Engine]. On PostgreSQL a batch is two round trips however many steps it has.
//
// Steps that look across conversations (claims, leases, the catalog, sweeping)
// run alone, each in a transaction of its own.
//
// SQL texts are written for both engines, with $1 parameters.
package sqlstore
