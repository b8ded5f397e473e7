package app

import "testing"

func TestGrowthFor(t *testing.T) {
	for live, want := range map[uint64]int{0: 300, 5 << 20: 300, 16 << 20: 200, 20 << 20: 100, 24 << 20: 100, 31 << 20: 100, 32 << 20: 50, 1 << 30: 50} {
		if got := growthFor(live); got != want {
			t.Errorf("with %d bytes live the heap may grow by %d %%, want %d", live, got, want)
		}
	}
}
