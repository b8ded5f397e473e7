// Package rtmtest speaks RTM the way client SDKs do, for tests of the driver
// and of the whole program and for the bench, and has a gateway in memory for
// tests of the driver alone.
//
// The wire client knows nothing of the driver's code: what it sends and reads
// is written down here a second time, so that a mistake in one place shows.
// It returns errors and needs no testing.TB. This package is imported by tests
// and the bench only.
package rtmtest
