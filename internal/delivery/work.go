package delivery

import (
	"sync"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/store"
)

// job is a claimed delivery in hand.
type job struct {
	store.ClaimedDelivery
	owner store.Owner
	// sender is nil until it was found.
	sender channel.Sender
	// doubt is set while the first unsent part may have arrived.
	doubt bool
	// asked is set once the far side was asked anything.
	asked bool
	// done is closed when nobody works on it any more.
	done chan struct{}
}

func newJob(d store.ClaimedDelivery, owner store.Owner) *job {
	return &job{
		ClaimedDelivery: d, owner: owner, done: make(chan struct{}),
		doubt: d.Uncertain && len(d.Parts) > 0,
	}
}

// outgoing is what the sender is told.
func (j *job) outgoing() channel.Outgoing {
	return channel.Outgoing{
		Delivery: j.Key, Conversation: j.Conversation, Leg: j.Leg, Entry: j.Entry,
		Targets: j.Targets, Questions: j.Questions, Attempt: j.Attempts + 1,
	}
}

// needless says why there is nothing to send, or nothing.
func (j *job) needless() string {
	switch {
	case j.withdrawn():
		return "the entry was deleted before it was sent"
	case (j.Entry.Purpose == chat.Edit || j.Entry.Purpose == chat.Deletion) && len(j.Targets) == 0:
		return "what it changes was never sent"
	default:
		return ""
	}
}

// withdrawn reports whether the entry must no longer be shown to anybody.
func (j *job) withdrawn() bool { return j.Entry.Purpose == chat.Message && j.Entry.Deleted }

// work is what this node has in hand.
type work struct {
	group sync.WaitGroup

	mu    sync.Mutex
	count int
	jobs  map[chat.DeliveryKey]*job
	// offered are legs that a commit under way may claim a delivery of, with
	// the number of such commits.
	offered map[chat.LegKey]int
	closed  bool
}

func newWork() *work {
	return &work{jobs: make(map[chat.DeliveryKey]*job), offered: make(map[chat.LegKey]int)}
}

// begin takes a job in hand. It is false while this boot has the delivery in
// hand already. previous is a job of an older boot that has to end first, or
// nil.
func (w *work) begin(j *job) (previous *job, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.start(j)
}

// start is begin for a caller that holds w.mu.
func (w *work) start(j *job) (previous *job, ok bool) {
	had := w.jobs[j.Key]
	if had != nil && had.owner == j.owner {
		return nil, false
	}
	w.jobs[j.Key] = j
	w.count++
	w.group.Add(1)
	return had, true
}

// leave lets go of the delivery while the job's goroutine has other things to
// do; calling it again is harmless.
func (w *work) leave(j *job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(j)
}

func (w *work) forget(j *job) {
	if w.jobs[j.Key] == j {
		delete(w.jobs, j.Key)
	}
	select {
	case <-j.done:
	default:
		close(j.done)
	}
}

// end is the end of the job's goroutine.
func (w *work) end(j *job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(j)
	w.count--
	w.group.Done()
}

func (w *work) running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

func (w *work) has(key chat.DeliveryKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jobs[key] != nil
}

// look reports whether a claimed delivery is in hand, and whether it may be one
// whose commit has not told us yet.
func (w *work) look(d chat.Delivery) (has, offered bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jobs[d.Key] != nil, w.offered[d.Leg] > 0
}

// close returns a channel that is closed when nothing is in hand. Nothing may
// begin after it.
func (w *work) close() <-chan struct{} {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	done := make(chan struct{})
	go func() {
		w.group.Wait()
		close(done)
	}()
	return done
}

// age is how old the delivery is.
func (j *job) age(now time.Time) time.Duration { return now.Sub(j.CreatedAt) }
