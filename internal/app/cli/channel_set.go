package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"parley/internal/adminapi"
	"parley/internal/catalog"
	"parley/internal/fault"
)

type channelSetCmd struct {
	Name  string   `arg:"" help:"The channel's name."`
	Set   []string `arg:"" name:"key=value" help:"A setting and its new value, such as token=-. - reads standard input, @FILE a file; $${env:NAME} in it is an environment variable, $${file:PATH} a file. An empty value takes what can be left out away."`
	Force bool     `help:"Store it although its test fails."`
}

// Run changes single settings. What is not named stays, secrets too.
func (c *channelSetCmd) Run(r *run) error {
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	form := &form{run: r, name: c.Name}
	if err := form.know(server); err != nil {
		return err
	}
	request := adminapi.SetChannelRequest{Force: c.Force}
	if request.Set, err = form.changes(c.Set); err != nil {
		return err
	}
	done, err := call[catalog.Added](r.ctx, server, http.MethodPatch, "/channels"+pathOf(c.Name), nil, request)
	if err != nil {
		return form.blanked(form.located(err))
	}
	for i := range done.Findings {
		one := &done.Findings[i]
		one.Text, one.Mend = form.hidden.blank(one.Text), form.hidden.blank(one.Mend)
	}
	for i := range done.Result.Changes {
		for j, line := range done.Result.Changes[i].Diff {
			done.Result.Changes[i].Diff[j] = form.hidden.blank(line)
		}
	}
	err = r.answer(done, func() {
		r.showFindings(done.Findings)
		if !done.Stored {
			r.say("nothing was stored; mend what failed and try again, or say --force")
			return
		}
		r.showResult(done.Result)
	})
	switch {
	case err != nil:
		return err
	case !done.Stored:
		return errQuiet(ExitFailed)
	case done.Result.Changed():
		r.note("a catalog that names %s puts back what it says when it is applied", c.Name)
	}
	return nil
}

// know finds out what is asked of channels of this type: which keys are
// secrets, and which are lists.
func (f *form) know(server *client) error {
	d, err := call[adminapi.ChannelAnswer](f.ctx, server, http.MethodGet, "/channels"+pathOf(f.name), nil, nil)
	if err != nil {
		return err
	}
	types, err := call[adminapi.TypeList](f.ctx, server, http.MethodGet, "/channel-types", nil, nil)
	if err != nil {
		return err
	}
	for _, t := range types.Types {
		if t.Name == d.Type {
			f.questions = t.Questions
		}
	}
	return nil
}

func (f *form) changes(given []string) ([]catalog.SettingChange, error) {
	var all []catalog.SettingChange
	piped := ""
	for _, one := range given {
		key, text, ok := strings.Cut(one, "=")
		if !ok || key == "" {
			return nil, fault.New(fault.Invalid, "%q is not KEY=VALUE", key)
		}
		var value any
		var err error
		if text == "-" {
			if piped != "" {
				return nil, fault.Field(key, "cannot be read from standard input, which is for %s already", piped)
			}
			piped = key
			value, err = f.pipe(key)
		} else {
			value, err = f.value(key, text)
		}
		if err != nil {
			return nil, err
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", key, err)
		}
		all = append(all, catalog.SettingChange{Key: key, Value: raw})
	}
	return all, nil
}

// maxPiped bounds what is read from standard input in bytes.
const maxPiped = 64 << 10

// pipe reads a value from standard input, or asks for it where a person sits.
func (f *form) pipe(key string) (string, error) {
	if terminal := f.openTerminal(); terminal != nil && f.Stdin == nil {
		text, err := terminal.Ask(key+": ", true)
		if text = strings.TrimSpace(text); err == nil && text == "" {
			err = fault.Field(key, "is empty")
		}
		f.hidden.add(text)
		return text, err
	}
	from := f.Stdin
	if from == nil {
		from = os.Stdin
	}
	b, err := io.ReadAll(io.LimitReader(from, maxPiped+1))
	text := strings.TrimRight(string(b), "\r\n")
	switch {
	case err != nil:
		return "", fault.Field(key, "standard input cannot be read: %v", err)
	case len(b) > maxPiped:
		return "", fault.Field(key, "standard input has more than %d KiB", maxPiped>>10)
	case text == "":
		return "", fault.Field(key, "standard input is empty")
	}
	f.hidden.add(text)
	return text, nil
}

// blanked hides values in problems, in case one repeats them.
func (f *form) blanked(err error) error {
	found, ok := problemsOf(err)
	if !ok {
		return err
	}
	for i := range found {
		found[i].Text = f.hidden.blank(found[i].Text)
	}
	return found
}
