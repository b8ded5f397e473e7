package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"parley/internal/store/sqlstore"
)

const (
	// checkpointPages is how many pages of the log make a checkpoint worth its
	// two fsyncs (40 MB); often costs half the speed.
	checkpointPages = 10_000
	// lookEvery bounds how often the log is looked at.
	lookEvery = 100 * time.Millisecond
)

// checkpointer moves pages from the log into the database beside the commits.
type checkpointer struct {
	conn   driver.Conn
	logger *slog.Logger
	signal chan struct{}
	wanted atomic.Bool
	stop   context.CancelFunc
	done   chan struct{}
}

func startCheckpoints(ctx context.Context, path string, logger *slog.Logger) (*checkpointer, error) {
	conn, err := connect(ctx, path)
	if err != nil {
		return nil, err
	}
	c := &checkpointer{conn: conn, logger: logger, signal: make(chan struct{}, 1), done: make(chan struct{})}
	run, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.run(run)
	return c, nil
}

// committed tells that the log has grown.
func (c *checkpointer) committed() {
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

func (c *checkpointer) run(ctx context.Context) {
	defer close(c.done)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.signal:
		}
		if err := c.look(); err != nil {
			c.logger.Warn("checkpoint failed; it is tried again after the next commits", "error", err)
		}
		pause.Reset(lookEvery)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// look runs a checkpoint when the log is long enough. Under load, pages are
// added while others are moved, and the log begins anew only when all have been
// moved: the writer is asked to move the rest, which is little.
func (c *checkpointer) look() error {
	pages, moved, err := checkpoint(c.conn, "NOOP")
	if err != nil || pages-moved < checkpointPages {
		return err
	}
	if _, _, err = checkpoint(c.conn, "PASSIVE"); err != nil {
		return err
	}
	c.wanted.Store(true)
	return nil
}

// finish ends a checkpoint between two transactions of the writer, on its
// connection, if that is wanted.
func (c *checkpointer) finish(conn driver.Conn) {
	if !c.wanted.Swap(false) {
		return
	}
	if _, _, err := checkpoint(conn, "PASSIVE"); err != nil {
		c.logger.Warn("checkpoint could not be ended", "error", err)
	}
}

// checkpoint returns the length of the log and how much of it has been moved.
func checkpoint(conn driver.Conn, mode string) (pages, moved int64, err error) {
	stmt, err := conn.Prepare("PRAGMA wal_checkpoint(" + mode + ")")
	if err != nil {
		return 0, 0, fmt.Errorf("checkpoint: %w", err)
	}
	defer stmt.Close()
	s := statement{stmt: stmt.(interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	})}
	var busy int64
	err = s.query(func(r sqlstore.Row) error { return r.Scan(&busy, &pages, &moved) })
	return pages, moved, err
}

// close ends the checkpoints with one that empties the log.
func (c *checkpointer) close() error {
	c.stop()
	<-c.done
	_, _, err := checkpoint(c.conn, "TRUNCATE")
	return errors.Join(err, c.conn.Close())
}
