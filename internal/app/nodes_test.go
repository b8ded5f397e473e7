package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/internal/config"
	"parley/internal/fault"
	"parley/internal/testkit/pgtest"
	"parley/internal/testkit/wait"
)

var pg = pgtest.New(pgtest.Options{})

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

// shared are the settings of a node of a PostgreSQL database.
func shared(t *testing.T, database, data, key string) config.Settings {
	return settings(t, data, map[string]string{"database": database, "key-file": key})
}

func TestNodesOfOneDatabase(t *testing.T) {
	ctx, database := deadline(t), pg.Database(t)
	data, key := t.TempDir(), filepath.Join(t.TempDir(), "key")

	o := options(shared(t, database, data, key), &logbook{})
	if _, _, err := Offline(ctx, o); !fault.Is(err, fault.NotFound) {
		t.Errorf("a command before the first server: %v", err)
	}
	if _, err := os.Stat(key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a command has made a key file: %v", err)
	}

	one := start(t, o)
	before := one.lease.owner()
	if _, err := Start(ctx, options(shared(t, database, data, key), &logbook{})); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second server of the folder: %v", err)
	}
	if err := one.lease.renew(ctx); err != nil || one.lease.owner() != before {
		t.Errorf("it took the claims of the first: %v was %v, %v", one.lease.owner(), before, err)
	}

	other := t.TempDir()
	two := start(t, options(shared(t, database, other, key), &logbook{}))
	if got, want := demoJSON(t, other).Demo, demoJSON(t, data).Demo; got != want {
		t.Errorf("one node has the demo %+v, the other %+v", got, want)
	}
	if one.lease.owner().Node == two.lease.owner().Node {
		t.Error("two nodes have one name")
	}
	if _, err := Start(ctx, options(shared(t, database, t.TempDir(), filepath.Join(t.TempDir(), "other-key")), &logbook{})); !fault.Is(err, fault.Conflict) {
		t.Errorf("a node without the key file: %v", err)
	}

	m, client := real("flow", ownFlow)
	apply(t, other, m)
	wait.For(t, time.Minute, func() bool {
		_, err := os.Stat(filepath.Join(data, "demo.json"))
		return errors.Is(err, fs.ErrNotExist)
	}, "the end of the demo on the node beside")
	client.Base = one.BaseURL()
	s, _ := login(t, ctx, client)
	expect(t)(s.ExpectText(ctx, "bot_response", "Welcome"))
}
