package freeport_test

import (
	"net"
	"testing"

	"parley/internal/testkit/freeport"
)

func TestAddrCanBeListenedOnTwiceInARow(t *testing.T) {
	addr := freeport.Addr(t)
	for range 2 {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindStaysBelowClientRange(t *testing.T) {
	for range 20 {
		if port := freeport.Find(t); port < 20000 || port >= 32000 {
			t.Fatalf("port %d is outside 20000-31999", port)
		}
	}
}
