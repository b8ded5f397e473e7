package rtm

import (
	"slices"
	"sync"
	"time"
)

const (
	// maxResting bounds the workers that rest.
	maxResting = 2048
	// restFor is how long a worker rests before it is let go.
	restFor = 10 * time.Second
)

// crew runs tasks in goroutines that rest after a task and take another. A new
// goroutine begins with a small stack, and growing one for each message was 4 %
// of the CPU time of a turn, about what reading the message takes.
type crew struct {
	workers sync.WaitGroup

	mu sync.Mutex
	// resting are in the order in which they came to rest. The last one is taken
	// first: its stack is still as large as it has to be.
	resting []*worker
	closed  bool
}

type worker struct {
	task  chan func() // nil for its end
	since time.Time
}

// Go runs a task in the background.
func (c *crew) Go(task func()) {
	c.mu.Lock()
	last := len(c.resting) - 1
	if last < 0 {
		c.mu.Unlock()
		c.workers.Go(func() { c.work(task) })
		return
	}
	w := c.resting[last]
	c.resting[last] = nil
	c.resting = c.resting[:last]
	c.mu.Unlock()
	w.task <- task
}

func (c *crew) work(task func()) {
	w := &worker{task: make(chan func(), 1)}
	for task != nil {
		task()
		task = c.rest(w)
	}
}

// rest waits for the next task; nil for none.
func (c *crew) rest(w *worker) func() {
	c.mu.Lock()
	if c.closed || len(c.resting) >= maxResting {
		c.mu.Unlock()
		return nil
	}
	w.since = time.Now()
	c.resting = append(c.resting, w)
	c.mu.Unlock()
	return <-w.task
}

// trim lets workers go that have rested since before a time.
func (c *crew) trim(before time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for n < len(c.resting) && c.resting[n].since.Before(before) {
		c.resting[n].task <- nil
		n++
	}
	if n > 0 {
		c.resting = slices.Clone(c.resting[n:])
	}
}

// Wait lets all who rest go and waits until every task has ended.
func (c *crew) Wait() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.trim(time.Now().Add(time.Hour))
	c.workers.Wait()
}
