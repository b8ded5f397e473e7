package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// frameSize is the length of a client frame, in bytes.
const frameSize = 300

// sample is what one run of a load measured.
type sample struct {
	turns   int
	took    time.Duration
	acks    []time.Duration
	replies []time.Duration
}

func (s sample) perSecond() float64 { return float64(s.turns) / s.took.Seconds() }

func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(q*float64(len(all))))]
}

// clientFrame is a message as the web SDK sends it, padded to frameSize.
func clientFrame(id int64, bot string) []byte {
	head := fmt.Sprintf(`{"clientMessageId":%d,"resourceid":"/bot.message","message":{"body":"Hi"},"botInfo":{"chatBot":"Bench","taskBotId":"%s"},"client":"sdk","meta":{"timezone":"Etc/UTC","locale":"en-US","pad":"`, id, bot)
	tail := fmt.Sprintf(`"},"id":%d}`, id)
	pad := max(0, frameSize-len(head)-len(tail))
	return []byte(head + string(bytes.Repeat([]byte("x"), pad)) + tail)
}

// turn sends one message and waits for its ack and its answer.
func turn(w *wire, id int64, bot string) (ack, reply time.Duration, err error) {
	began := time.Now()
	if err := w.send(clientFrame(id, bot)); err != nil {
		return 0, 0, err
	}
	for ack == 0 || reply == 0 {
		frame, err := w.read()
		if err != nil {
			return 0, 0, err
		}
		switch {
		case bytes.Contains(frame, []byte(`"type":"ack"`)):
			ack = time.Since(began)
		case bytes.Contains(frame, []byte(`"type":"bot_response"`)):
			reply = time.Since(began)
		}
	}
	return ack, reply, nil
}

// saturate lets every connection send its next message as soon as the last one
// is answered. rate above 0 bounds the turns per second of all together.
func saturate(conns []*wire, bot string, d time.Duration, rate float64) (sample, error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		total sample
		errs  []error
		next  atomic.Int64
	)
	next.Store(time.Now().UnixMilli() * 1000)
	began := time.Now()
	end := began.Add(d)
	for i, w := range conns {
		wg.Go(func() {
			var mine sample
			var err error
			pause := time.Duration(0)
			due := began
			if rate > 0 {
				pause = time.Duration(float64(len(conns)) / rate * float64(time.Second))
				due = began.Add(pause * time.Duration(i) / time.Duration(len(conns)))
			}
			for err == nil && time.Now().Before(end) {
				if pause > 0 {
					time.Sleep(time.Until(due))
					due = due.Add(pause)
				}
				var ack, reply time.Duration
				if ack, reply, err = turn(w, next.Add(1), bot); err == nil {
					mine.turns++
					mine.acks = append(mine.acks, ack)
					mine.replies = append(mine.replies, reply)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total.turns += mine.turns
			total.acks = append(total.acks, mine.acks...)
			total.replies = append(total.replies, mine.replies...)
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	total.took = time.Since(began)
	return total, errors.Join(errs...)
}
