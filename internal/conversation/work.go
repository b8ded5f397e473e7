package conversation

import (
	"context"
	"sync"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// work is what this node has in hand: the turns it runs, and the conversations
// of which it does not know whether the store counts on it. A claim keeps every
// other node away, so a turn that is claimed and not run would hold up its
// conversation until this node's end.
type work struct {
	// closing is closed when no further turn may begin.
	closing chan struct{}
	// running counts the goroutines that run turns.
	running sync.WaitGroup

	mu     sync.Mutex
	closed bool
	turns  map[chat.TurnKey]store.Owner
	doubts map[chat.ConversationKey]struct{}
}

func newWork() *work {
	return &work{closing: make(chan struct{}), turns: make(map[chat.TurnKey]store.Owner), doubts: make(map[chat.ConversationKey]struct{})}
}

// close lets no further goroutine begin.
func (w *work) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		close(w.closing)
	}
}

func (w *work) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// begin counts a goroutine for a turn. It is false when the node stops. A turn
// that runs already under the same claim is not counted again: an expired lease
// lets its own node find it.
func (w *work) begin(key chat.TurnKey, owner store.Owner) (ok, runs bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if had, found := w.turns[key]; found && had == owner {
		return true, true
	}
	if w.closed {
		return false, false
	}
	w.turns[key] = owner
	w.running.Add(1)
	return true, false
}

// follow notes a turn that a counted goroutine goes on with.
func (w *work) follow(key chat.TurnKey, owner store.Owner) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turns[key] = owner
}

// leave forgets a turn, unless another boot of this node runs it by now.
func (w *work) leave(key chat.TurnKey, owner store.Owner) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.turns[key] == owner {
		delete(w.turns, key)
	}
}

func (w *work) runs(key chat.TurnKey, owner store.Owner) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	had, found := w.turns[key]
	return found && had == owner
}

// count is the number of turns that run or wait for a slot.
func (w *work) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.turns)
}

// doubt notes that a step of the conversation may have been stored although the
// store could not say so.
func (w *work) doubt(key chat.ConversationKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubts[key] = struct{}{}
}

// doubted takes the noted conversations away.
func (w *work) doubted() []chat.ConversationKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]chat.ConversationKey, 0, len(w.doubts))
	for key := range w.doubts {
		all = append(all, key)
	}
	clear(w.doubts)
	return all
}

// recheck gives back the turns that are claimed in this node's name and that
// nobody here runs. It must not overlap with claimDue.
func (s *Service) recheck(ctx context.Context) {
	keys := s.work.doubted()
	for i, key := range keys {
		err := ctx.Err()
		if err == nil {
			err = s.recheckOne(ctx, key)
		}
		if err == nil {
			continue
		}
		for _, left := range keys[i:] {
			s.work.doubt(left)
		}
		if ctx.Err() == nil && !fault.Is(err, fault.Unavailable) {
			s.Logger.Error("turns of a conversation could not be looked over", "conversation", key, "error", err)
		}
		return
	}
}

func (s *Service) recheckOne(ctx context.Context, key chat.ConversationKey) error {
	// Under the lock no turn is claimed here and not yet noted as running.
	h := s.known.of(key)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget()
	claimed, err := s.Store.Turns(ctx, store.TurnFilter{Conversation: key, Status: chat.TurnClaimed})
	if err != nil {
		return err
	}
	owner := s.Owner()
	for _, turn := range claimed {
		if s.work.runs(turn.Key, owner) {
			s.work.doubt(key) // until it does not any more
			continue
		}
		// Of a turn that another node or boot has claimed this changes nothing.
		_, err := store.Do(ctx, s.Store, store.PostponeTurn{
			Conversation: key, Turn: turn.Key, Owner: owner, DueAt: s.Now(), Error: turn.LastError,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
