package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"parley/internal/store/sqlstore"
)

// Pages are moved into the database all the time, and the log begins anew
// seldom: only that needs the writer, which then moves the rest and syncs the
// database, while everybody waits.
const (
	// busyRows is the mean number of rows in a commit above which the writer
	// counts as busy: the more steps wait for it, the fuller its commits are. What
	// it waits for then is a processor, and all is done less often, for a page that
	// is changed again and again is moved again each time. Otherwise short work
	// and a short log disturb commits least.
	busyRows = 150
	// calmPages (1 MB) and busyPages (40 MB) are how many pages of the log are
	// worth moving.
	calmPages, busyPages = 300, 10_000
	// calmRestart (48 MB) and busyRestart (128 MB) are the lengths of the log at
	// which it begins anew. It grows on while that is prepared.
	calmRestart, busyRestart = 12_000, 32_000
	// rounds bounds how often pages are moved and synced before that, beside the
	// commits that go on, and fewPages is how many may be left for the writer to
	// sync then.
	rounds, fewPages = 6, 300
	// fewCommits is how many between two looks leave the disk time to sync the
	// database now and then. With more, that waits until the log begins anew.
	fewCommits = 3
	// lookEvery bounds how often the log is looked at.
	lookEvery = 10 * time.Millisecond
)

// checkpointer moves pages from the log into the database beside the commits.
type checkpointer struct {
	conn         driver.Conn
	file         *dataFile
	logger       *slog.Logger
	onFailedSync func() // may be nil
	signal       chan struct{}
	wanted       atomic.Bool
	// unsure is set once a sync has failed.
	unsure atomic.Bool
	// commits and rows were written since the last look.
	commits, rows atomic.Int64
	stop          context.CancelFunc
	done          chan struct{}
}

func startCheckpoints(ctx context.Context, path string, o Options) (*checkpointer, error) {
	conn, file, err := connectGently(ctx, path)
	if err != nil {
		return nil, err
	}
	c := &checkpointer{
		conn: conn, file: file, logger: o.Logger, onFailedSync: o.OnFailedSync, signal: make(chan struct{}, 1), done: make(chan struct{}),
	}
	run, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.run(run)
	return c, nil
}

// committed tells that the log has grown by a commit of so many rows.
func (c *checkpointer) committed(rows int) {
	c.commits.Add(1)
	c.rows.Add(int64(rows))
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
		c.judge(c.look())
		pause.Reset(lookEvery)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// look moves pages when that is worth it. Under load, pages are added while
// others are moved, and the log begins anew only when all have been moved: when
// it is long, the writer is asked to move the rest, which is little by then.
func (c *checkpointer) look() error {
	if c.unsure.Load() {
		return nil
	}
	commits, rows := c.commits.Swap(0), c.rows.Swap(0)
	busy, worth, restart := rows > commits*busyRows, int64(calmPages), int64(calmRestart)
	if busy {
		worth, restart = busyPages, busyRestart
	}
	pages, moved, err := checkpoint(c.conn, "NOOP")
	if err != nil || pages-moved < worth {
		return err
	}
	c.file.postponed.Store(busy || commits > fewCommits || pages >= restart)
	if pages < restart {
		_, _, err = checkpoint(c.conn, "PASSIVE")
		return err
	}
	return c.prepare(busy)
}

// prepare leaves little for the writer to move and, what takes longer, to sync.
// Each round leaves what was committed during it, so each is shorter than the one
// before. The first takes its time, and what is committed meanwhile is moved in
// small portions unless the writer is busy.
func (c *checkpointer) prepare(busy bool) error {
	synced := int64(0)
	meanwhile := c.move
	if busy {
		meanwhile = func() {}
	}
	for range rounds {
		_, moved, err := checkpoint(c.conn, "PASSIVE")
		if err != nil {
			return err
		}
		if synced > 0 && moved-synced < fewPages {
			break
		}
		if err := c.file.store(meanwhile); err != nil {
			return fmt.Errorf("%w: %w", errSync, err)
		}
		synced, meanwhile = moved, nil
	}
	c.wanted.Store(true)
	return nil
}

// move moves what there is.
func (c *checkpointer) move() {
	if _, _, err := checkpoint(c.conn, "PASSIVE"); err != nil {
		c.judge(err)
	}
}

// finish ends a checkpoint between two transactions of the writer, on its
// connection, if that is wanted and no sync has failed since it was.
func (c *checkpointer) finish(conn driver.Conn) {
	if !c.wanted.Swap(false) || c.unsure.Load() {
		return
	}
	_, _, err := checkpoint(conn, "PASSIVE")
	c.judge(err)
}

var errSync = errors.New("sync the database")

// judge decides about a failure. After a failed sync the system may take pages
// for written that are not, and the next sync then says nothing of it. All pages
// are in the log, so that one is kept: the next start moves everything again.
func (c *checkpointer) judge(err error) {
	var failed *sqlite.Error
	switch {
	case err == nil:
	case errors.Is(err, errSync), errors.As(err, &failed) && failed.Code() == lib.SQLITE_IOERR_FSYNC:
		c.file.refused.Store(true)
		if c.unsure.Swap(true) {
			return
		}
		if c.onFailedSync != nil {
			c.onFailedSync()
		}
		c.logger.Error("the disk failed to keep pages of the database; the log is kept whole and grows until Parley is started again", "error", err)
	default:
		c.logger.Warn("checkpoint failed; it is tried again after the next commits", "error", err)
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
	if c.unsure.Load() {
		return c.conn.Close()
	}
	c.file.postponed.Store(false)
	_, _, err := checkpoint(c.conn, "TRUNCATE")
	return errors.Join(err, c.conn.Close())
}
