package storetest

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchLog is the yardstick that [BenchFold] is compared with in one run: a
// plain file to which the given number of callers append two 300-byte records
// per turn, each waiting until the record is on disk, with group commit. It
// reports "turns/s".
func BenchLog(b *testing.B, callers int) {
	file, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	queue := make(chan chan error, callers)
	var writer sync.WaitGroup
	writer.Go(func() { appendAll(file, queue) })
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	b.ResetTimer()
	began := time.Now()
	for range callers {
		all.Go(func() {
			done := make(chan error, 1)
			for left.Add(-1) >= 0 {
				for range 2 {
					queue <- done
					if err := <-done; err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "turns/s")
	close(queue)
	writer.Wait()
}

// appendAll writes a record for each caller waiting and syncs once.
func appendAll(file *os.File, queue chan chan error) {
	record := make([]byte, 300)
	for first := range queue {
		callers, records := []chan error{first}, append([]byte(nil), record...)
		for n := len(queue); n > 0; n-- {
			callers, records = append(callers, <-queue), append(records, record...)
		}
		_, err := file.Write(records)
		if err == nil {
			err = file.Sync()
		}
		for _, c := range callers {
			c <- err
		}
	}
}
