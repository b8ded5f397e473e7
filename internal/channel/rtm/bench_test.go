package rtm_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"parley/internal/channel"
	"parley/internal/channel/rtm"
	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/chat"
)

// silent is a trace nobody watches, as in production.
type silent struct{}

func (silent) Watched(chat.ChannelID, string) bool                { return false }
func (silent) Record(chat.ChannelID, string, channel.TraceRecord) {}

func benchKit(b *testing.B) *kit {
	return start(b, func(_ *kit, o *rtm.Options) {
		o.Trace, o.Logger, o.Tick = silent{}, slog.New(slog.NewTextHandler(io.Discard, nil)), 0
	})
}

// BenchmarkTurn is one message with its ack and answer over a real socket, with
// nothing stored: the driver's own cost.
func BenchmarkTurn(b *testing.B) {
	for _, conns := range []int{1, 100} {
		b.Run(fmt.Sprint(conns, "_sockets"), func(b *testing.B) {
			k := benchKit(b)
			var sockets []*rtmtest.Socket
			for i := range conns {
				s, _, err := k.client(fmt.Sprint("user-", i)).Login(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = s.Drop() }()
				if _, err := s.Read(b.Context()); err != nil { // the welcome
					b.Fatal(err)
				}
				sockets = append(sockets, s)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var todo atomic.Int64
			var work sync.WaitGroup
			for _, s := range sockets {
				work.Go(func() {
					for id := todo.Add(1); id <= int64(b.N); id = todo.Add(1) {
						if err := turn(b.Context(), s, id); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			work.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "turns/s")
		})
	}
}

func turn(ctx context.Context, s *rtmtest.Socket, id int64) error {
	if err := s.Say(ctx, id, "Hi"); err != nil {
		return err
	}
	for range 2 { // ack and answer
		if _, err := s.Read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkLogin is grant, start and upgrade.
func BenchmarkLogin(b *testing.B) {
	k := benchKit(b)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		s, _, err := k.client(fmt.Sprint("user-", n)).Login(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Drop()
	}
}
