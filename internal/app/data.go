package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"parley/internal/catalog"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/fault"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/postgres"
	"parley/internal/store/sqlite"
	"parley/internal/store/sqlstore"
)

// engine is a store with what wiring needs beside the contract.
type engine interface {
	store.Store
	// WriterFigures describes the writer of this node.
	WriterFigures() sqlstore.Figures
}

// databaseFile is what the SQLite engine calls its database.
const databaseFile = "parley.db"

// Names in the data folder.
const (
	nodeFile = "node"
	demoFile = "demo.json"
)

// canaryName is the stored value that tells a wrong key file.
const canaryName = "key-canary"

// hooks are what a store tells; all may be nil. PostgreSQL syncs for itself.
type hooks struct {
	commit     func(steps int, took time.Duration)
	delivery   func()
	failedSync func()
}

// openStore opens the database the settings name and makes the data folder if
// it is missing.
func openStore(ctx context.Context, s config.Settings, logger *slog.Logger, tell hooks) (engine, error) {
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the data folder %s cannot be made; give another with --data or make it yours", s.Data)
	}
	if s.Database.Set() {
		return openPostgres(ctx, s, logger, tell)
	}
	return sqlite.Open(ctx, sqlite.Options{
		Dir: s.Data, Logger: logger, OnCommit: tell.commit, OnDelivery: tell.delivery, OnFailedSync: tell.failedSync,
	})
}

// openPostgres takes the data folder, which names the node, before it opens the
// database: two processes under one name would void each other's claims.
func openPostgres(ctx context.Context, s config.Settings, logger *slog.Logger, tell hooks) (engine, error) {
	release, err := sqlite.LockFolder(s.Data)
	if err != nil {
		return nil, err
	}
	opened, err := postgres.Open(ctx, postgres.Options{URL: s.Database.Reveal(), Logger: logger, OnCommit: tell.commit, OnDelivery: tell.delivery})
	if err != nil {
		return nil, errors.Join(err, release())
	}
	return lockedStore{opened, release}, nil
}

// lockedStore gives the data folder back when it closes.
type lockedStore struct {
	*postgres.Store
	release func() error
}

// Close implements store.Store.
func (s lockedStore) Close() error { return errors.Join(s.Store.Close(), s.release()) }

// namingFolder says which folder a refusal is about: a store that finds its disk
// full cannot know whether the reader has one server or ten.
func namingFolder(err error, s config.Settings) error {
	var refusal *fault.Error
	if !errors.As(err, &refusal) || refusal.Kind != fault.Unavailable || s.Database.Set() || strings.Contains(refusal.Safe, s.Data) {
		return err
	}
	return fault.Wrap(refusal.Cause, refusal.Kind, "the data folder %s: %s", s.Data, refusal.Safe)
}

// openKeys reads the key file and checks that it belongs to the data. A key file
// is made only for a database that holds nothing sealed yet: with a lost one, a
// new one would not open what is there. And only a server makes one: a command
// that happens to come first would tie the database to its own machine.
func openKeys(ctx context.Context, path string, meta store.Meta, logger *slog.Logger, server bool) (*secret.Box, error) {
	stored, err := meta.MetaValue(ctx, canaryName)
	if err != nil {
		return nil, err
	}
	if stored == nil && !server {
		return nil, fault.New(fault.NotFound, "there is no Parley data in the database yet; start a server once (parley serve)")
	}
	file, err := secret.LoadKeyFile(path)
	switch missing := errors.Is(err, fs.ErrNotExist); {
	case missing && stored == nil:
		file, err = secret.CreateKeyFile(path)
	case missing:
		return nil, fault.Wrap(err, fault.Conflict, "the key file %s is missing; put it back from your copy: without it the secrets in the database cannot be read", path)
	}
	if err != nil {
		return nil, err
	}
	if file.Warning != "" {
		logger.Warn(file.Warning, "file", path)
	}
	box, err := file.Box()
	if err != nil {
		return nil, err
	}
	if stored == nil {
		// Of two nodes at once, one's canary stays; both must open it.
		if stored, err = meta.SetMetaValue(ctx, canaryName, box.SealCanary()); err != nil {
			return nil, err
		}
	}
	if err := box.OpenCanary(stored); err != nil {
		return nil, fault.Wrap(err, fault.KindOf(err), "%s: %s", path, fault.Message(err))
	}
	return box, nil
}

// nodeName reads the name of the node that this data folder is, or gives it
// one.
func nodeName(dir string) (string, error) {
	path := filepath.Join(dir, nodeFile)
	b, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(b)) != "" {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("node name: %w", err)
	}
	name := "node-" + uuid.NewString()
	if err := replaceFile(path, []byte(name+"\n")); err != nil {
		return "", fmt.Errorf("node name: %w", err)
	}
	return name, nil
}

// demoConnection is what demo.json holds: all an SDK needs.
type demoConnection struct {
	BaseURL string `json:"base_url"`
	catalog.Demo
}

func (a *App) demoPath() string { return filepath.Join(a.Settings.Data, demoFile) }

// demoTimeout bounds the look at the database for demo.json.
const demoTimeout = 10 * time.Second

// writeDemo writes demo.json while there is a demo and removes it otherwise.
func (a *App) writeDemo(ctx context.Context) error {
	// The file must not end up with what an earlier look has found.
	a.demoFile.Lock()
	defer a.demoFile.Unlock()
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	path := a.demoPath()
	demo, err := a.catalog.EnsureDemo(ctx)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	a.demo.Store(demo)
	if demo == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("demo.json: %w", err)
		}
		return nil
	}
	text, err := json.MarshalIndent(demoConnection{BaseURL: a.BaseURL(), Demo: *demo}, "", "  ")
	if err != nil {
		return fmt.Errorf("demo.json: %w", err)
	}
	if err := replaceFile(path, append(text, '\n')); err != nil {
		return fmt.Errorf("demo.json: %w", err)
	}
	return nil
}

// watchDemo takes the demo away when a change that was not made through this
// process has ended it: on another node, or by a caller that left too early.
func (a *App) watchDemo(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var seen int64
	for demo := a.demo.Load(); demo != nil; demo = a.demo.Load() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		revision := a.inForce.Revision()
		if c, ok := a.inForce.Channel(chat.ChannelID(demo.BotID)); revision == seen || ok && c.Demo {
			continue
		}
		if err := a.writeDemo(ctx); err != nil {
			a.Logger.Error("demo.json could not be brought up to date", "error", err)
			continue
		}
		seen = revision
	}
}

// replaceFile writes a file only its owner can read, as a whole or not at all.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
