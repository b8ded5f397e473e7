package cli

import (
	"errors"
	"net/http"

	"parley/internal/adminapi"
	"parley/internal/catalog"
)

type applyCmd struct {
	File   []string `short:"f" required:"" placeholder:"FILE" sep:"none" help:"Catalog file, or a folder of them. May be given more than once."`
	Draft  bool     `help:"Store assistants as drafts, which answer nobody until they are published. Channels in the files must be in place as they are."`
	DryRun bool     `help:"Check everything, show what would change, and change nothing."`
}

// Run reads the files here, where the secrets are, and applies them there.
func (c *applyCmd) Run(r *run) error {
	read, err := catalog.Read(r.Host, c.File...)
	if err != nil {
		return err
	}
	for _, file := range read.Skipped {
		r.note("skipped %s: it holds no assistants and no channels", file)
	}
	result, err := ask[catalog.Result](r, http.MethodPost, "/apply", nil,
		adminapi.ApplyRequest{Manifest: read.Manifest, DryRun: c.DryRun, Draft: c.Draft})
	if err != nil {
		return located(read, err)
	}
	for i := range result.Changes {
		for j, line := range result.Changes[i].Diff {
			result.Changes[i].Diff[j] = read.Redact(line)
		}
	}
	return r.answer(result, func() { r.showResult(result) })
}

// located gives the server's problems their places in the files.
func located(read *catalog.Reading, err error) error {
	found, ok := problemsOf(err)
	if !ok {
		return err
	}
	return read.Redacted(read.Locate(found))
}

func problemsOf(err error) (catalog.Problems, bool) {
	var found catalog.Problems
	ok := errors.As(err, &found)
	return found, ok
}

func (r *run) showResult(result catalog.Result) {
	for _, c := range result.Changes {
		version := ""
		if c.Version > 0 && c.Action != catalog.Unchanged {
			version = " (version " + number(c.Version) + ")"
		}
		r.say("%-9s %s %s%s", c.Action, c.Kind, c.Name, version)
		// What is new is as its author wrote it a moment ago.
		if c.Action == catalog.Remove || (c.Action == catalog.Create && !result.DryRun) {
			continue
		}
		for _, line := range c.Diff {
			r.say("    %s", line)
		}
	}
	switch {
	case !result.Changed():
		r.say("nothing to change; revision %d is in place", result.Revision)
	case result.DryRun:
		r.say("dry run: nothing was changed; ids and secrets that are left out will be made when you apply")
	default:
		r.say("revision %d is in place", result.Revision)
	}
	switch n := result.Dropped; {
	case n == 1:
		r.say("1 waiting delivery was dropped: its channel is gone")
	case n > 1:
		r.say("%d waiting deliveries were dropped: their channel is gone", n)
	}
	if result.DemoRemoved {
		if result.DryRun {
			r.say("the demo would go: your own app takes its place")
		} else {
			r.say("the demo is gone: your own app takes its place")
		}
	}
	if len(result.Shown) > 0 {
		r.say("\nMade for you. Secrets are shown only now; keep them where your clients find them:")
		rows := make([][]string, len(result.Shown))
		for i, g := range result.Shown {
			rows[i] = []string{"  " + g.Channel, g.Label, g.Value}
		}
		r.table(nil, rows)
	}
	if result.Warning != "" {
		r.note("warning: %s", result.Warning)
	}
}
