// Package doctor looks a whole installation over and says what to mend.
//
// Every check gives one or more findings; none changes anything that a person
// would notice. Findings about one channel are named CHANNEL/CHECK. The checks of
// the data folder need no database, so that they help too when it does not
// open.
package doctor

import (
	"context"
	"time"

	"parley/internal/catalog"
	"parley/internal/channel"
	"parley/internal/config"
	"parley/internal/store"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Finding is what one check found.
type Finding struct {
	// Name is short and stable, such as "disk".
	Name  string
	Level Level
	// Text says what was found; Mend what to do about it.
	Text string
	Mend string
}

// Database is what the checks need of the store.
type Database interface {
	Ping(ctx context.Context) error
	Stats(ctx context.Context) (store.Stats, error)
}

// Catalog is what the checks need of the catalog.
type Catalog interface {
	Channels(ctx context.Context) ([]catalog.Channel, error)
	Advice(ctx context.Context) ([]string, error)
	CheckSecrets(ctx context.Context) (checked int, err error)
	TestChannel(ctx context.Context, name string) ([]channel.Finding, error)
}

// State is what the checks need to know of what goes on.
type State interface {
	DeliveryCounts(ctx context.Context) ([]store.DeliveryCount, error)
	Alerts(ctx context.Context, since time.Time) ([]store.Alert, error)
	Tokens(ctx context.Context) ([]store.Token, error)
}

// Options are what the checks look at.
type Options struct {
	Settings config.Settings
	Database Database
	Catalog  Catalog
	// State, if set, is looked at too.
	State State
	// Links, if set, tells of the connections that channels hold.
	Links func() []Link
	// Callers are the types of channel whose far side calls us.
	Callers []string
	// Exceptions say what a type of channel cannot promise.
	Exceptions map[string]string
	// Status is the state of the published catalog; nil when no server runs.
	Status func() *catalog.Status
	// Running is set inside a server: its own limits are then worth checking.
	Running bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Doctor runs the checks. Its zero value is not usable; see [New].
type Doctor struct {
	Options
}

// New returns a doctor.
func New(o Options) *Doctor {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Doctor{Options: o}
}

// patience bounds one check that waits for something outside.
const patience = 5 * time.Second

// Run runs all checks, in the order in which an owner would mend things.
func (d *Doctor) Run(ctx context.Context) []Finding {
	all := Offline(d.Settings)
	all = append(all, d.database(ctx)...)
	all = append(all, d.catalog(ctx)...)
	all = append(all, d.channels(ctx)...)
	all = append(all, d.state(ctx)...)
	if d.Running {
		all = append(all, openFiles())
	}
	return all
}

// Offline runs the checks that need no database.
func Offline(s config.Settings) []Finding {
	all := addresses(s)
	all = append(all, dataFolder(s)...)
	return append(all, keyFile(s), diskSpace(s))
}

// Worst returns the worst level of the findings.
func Worst(all []Finding) Level {
	worst := OK
	for _, f := range all {
		if f.Level == Fail || (f.Level == Warn && worst == OK) {
			worst = f.Level
		}
	}
	return worst
}
