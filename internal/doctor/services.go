package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"parley/internal/fault"
)

// Clock differences between this machine and the database. Leases last tens of
// seconds and are judged by the database's clock.
const (
	skewWarn = 2 * time.Second
	skewFail = 15 * time.Second
)

// database checks that the store answers, and what it says about itself.
func (d *Doctor) database(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := d.Database.Ping(ctx); err != nil {
		return []Finding{{Name: "database", Level: Fail, Text: "the database does not answer: " + fault.Message(err),
			Mend: "see the server's log; with PostgreSQL, check that it runs and that the address is right"}}
	}
	before := d.Now()
	stats, err := d.Database.Stats(ctx)
	after := d.Now()
	if err != nil {
		return []Finding{{Name: "database", Level: Fail, Text: "the database answers, but cannot be read: " + fault.Message(err),
			Mend: "see the server's log"}}
	}
	text := fmt.Sprintf("%s, schema %d, %d conversations", stats.Engine, stats.SchemaVersion, stats.Conversations)
	if stats.Bytes > 0 {
		text += ", " + sizeText(uint64(stats.Bytes))
	}
	all := []Finding{{Name: "database", Level: OK, Text: text}}
	all = append(all, clock(stats.DatabaseTime, before, after))
	return append(all, failedTurns(stats.FailedTurns))
}

// clock compares the database's clock with ours, read before and after.
func clock(theirs, before, after time.Time) Finding {
	f := Finding{Name: "clock", Level: OK, Text: "this machine and the database agree on the time"}
	var skew time.Duration
	switch {
	case theirs.Before(before):
		skew = before.Sub(theirs)
	case theirs.After(after):
		skew = theirs.Sub(after)
	}
	if skew < skewWarn {
		return f
	}
	f.Level = Warn
	if skew >= skewFail {
		f.Level = Fail
	}
	f.Text = fmt.Sprintf("this machine and the database differ by %s", skew.Round(time.Second))
	f.Mend = "run a time service (NTP) on both machines"
	return f
}

func failedTurns(n int64) Finding {
	if n == 0 {
		return Finding{Name: "turns", Level: OK, Text: "every answer owed was given or is under way"}
	}
	return Finding{Name: "turns", Level: Warn, Text: fmt.Sprintf("%d answers were given up", n),
		Mend: "see them and why: parley turn list --failed"}
}

// catalog checks what is in place and whether it is in force.
func (d *Doctor) catalog(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	channels, err := d.Catalog.Channels(ctx)
	if err != nil {
		return []Finding{{Name: "catalog", Level: Fail, Text: "the catalog cannot be read: " + fault.Message(err),
			Mend: "use the parley that stored it, or a newer one"}}
	}
	var all []Finding
	all = append(all, d.inForce())
	apps, demo := 0, false
	for _, c := range channels {
		if c.Demo {
			demo = true
		} else {
			apps++
		}
	}
	switch {
	case demo && apps == 0:
		all = append(all, Finding{Name: "channels", Level: Warn, Text: "only the demo is in place",
			Mend: "make your own: write a catalog and run parley apply -f catalog.yaml"})
	case apps == 0:
		all = append(all, Finding{Name: "channels", Level: Warn, Text: "there is no channel: nobody can write",
			Mend: "write a catalog and run parley apply -f catalog.yaml"})
	default:
		all = append(all, Finding{Name: "channels", Level: OK, Text: fmt.Sprintf("%d in place", apps)})
	}
	return append(all, d.secrets(ctx)...)
}

func (d *Doctor) inForce() Finding {
	if d.Status == nil {
		return Finding{Name: "catalog", Level: OK, Text: "the stored catalog can be read; no server is running"}
	}
	s := d.Status()
	switch {
	case s.Problem != "":
		return Finding{Name: "catalog", Level: Fail,
			Text: fmt.Sprintf("revision %d is in force, %d is stored: %s", s.Revision, s.Stored, s.Problem),
			Mend: "mend the catalog and run parley apply again, or upgrade this server"}
	default:
		return Finding{Name: "catalog", Level: OK, Text: fmt.Sprintf("revision %d is in force", s.Revision)}
	}
}

func (d *Doctor) secrets(ctx context.Context) []Finding {
	n, err := d.Catalog.CheckSecrets(ctx)
	if err != nil {
		return []Finding{{Name: "secrets", Level: Fail, Text: strings.ReplaceAll(fault.Message(err), "\n", "; "),
			Mend: "bring back the key file they were sealed with, or apply the catalog again with the secrets in it"}}
	}
	advice, err := d.Catalog.Advice(ctx)
	if err != nil {
		return []Finding{{Name: "secrets", Level: Fail, Text: "the settings cannot be read: " + fault.Message(err), Mend: "see the server's log"}}
	}
	text := "no secret is stored"
	if n > 0 {
		text = fmt.Sprintf("all %d open with the key file", n)
	}
	all := []Finding{{Name: "secrets", Level: OK, Text: text}}
	for _, text := range advice {
		all = append(all, Finding{Name: "advice", Level: Warn, Text: text, Mend: "change it in the catalog and apply it again"})
	}
	return all
}
