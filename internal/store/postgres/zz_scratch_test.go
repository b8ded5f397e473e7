package postgres_test

import (
	"testing"

	"parley/internal/store/storetest"
)

func TestScratch(t *testing.T) {
	for _, c := range [][2]int{{100000, 1}, {1, 100000}} {
		url := pg.Database(t)
		s := open(t, url)
		storetest.Scratch(t, s, func(q string) { runSQL(t, url, q) }, c[0], c[1])
		s.Close()
	}
}
