// Package freeport finds TCP ports on 127.0.0.1 for servers that tests stop
// and start again on the same address.
//
// A port given by the kernel (":0") does not survive that: it lies in the range
// from which clients get theirs, so while the server is down a reconnecting
// client can be given the very port it dials, connect to itself, and keep the
// server from coming back. Find therefore looks below that range.
package freeport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

const (
	low   = 20000
	high  = 32000
	tries = 100
)

// Find returns a port of 127.0.0.1 that nobody listened on a moment ago.
func Find(t testing.TB) int {
	t.Helper()
	port, err := Pick()
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	return port
}

// Addr returns "127.0.0.1:port" with a port from [Find].
func Addr(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Find(t)))
}

// Pick is [Find] for callers without a test. Its error is the last one the
// kernel gave.
func Pick() (int, error) {
	var last error
	for range tries {
		port := low + rand.IntN(high-low)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		if err := l.Close(); err != nil {
			return 0, err
		}
		return port, nil
	}
	return 0, last
}
