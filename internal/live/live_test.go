package live_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/live"
)

type heads struct {
	mu    sync.Mutex
	at    map[chat.ConversationKey]int64
	err   error
	asked int
}

func (h *heads) Heads(_ context.Context, keys []chat.ConversationKey) (map[chat.ConversationKey]int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	if len(keys) > 500 {
		return nil, errors.New("too many at once")
	}
	got := map[chat.ConversationKey]int64{}
	for _, k := range keys {
		got[k] = h.at[k]
	}
	return got, h.err
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func entries(key chat.ConversationKey, seqs ...int64) channel.News {
	n := channel.News{Conversation: key}
	for _, s := range seqs {
		n.Entries = append(n.Entries, chat.Entry{Conversation: key, Seq: s})
	}
	return n
}

func TestAnnounceReachesOnlyItsConversation(t *testing.T) {
	h := live.NewHub(&heads{}, quiet())
	var one, two []channel.News
	cancelOne := h.Subscribe(1, 0, func(n channel.News) { one = append(one, n) })
	defer h.Subscribe(2, 0, func(n channel.News) { two = append(two, n) })()
	h.Announce(entries(1, 1, 2))
	cancelOne()
	h.Announce(entries(1, 3))
	if len(one) != 1 || len(one[0].Entries) != 2 || len(two) != 0 {
		t.Errorf("one heard %v, two heard %v", one, two)
	}
	if h.Subscribers() != 1 {
		t.Errorf("%d subscribers", h.Subscribers())
	}
}

// A reader may stop listening from within its own call or while news arrive.
func TestCancelWhileAnnouncing(t *testing.T) {
	h := live.NewHub(&heads{}, quiet())
	var wg sync.WaitGroup
	for range 50 {
		cancel := h.Subscribe(1, 0, func(channel.News) {})
		wg.Go(func() { h.Announce(entries(1, 1)) })
		wg.Go(cancel)
	}
	wg.Wait()
	if h.Subscribers() != 0 {
		t.Errorf("%d subscribers are left", h.Subscribers())
	}
}

func TestSweepFindsLostNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &heads{at: map[chat.ConversationKey]int64{1: 4, 2: 9}}
		h := live.NewHub(src, quiet())
		var lost, fine []channel.News
		defer h.Subscribe(1, 2, func(n channel.News) { lost = append(lost, n) })()
		defer h.Subscribe(2, 0, func(n channel.News) { fine = append(fine, n) })()
		h.Announce(entries(2, 9))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { h.Run(ctx, time.Second); close(done) }()
		time.Sleep(3500 * time.Millisecond)
		stop()
		<-done
		if len(lost) != 1 || len(lost[0].Entries) != 0 {
			t.Errorf("the reader that missed something heard %v, want one empty news", lost)
		}
		if len(fine) != 1 {
			t.Errorf("the reader that missed nothing heard %v", fine)
		}
		if h.Repaired() != 1 || src.asked != 3 {
			t.Errorf("repaired %d in %d sweeps", h.Repaired(), src.asked)
		}
	})
}

func TestSweepAsksInChunks(t *testing.T) {
	src := &heads{at: map[chat.ConversationKey]int64{}}
	h := live.NewHub(src, quiet())
	for key := range chat.ConversationKey(1201) {
		h.Subscribe(key, 0, func(channel.News) {})
	}
	if err := h.Sweep(t.Context()); err != nil || src.asked != 3 {
		t.Errorf("%d queries, %v", src.asked, err)
	}
	src.err = errors.New("gone")
	if h.Sweep(t.Context()) == nil {
		t.Error("a failing store was not reported")
	}
}

func TestTraces(t *testing.T) {
	tr := live.NewTraces()
	rec := channel.TraceRecord{Direction: "in", Kind: "frame"}
	if tr.Watched("st-1", "cs-1/ann@example.com") {
		t.Fatal("watched without a watcher")
	}
	records, missed, stop := tr.Watch("st-1", "ann@")
	if !tr.Watched("st-1", "cs-1/ann@example.com") || tr.Watched("st-1", "cs-1/bob") || tr.Watched("st-2", "cs-1/ann@example.com") {
		t.Error("the wrong places are watched")
	}
	for range 300 {
		tr.Record("st-1", "cs-1/ann@example.com", rec)
		tr.Record("st-1", "cs-1/bob", rec)
	}
	if len(records) != 256 || missed() != 44 {
		t.Errorf("%d records, %d missed", len(records), missed())
	}
	stop()
	stop()
	if tr.Watched("st-1", "cs-1/ann@example.com") {
		t.Error("watched after stop")
	}
}
