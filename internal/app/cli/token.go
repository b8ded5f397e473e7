package cli

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/internal/adminapi"
	"parley/internal/fault"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make an API token; it is shown once."`
	List   tokenListCmd   `cmd:"" help:"List API tokens."`
	Show   tokenShowCmd   `cmd:"" help:"Show what an API token may do, and when it was last used."`
	Revoke tokenRevokeCmd `cmd:"" help:"Revoke an API token at once and for good."`
}

type tokenCreateCmd struct {
	Name    string   `arg:"" help:"What it is for, such as ci. Unique among the living."`
	Scope   []string `required:"" placeholder:"SCOPE,..." help:"What it may do: catalog:read, catalog:write, conversations:read, conversations:write, deliveries:read, deliveries:write, tokens, operate, or * for everything."`
	Expires string   `placeholder:"TIME" help:"How long it is good for, such as 90d, 12h or 4w; for good when left out."`
}

// Run makes a token.
func (c *tokenCreateCmd) Run(r *run) error {
	life, err := lifeOf(c.Expires)
	if err != nil {
		return err
	}
	request := adminapi.APITokenRequest{Name: c.Name, Life: int64(life / time.Second)}
	for _, scope := range c.Scope {
		request.Scopes = append(request.Scopes, adminapi.Scope(strings.TrimSpace(scope)))
	}
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	made, err := call[adminapi.APITokenAnswer](r.ctx, server, http.MethodPost, "/tokens", nil, request)
	if err != nil {
		return err
	}
	return r.answer(made, func() {
		r.say("%s", made.Secret)
		ends := "does not expire"
		if made.ExpiresAt != nil {
			ends = "is good until " + when(made.ExpiresAt)
		}
		r.note("the token %s (%s) %s; it is not shown again", made.Name, strings.Join(made.Scopes, ", "), ends)
	})
}

// lifeOf reads a number and one of m, h, d and w; nothing is 0, for good.
func lifeOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	units := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	unit, known := units[text[len(text)-1]]
	n, err := strconv.Atoi(text[:len(text)-1])
	const most = 10 * 365 * 24 * time.Hour
	if !known || err != nil || n <= 0 || time.Duration(n) > most/unit {
		return 0, fault.Field("--expires", "%q is not understood; write a number and m, h, d or w, such as 90d, at most 3650d", clean(text))
	}
	return time.Duration(n) * unit, nil
}

type tokenListCmd struct {
	All bool `help:"Expired and revoked ones too."`
}

// Run lists tokens.
func (c *tokenListCmd) Run(r *run) error {
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	query := queryOf()
	if c.All {
		query = queryOf("all", "true")
	}
	list, err := call[adminapi.APITokenList](r.ctx, server, http.MethodGet, "/tokens", query, nil)
	if err != nil {
		return err
	}
	return r.answer(list, func() {
		rows := make([][]string, len(list.Tokens))
		for i, t := range list.Tokens {
			rows[i] = []string{t.Name, t.State, strings.Join(t.Scopes, ","), when(t.LastUsedAt), when(t.ExpiresAt), t.ID}
		}
		r.table([]string{"NAME", "STATE", "SCOPES", "LAST USED", "EXPIRES", "ID"}, rows)
	})
}

type tokenShowCmd struct {
	Name string `arg:"" help:"The token's name or id."`
}

// Run shows a token.
func (c *tokenShowCmd) Run(r *run) error {
	return r.oneToken(http.MethodGet, c.Name, func(t adminapi.APIToken) {
		r.table(nil, [][]string{
			{"name", t.Name}, {"id", t.ID}, {"state", t.State}, {"scopes", strings.Join(t.Scopes, ", ")},
			{"created", when(&t.CreatedAt)}, {"last used", when(t.LastUsedAt)}, {"expires", when(t.ExpiresAt)}, {"revoked", when(t.RevokedAt)},
		})
	})
}

type tokenRevokeCmd struct {
	Name string `arg:"" help:"The token's name or id."`
}

// Run revokes a token.
func (c *tokenRevokeCmd) Run(r *run) error {
	return r.oneToken(http.MethodDelete, c.Name, func(t adminapi.APIToken) { r.say("revoked %s (%s)", t.Name, t.ID) })
}

func (r *run) oneToken(method, name string, human func(adminapi.APIToken)) error {
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	t, err := call[adminapi.APIToken](r.ctx, server, method, "/tokens"+pathOf(name), nil, nil)
	if err != nil {
		return err
	}
	return r.answer(t, func() { human(t) })
}
