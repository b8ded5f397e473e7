package alert

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Space is how much of a disk is free.
type Space struct{ Free, Total uint64 }

// Free space of the data folder's disk below which an alert is raised, and
// above which it is cleared again: the larger of bytes and hundredths counts.
const (
	raiseBytes, raisePercent = 512 << 20, 5
	clearBytes, clearPercent = 768 << 20, 7
)

// state of a disk: nearly full, fine, or in between, where nothing changes.
func (d Space) low() bool  { return d.below(raiseBytes, raisePercent) }
func (d Space) fine() bool { return !d.below(clearBytes, clearPercent) }

func (d Space) below(bytes, percent uint64) bool {
	return d.Free < bytes || d.Free/percent < d.Total/100
}

// DiskEvery is how often a disk is looked at.
const DiskEvery = 30 * time.Second

// WatchDisk watches the disk of a folder until ctx ends. node tells it from
// those of other nodes. It returns at once where free space cannot be told.
func (s *Service) WatchDisk(ctx context.Context, node, folder string) {
	s.watchDisk(ctx, node, folder, FreeSpace)
}

func (s *Service) watchDisk(ctx context.Context, node, folder string, look func(string) (Space, error)) {
	ticker := time.NewTicker(DiskEvery)
	defer ticker.Stop()
	failed := false
	for {
		space, err := look(folder)
		switch {
		case errors.Is(err, errNoSpaceHere):
			return
		case err != nil && !failed:
			s.Logger.Warn("the free space of the data folder cannot be told", "folder", folder, "error", err)
		case err == nil && (space.low() || space.fine()):
			s.Watch(Condition{
				Name: "disk:" + node,
				Text: fmt.Sprintf("The disk of the data folder %s is nearly full. When it is full, nothing can be accepted any more: make room, or move the folder to a larger disk.", folder),
			}, space.low())
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// WatchSyncs raises an alert when it hears, until ctx ends, that the disk of a
// folder failed to keep what was written. A start is the all-clear: it writes
// everything again.
func (s *Service) WatchSyncs(ctx context.Context, node, folder string, failed <-chan struct{}) {
	c := Condition{
		Name: "sync:" + node,
		Text: fmt.Sprintf("The disk of the data folder %s failed to keep what was written. Nothing is lost yet: it is in the log parley.db-wal, which grows from now on. "+
			"Make a backup to another disk (parley backup), look at the disk, and start Parley again.", folder),
	}
	s.Watch(c, false)
	select {
	case <-ctx.Done():
	case <-failed:
		s.Watch(c, true)
	}
}
