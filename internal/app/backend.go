package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"

	"parley/internal/adminapi"
	"parley/internal/catalog"
	"parley/internal/channel/mattermost"
	"parley/internal/channel/mmwebhook"
	"parley/internal/config"
	"parley/internal/doctor"
	"parley/internal/fault"
	"parley/internal/store/postgres"
	"parley/internal/store/sqlite"
)

// doctor looks this installation over.
func (a *App) doctor(running bool) *doctor.Doctor {
	o := doctor.Options{
		Settings: a.Settings, Database: a.store, Catalog: a.catalog, State: a.store, Running: running, Now: a.Now,
		Callers: []string{mattermost.Name, mmwebhook.Name},
		Exceptions: map[string]string{
			mmwebhook.Name: "a webhook cannot recover posts made while Parley is down (Mattermost does not try again), nor prove that an answer arrived; a bot token (type mattermost) can",
		},
	}
	if running {
		o.Status, o.Links = a.inForce.Status, a.links
	}
	return doctor.New(o)
}

// links are the connections to Mattermost in the doctor's words.
func (a *App) links() []doctor.Link {
	var all []doctor.Link
	for _, s := range a.mattermost.Status() {
		all = append(all, doctor.Link{
			Channel: s.Name, Connected: s.Connected, Since: s.Since, LastEvent: s.LastEvent, Standby: s.Standby,
			Live: s.Live, CatchingUp: s.CatchingUp, Gone: s.Gone, Recovered: s.Recovered, Late: s.Late,
			Problem: s.Problem, GaveUp: a.mattermost.GaveUp(s.Channel),
		})
	}
	return all
}

// build says what is running.
func build(version string, s config.Settings) adminapi.Build {
	engine := "SQLite"
	if s.Database.Set() {
		engine = "PostgreSQL"
	}
	return adminapi.Build{Version: version, Go: runtime.Version(), Engine: engine}
}

// Offline opens the data without serving, for commands that run while no server
// does, and returns the handlers a server would have. It is a fault.NotFound
// when there is no data yet: only a server makes it.
func Offline(ctx context.Context, o Options) (_ http.Handler, closer func() error, err error) {
	if !o.Settings.Database.Set() {
		if _, err := os.Stat(filepath.Join(o.Settings.Data, databaseFile)); errors.Is(err, os.ErrNotExist) {
			return nil, nil, fault.New(fault.NotFound, "there is no Parley data in %s; start a server once (parley serve), or name the folder with --data", o.Settings.Data)
		}
	}
	a := &App{Options: o, parts: lifecycle{logger: o.Logger}}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.parts.end())
		}
	}()
	s, err := openStore(ctx, o.Settings, o.Logger, hooks{})
	if err != nil {
		return nil, nil, err
	}
	a.store = s
	a.parts.onEnd("store", storeGrace, func(context.Context) error { return s.Close() })
	if a.box, err = openKeys(ctx, o.Settings.KeyFile, s, o.Logger, false); err != nil {
		return nil, nil, err
	}
	a.catalog, err = catalog.New(catalog.Options{Store: s, Sealer: a.box, Kinds: a.kinds(), Types: channelTypes(mattermost.Kind{}), Now: o.Now})
	if err != nil {
		return nil, nil, err
	}
	services := a.services()
	services.Tracer, services.DeliveriesChanged = nil, nil
	services.Doctor = checks{a.doctor(false)}
	return adminapi.New(services), a.parts.end, nil
}

// Restore makes a data folder, or an empty database, from a backup.
func Restore(ctx context.Context, s config.Settings, backup string) error {
	if s.Database.Set() {
		return postgres.Restore(ctx, backup, s.Database.Reveal())
	}
	if err := sqlite.Restore(ctx, backup, s.Data); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}
