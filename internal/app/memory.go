package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A burst - thousands of logins after a restart - leaves the heap larger than
// what the open sockets need, and Go gives the rest back slowly. When the
// process is calm again, it is given back at once.
const (
	memoryLook = 2 * time.Second
	// calmBytes is how much may be allocated between two looks of a calm
	// process.
	calmBytes = 8 << 20
	// spareBytes is what is worth a collection.
	spareBytes = 24 << 20
	// From largeHeap of live data on the heap may grow by tightGrowth percent
	// before it is collected, not by Go's usual 100: that much room for garbage
	// is then a lot of memory, and collecting is no longer frequent.
	largeHeap   = 32 << 20
	usualGrowth = 100
	tightGrowth = 50
	// A small heap may grow to roomyHeap, by at most roomyGrowth percent: a busy
	// server would collect the same few megabytes over and over.
	roomyHeap   = 48 << 20
	roomyGrowth = 300
	// growthStep keeps small changes of the heap from changing its growth.
	growthStep = 50
)

// giveBack returns unused memory to the system in calm moments until ctx ends.
func giveBack(ctx context.Context) {
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	figures := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	var allocated, left uint64
	defer debug.SetGCPercent(debug.SetGCPercent(usualGrowth))
	growth := usualGrowth
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(figures)
		now, live := figures[0].Value.Uint64(), figures[1].Value.Uint64()
		if want := growthFor(live); want != growth {
			growth = want
			debug.SetGCPercent(want)
		}
		held := figures[2].Value.Uint64() + figures[3].Value.Uint64() + figures[4].Value.Uint64()
		calm := now-allocated < calmBytes
		allocated = now
		// left is what a collection could not give back: asking again for it
		// would be work for nothing.
		if spare := held - min(held, live); !calm || spare < left+spareBytes {
			left = min(left, spare)
			continue
		}
		debug.FreeOSMemory()
		metrics.Read(figures)
		held = figures[2].Value.Uint64() + figures[3].Value.Uint64() + figures[4].Value.Uint64()
		left = held - min(held, figures[1].Value.Uint64())
		allocated = figures[0].Value.Uint64()
	}
}

// growthFor is by how many percent the heap may grow beyond its live data before
// it is collected.
func growthFor(live uint64) int {
	switch {
	case live >= largeHeap:
		return tightGrowth
	case live >= roomyHeap/2:
		return usualGrowth
	}
	room := min(int((roomyHeap-live)*100/max(live, 1)), roomyGrowth)
	return room - room%growthStep
}
