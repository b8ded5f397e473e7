package rtm

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Every task is run, and workers are taken again rather than made.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crew
		var done atomic.Int64
		var atOnce sync.WaitGroup
		for range 3 {
			// Four that run at the same time, three times.
			atOnce.Add(4)
			for range 4 {
				c.Go(func() {
					atOnce.Done()
					atOnce.Wait()
					done.Add(1)
				})
			}
			synctest.Wait()
			if n := len(c.resting); n != 4 {
				t.Fatalf("%d workers rest, want 4", n)
			}
		}
		if n := done.Load(); n != 12 {
			t.Errorf("%d tasks were run", n)
		}
		time.Sleep(restFor / 2)
		c.Go(func() { done.Add(1) })
		synctest.Wait()
		c.trim(time.Now().Add(-restFor / 4))
		synctest.Wait()
		if n := len(c.resting); n != 1 {
			t.Errorf("%d workers rest after the others have rested too long", n)
		}
		long := make(chan struct{})
		c.Go(func() { <-long; done.Add(1) })
		waited := make(chan struct{})
		go func() { c.Wait(); close(waited) }()
		synctest.Wait()
		select {
		case <-waited:
			t.Error("Wait does not wait for a task")
		default:
		}
		c.Go(func() { done.Add(1) }) // one that comes late is run all the same
		close(long)
		<-waited
		synctest.Wait()
		if n := done.Load(); n != 15 || len(c.resting) != 0 {
			t.Errorf("%d tasks were run, %d workers rest", n, len(c.resting))
		}
	})
}
