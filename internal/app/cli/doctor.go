package cli

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"parley/internal/adminapi"
	"parley/internal/doctor"
)

type doctorCmd struct {
	Verbose bool `short:"v" help:"Show all checks of every channel, also of those that are well."`
}

// Run asks the server's doctor, or looks itself when none runs. What is broken
// so badly that nothing opens is a finding too.
func (c *doctorCmd) Run(r *run) error {
	server, s, err := r.connect()
	if err != nil && s.Data == "" {
		// The settings themselves are wrong: there is nothing to look at.
		return err
	}
	if err != nil {
		findings := doctor.Offline(s)
		checks := make([]adminapi.Check, 0, len(findings)+1)
		for _, f := range findings {
			checks = append(checks, adminapi.Check{Name: f.Name, Level: string(f.Level), Text: f.Text, Mend: f.Mend})
		}
		checks = append(checks, adminapi.Check{Name: "open", Level: string(doctor.Fail),
			Text: describe(err), Mend: "mend this first; the other checks need it"})
		return c.show(r, checks)
	}
	defer server.close()
	answer, err := call[adminapi.DoctorAnswer](r.ctx, server, http.MethodGet, "/doctor", nil, nil)
	if err != nil {
		return err
	}
	state := adminapi.Check{Name: "server", Level: string(doctor.OK), Text: "a server runs with the data folder " + s.Data}
	switch {
	case server.remote != "":
		state.Text = "a server answers at " + server.remote
	case !server.online:
		state.Level, state.Text, state.Mend = string(doctor.Warn), "no server runs with the data folder "+s.Data, "start it: parley serve"
	}
	return c.show(r, append([]adminapi.Check{state}, answer.Checks...))
}

// show fails when a check did; a warning is no failure. JSON has all checks.
func (c *doctorCmd) show(r *run, checks []adminapi.Check) error {
	failed := slices.ContainsFunc(checks, func(c adminapi.Check) bool { return c.Level == string(doctor.Fail) })
	err := r.answer(adminapi.DoctorAnswer{Checks: checks}, func() {
		shown := checks
		if !c.Verbose {
			shown = brief(checks)
		}
		for _, one := range shown {
			r.say("%-5s %-16s %s", one.Level, one.Name, clean(one.Text))
			if one.Mend != "" {
				r.say("%-5s %-16s mend: %s", "", "", clean(one.Mend))
			}
		}
	})
	if err == nil && failed {
		return errQuiet(ExitFailed)
	}
	return err
}

// brief puts one line in the place of all checks of a channel that are well.
// What its type cannot promise is said all the same: that is not about today.
func brief(checks []adminapi.Check) []adminapi.Check {
	var all []adminapi.Check
	for i := 0; i < len(checks); {
		name, _, ofChannel := strings.Cut(checks[i].Name, "/")
		if !ofChannel {
			all = append(all, checks[i])
			i++
			continue
		}
		good, text := 0, ""
		problems := len(all)
		for ; i < len(checks) && strings.HasPrefix(checks[i].Name, name+"/"); i++ {
			switch one := checks[i]; {
			case one.Level != string(doctor.OK):
				all = append(all, one)
			case one.Name == name+"/"+doctor.Promises:
				text = "; " + one.Text
			default:
				good++
			}
		}
		switch counted := plural(good, "check", "checks"); {
		case len(all) == problems:
			text = "ok, " + counted + text
		case good == 0 && text == "":
			continue
		case good == 0:
			text = strings.TrimPrefix(text, "; ")
		default:
			text = plural(good, "other check is", "other checks are") + " ok" + text
		}
		all = append(all, adminapi.Check{Name: name, Level: string(doctor.OK), Text: text})
	}
	return all
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
