package rtm_test

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
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
			sockets := make(chan *rtmtest.Socket, conns)
			for i := range conns {
				s, _, err := k.client(fmt.Sprint("user-", i)).Login(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.Read(b.Context()); err != nil { // the welcome
					b.Fatal(err)
				}
				sockets <- s
			}
			var id atomic.Int64
			b.SetParallelism((conns + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				s := <-sockets
				defer func() { _ = s.Drop() }()
				for pb.Next() {
					if err := s.Say(b.Context(), id.Add(1), "Hi"); err != nil {
						b.Error(err)
						return
					}
					for range 2 {
						if _, err := s.Read(b.Context()); err != nil {
							b.Error(err)
							return
						}
					}
				}
			})
		})
	}
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
