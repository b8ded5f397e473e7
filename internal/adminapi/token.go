package adminapi

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"parley/internal/fault"
	"parley/internal/secret"
	"parley/internal/store"
)

// APIToken is an API token without its secret.
type APIToken struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	State     string     `json:"state" enum:"living,expired,revoked"`
	Scopes    []string   `json:"scopes"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"Left out when it does not expire."`
	// LastUsedAt lags by up to a minute.
	LastUsedAt *time.Time `json:"last_used_at,omitempty" doc:"Up to a minute behind; left out when it was never used."`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
}

// APITokenRequest asks for a new API token.
type APITokenRequest struct {
	Name   string  `json:"name" doc:"Letters, digits, dot, dash and underscore, at most 63; unique among the living."`
	Scopes []Scope `json:"scopes" minItems:"1" maxItems:"20" enum:"catalog:read,catalog:write,conversations:read,conversations:write,deliveries:read,deliveries:write,tokens,operate,*" doc:"What it may do; * is everything."`
	// Life is in seconds; 0 for a token that does not expire.
	Life int64 `json:"life,omitempty" minimum:"60" maximum:"315360000" doc:"How long it is good for, in seconds; for good when left out."`
}

// APITokenAnswer is a new API token with its secret.
type APITokenAnswer struct {
	APIToken
	Secret string `json:"secret" doc:"What to send as Authorization: Bearer. It is shown this once."`
}

// APITokenList is API tokens: the living, then, if asked for, the others.
type APITokenList struct {
	Tokens []APIToken `json:"tokens"`
}

type (
	apiTokenInput     struct{ Body APITokenRequest }
	apiTokenNewOutput struct{ Body APITokenAnswer }
	apiTokensInput    struct {
		All bool `query:"all" doc:"Expired and revoked ones too."`
	}
	apiTokensOutput struct{ Body APITokenList }
	apiTokenNamed   struct {
		Token string `path:"token" maxLength:"63" doc:"The token's name or id."`
	}
	apiTokenOutput struct{ Body APIToken }
)

func (a *api) registerTokens(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/tokens", "list-tokens", "List API tokens", ScopeTokens), a.listTokens)
	huma.Register(h, op(http.MethodPost, "/tokens", "create-token", "Make an API token", ScopeTokens), a.createToken)
	huma.Register(h, op(http.MethodGet, "/tokens/{token}", "get-token", "Show an API token", ScopeTokens), a.getToken)
	huma.Register(h, op(http.MethodDelete, "/tokens/{token}", "revoke-token", "Revoke an API token", ScopeTokens), a.revokeToken)
}

// tokenName keeps names from looking like ids.
var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

const tokenIDPrefix = "tk-"

func (a *api) createToken(ctx context.Context, in *apiTokenInput) (*apiTokenNewOutput, error) {
	step := store.CreateToken{Name: in.Body.Name, Scopes: tidy(in.Body.Scopes), Actor: actorOf(ctx), Now: a.Now()}
	if in.Body.Life > 0 {
		step.ExpiresAt = step.Now.Add(time.Duration(in.Body.Life) * time.Second)
	}
	if !tokenName.MatchString(step.Name) || strings.HasPrefix(step.Name, tokenIDPrefix) {
		return nil, a.fail(ctx, fault.Field("name", "takes letters, digits, dot, dash and underscore, at most 63, and does not begin with %s", tokenIDPrefix))
	}
	if err := mayGive(callerOf(ctx), step); err != nil {
		return nil, a.fail(ctx, err)
	}
	text := tokenPrefix + secret.NewToken().Reveal()
	step.Hash = secret.HashToken(text)
	made, err := store.Do(ctx, a.Tokens, step)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	a.Log.Info("an API token was made", "token_id", made.Token.ID, "actor", step.Actor)
	return &apiTokenNewOutput{Body: APITokenAnswer{APIToken: a.showToken(made.Token), Secret: text}}, nil
}

// mayGive keeps a token from making one that can do more, or lives longer, than
// itself. The owner at the socket, who has no token, may give anything.
func mayGive(giver *store.Token, wanted store.CreateToken) error {
	if giver == nil {
		return nil
	}
	for _, scope := range wanted.Scopes {
		if !covers(giver.Scopes, Scope(scope)) {
			return fault.New(fault.Forbidden, "the token %s lacks the scope %s and cannot give it", giver.Name, scope)
		}
	}
	if !giver.ExpiresAt.IsZero() && (wanted.ExpiresAt.IsZero() || wanted.ExpiresAt.After(giver.ExpiresAt)) {
		return fault.New(fault.Forbidden, "the token %s expires at %s and cannot make one that lives longer; give a shorter life",
			giver.Name, giver.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return nil
}

func (a *api) listTokens(ctx context.Context, in *apiTokensInput) (*apiTokensOutput, error) {
	all, err := a.Tokens.Tokens(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	list := APITokenList{Tokens: []APIToken{}}
	for _, t := range all {
		if in.All || t.Living(a.Now()) {
			list.Tokens = append(list.Tokens, a.showToken(t))
		}
	}
	return &apiTokensOutput{Body: list}, nil
}

func (a *api) getToken(ctx context.Context, in *apiTokenNamed) (*apiTokenOutput, error) {
	t, err := a.findToken(ctx, in.Token)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &apiTokenOutput{Body: a.showToken(t)}, nil
}

// revokeToken refuses to revoke what can do more than the caller: a small token
// that was stolen must not lock the owner's programs out.
func (a *api) revokeToken(ctx context.Context, in *apiTokenNamed) (*apiTokenOutput, error) {
	t, err := a.findToken(ctx, in.Token)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	if giver := callerOf(ctx); giver != nil {
		for _, scope := range t.Scopes {
			if !covers(giver.Scopes, Scope(scope)) {
				return nil, a.fail(ctx, fault.New(fault.Forbidden, "the token %s lacks the scope %s and cannot revoke a token that has it", giver.Name, scope))
			}
		}
	}
	gone, err := store.Do(ctx, a.Tokens, store.RevokeToken{ID: t.ID, Actor: actorOf(ctx), Now: a.Now()})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	a.Log.Info("an API token was revoked", "token_id", t.ID, "actor", actorOf(ctx))
	return &apiTokenOutput{Body: a.showToken(gone.Token)}, nil
}

// findToken finds by id, else by name: of several with one name the newest that
// was not revoked, else the newest.
func (a *api) findToken(ctx context.Context, ref string) (store.Token, error) {
	all, err := a.Tokens.Tokens(ctx)
	if err != nil {
		return store.Token{}, err
	}
	for _, t := range all {
		if t.ID == ref || t.Name == ref {
			return t, nil
		}
	}
	return store.Token{}, fault.New(fault.NotFound, "there is no token %q; parley token list --all shows which there are", ref)
}

func (a *api) showToken(t store.Token) APIToken {
	state := "living"
	switch {
	case t.Living(a.Now()):
	case t.RevokedAt.IsZero() || t.RevokedAt.Equal(t.ExpiresAt):
		state = "expired"
	default:
		state = "revoked"
	}
	out := APIToken{ID: t.ID, Name: t.Name, State: state, Scopes: t.Scopes, CreatedAt: t.CreatedAt}
	for _, f := range []struct {
		at   time.Time
		into **time.Time
	}{{t.ExpiresAt, &out.ExpiresAt}, {t.LastUsedAt, &out.LastUsedAt}, {t.RevokedAt, &out.RevokedAt}} {
		if !f.at.IsZero() {
			*f.into = &f.at
		}
	}
	return out
}
