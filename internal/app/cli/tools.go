package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"parley/internal/adminapi"
	"parley/internal/channel"
	"parley/internal/fault"
)

type jwtCmd struct {
	Channel string `help:"The channel's name. May be left out when --app says it, or there is only one."`
	App     string `placeholder:"ID" help:"The app's id, cs-... May be left out when the channel has only one."`
	User    string `required:"" help:"Who the token is for."`
	Minutes int    `default:"60" help:"How long it is good for, at most 1440."`
}

// Run signs a token.
func (c *jwtCmd) Run(r *run) error {
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	answer, err := call[adminapi.TokenAnswer](r.ctx, server, http.MethodPost, "/jwt", nil,
		adminapi.TokenRequest{Channel: c.Channel, App: c.App, User: c.User, Minutes: c.Minutes})
	if err != nil {
		return err
	}
	return r.answer(answer, func() { r.say("%s", answer.Token) })
}

type tailCmd struct {
	User    string `required:"" help:"The person's id on the channel."`
	Channel string `help:"Only this channel (name or id)."`
}

// Run prints records until it is interrupted or the server stops.
func (c *tailCmd) Run(r *run) error {
	server, s, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	if !server.online {
		return fault.New(fault.Unavailable, "there is nothing to watch: no server runs with the data folder %s", s.Data)
	}
	resp, err := server.send(r.ctx, http.MethodGet, "/tail", queryOf("user", c.User, "channel", c.Channel), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	const longestLine = 4 << 20
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		if lines.Text() == "" {
			continue // the server shows that it is still there
		}
		if r.cli.JSON {
			r.say("%s", lines.Text())
			continue
		}
		var record channel.TraceRecord
		if json.Unmarshal(lines.Bytes(), &record) == nil {
			r.showRecord(record)
		}
	}
	switch {
	case r.ctx.Err() != nil:
		// Interrupting is how watching ends.
		return nil
	case lines.Err() != nil && !errors.Is(lines.Err(), bufio.ErrTooLong):
		return fault.Wrap(lines.Err(), fault.Unavailable, "the server went away")
	case lines.Err() != nil:
		return lines.Err()
	default:
		return fault.New(fault.Unavailable, "the server stopped")
	}
}

func (r *run) showRecord(record channel.TraceRecord) {
	arrow := map[string]string{"in": "<-", "out": "->"}[record.Direction]
	if arrow == "" {
		arrow = "--"
	}
	text := clean(record.Body)
	if record.Reason != "" {
		text += "  (" + clean(record.Reason) + ")"
	}
	line := fmt.Sprintf("%s %s %-8s %s", record.At.Local().Format("15:04:05.000"), arrow, record.Kind, text)
	r.say("%s", strings.TrimRight(line, " "))
}

type backupCmd struct {
	Dir string `arg:"" help:"A folder that does not exist yet."`
}

// Run writes a backup.
func (c *backupCmd) Run(r *run) error {
	server, s, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	dir := c.Dir
	if server.remote == "" {
		// Elsewhere it is the server that knows folders.
		if dir, err = filepath.Abs(dir); err != nil {
			return err
		}
	}
	answer, err := call[adminapi.BackupAnswer](r.ctx, server, http.MethodPost, "/backup", nil, adminapi.BackupRequest{Dir: dir})
	if err != nil {
		return err
	}
	return r.answer(answer, func() {
		r.say("wrote %s", answer.Dir)
		if server.remote != "" {
			r.say("it is on the server's machine, without the key file: keep a copy of that in another place")
			return
		}
		r.say("the key file is not in it: keep a copy of %s in another place; without it no secret opens", s.KeyFile)
		r.say("restore it with: parley restore %s --data NEW-FOLDER", answer.Dir)
	})
}

type restoreCmd struct {
	Dir string `arg:"" help:"A folder that parley backup wrote."`
}

// Run restores a backup into a data folder that holds no data.
func (c *restoreCmd) Run(r *run) error {
	if err := r.here("restore"); err != nil {
		return err
	}
	s, err := r.settings()
	if err != nil {
		return err
	}
	if conn, err := adminapi.Dial(s.Data); err == nil {
		_ = conn.Close()
		return fault.New(fault.Conflict, "a server runs with the data folder %s; stop it, or name a new folder with --data", s.Data)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	if err := r.Backend.Restore(r.ctx, s, dir); err != nil {
		return err
	}
	return r.answer(map[string]string{"data": s.Data}, func() {
		r.say("restored to %s", s.Data)
		r.say("put the key file that belongs to it at %s, then: parley serve --data %s", s.KeyFile, s.Data)
	})
}

type versionCmd struct{}

// Run says which parley this is.
func (*versionCmd) Run(r *run) error {
	build := buildOf(r.Backend.Version())
	return r.answer(build, func() { r.say("parley %s (%s)", build.Version, build.Go) })
}
