package cli

import (
	"net/http"
	"net/url"
	"strings"

	"parley/internal/adminapi"
	"parley/internal/catalog"
)

type assistantCmd struct {
	List     assistantListCmd     `cmd:"" help:"List assistants: what is in force, drafts, and channels that stay with a version."`
	Show     assistantShowCmd     `cmd:"" help:"Show the definition of an assistant."`
	Versions assistantVersionsCmd `cmd:"" help:"List the versions of an assistant."`
	Publish  assistantPublishCmd  `cmd:"" help:"Put the draft, or one version, in force."`
	Rollback assistantRollbackCmd `cmd:"" help:"Put in force what was in force before. Repeated, it goes further back."`
	Delete   assistantDeleteCmd   `cmd:"" help:"Delete an assistant that no channel uses, with its draft."`
}

type assistantListCmd struct{}

// Run lists assistants.
func (*assistantListCmd) Run(r *run) error {
	list, err := ask[adminapi.AssistantList](r, http.MethodGet, "/assistants", nil, nil)
	if err != nil {
		return err
	}
	return r.answer(list, func() {
		rows := make([][]string, len(list.Assistants))
		for i, a := range list.Assistants {
			rows[i] = []string{a.Name, a.Kind, versionText(a.Version), when(a.Draft), orDash(strings.Join(a.UsedBy, ", ")), orDash(a.PinsText())}
		}
		r.table([]string{"NAME", "KIND", "VERSION", "DRAFT", "ANSWERS ON", "PINNED"}, rows)
	})
}

func versionText(version int64) string {
	if version == 0 {
		return "-"
	}
	return number(version)
}

type assistantShowCmd struct {
	Name    string `arg:"" help:"The assistant's name."`
	Version int64  `placeholder:"N" help:"Which version; left out, the one in force." xor:"which"`
	Draft   bool   `help:"Show the draft." xor:"which"`
}

// Run shows one definition.
func (c *assistantShowCmd) Run(r *run) error {
	query := url.Values{}
	if c.Version != 0 {
		query.Set("version", number(c.Version))
	}
	if c.Draft {
		query.Set("draft", "true")
	}
	d, err := ask[catalog.AssistantDetails](r, http.MethodGet, "/assistants"+pathOf(c.Name), query, nil)
	if err != nil {
		return err
	}
	return r.answer(d, func() {
		r.table(nil, [][]string{
			{"name", d.Name}, {"kind", d.Kind}, {"in force", versionText(d.Version)}, {"draft", when(d.Draft)},
			{"answers on", orDash(strings.Join(d.UsedBy, ", "))}, {"pinned", orDash(d.PinsText())},
		})
		what := "version " + number(d.Shown)
		if d.Shown == 0 {
			what = "draft"
		}
		if d.File != "" {
			what += ", " + d.File
		}
		r.say("\nDefinition (%s, stored %s):", what, when(&d.StoredAt))
		r.say("%s", indent(strings.TrimRight(d.Definition, "\n")))
	})
}

type assistantVersionsCmd struct {
	Name string `arg:"" help:"The assistant's name."`
}

// Run lists versions.
func (c *assistantVersionsCmd) Run(r *run) error {
	all, err := ask[catalog.Versions](r, http.MethodGet, "/assistants"+pathOf(c.Name)+"/versions", nil, nil)
	if err != nil {
		return err
	}
	return r.answer(all, func() {
		var rows [][]string
		if all.Draft != nil {
			rows = append(rows, []string{"draft", when(all.Draft), ""})
		}
		for _, v := range all.Versions {
			var notes []string
			if v.InForce {
				notes = append(notes, "in force")
			}
			if len(v.Pinned) > 0 {
				notes = append(notes, "pinned by "+strings.Join(v.Pinned, ", "))
			}
			if v.Version == all.Before {
				notes = append(notes, "where a roll-back goes")
			}
			rows = append(rows, []string{number(v.Version), when(&v.StoredAt), strings.Join(notes, "; ")})
		}
		r.table([]string{"VERSION", "STORED", ""}, rows)
	})
}

type assistantPublishCmd struct {
	Name    string   `arg:"" help:"The assistant's name."`
	Version int64    `placeholder:"N" help:"The version to put in force; left out, the draft."`
	Channel []string `placeholder:"CHANNEL" help:"Pin only this channel to it. May be given more than once. Without a draft and --version: to what is in force now."`
	Follow  bool     `help:"Publish nothing; let the channels, or all of the assistant's, follow the published version again."`
}

// Run publishes.
func (c *assistantPublishCmd) Run(r *run) error {
	return r.change(http.MethodPost, "/assistants"+pathOf(c.Name)+"/publish",
		adminapi.PublishRequest{Version: c.Version, Channels: c.Channel, Follow: c.Follow})
}

type assistantRollbackCmd struct {
	Name    string   `arg:"" help:"The assistant's name."`
	To      int64    `placeholder:"N" help:"A version that was in force before; left out, the last one."`
	Channel []string `placeholder:"CHANNEL" help:"Only this channel goes back. May be given more than once."`
}

// Run rolls back.
func (c *assistantRollbackCmd) Run(r *run) error {
	return r.change(http.MethodPost, "/assistants"+pathOf(c.Name)+"/rollback", adminapi.RollbackRequest{To: c.To, Channels: c.Channel})
}

type assistantDeleteCmd struct {
	Name string `arg:"" help:"The assistant's name."`
}

// Run deletes an assistant.
func (c *assistantDeleteCmd) Run(r *run) error {
	return r.change(http.MethodDelete, "/assistants"+pathOf(c.Name), nil)
}

// ask reaches the data for one request.
func ask[O any](r *run, method, path string, query url.Values, body any) (O, error) {
	server, _, err := r.connect()
	if err != nil {
		var none O
		return none, err
	}
	defer server.close()
	return call[O](r.ctx, server, method, path, query, body)
}

// change asks for a change of the catalog and shows what came of it.
func (r *run) change(method, path string, body any) error {
	result, err := ask[catalog.Result](r, method, path, nil, body)
	if err != nil {
		return err
	}
	return r.answer(result, func() { r.showResult(result) })
}
