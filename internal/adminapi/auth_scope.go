package adminapi

import (
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Scope is a word for what a token may do. No scope holds another one, except
// [ScopeAll].
type Scope string

// The scopes. The list is closed; the tag of [APITokenRequest] repeats it.
const (
	ScopeCatalogRead       Scope = "catalog:read"
	ScopeCatalogWrite      Scope = "catalog:write"
	ScopeConversationsRead Scope = "conversations:read"
	// ScopeConversationsWrite includes signing tokens with which one may talk
	// as anybody.
	ScopeConversationsWrite Scope = "conversations:write"
	ScopeDeliveriesRead     Scope = "deliveries:read"
	ScopeDeliveriesWrite    Scope = "deliveries:write"
	// ScopeTokens is for making and revoking tokens that can do no more than
	// the token that makes them.
	ScopeTokens Scope = "tokens"
	// ScopeOperate is for the doctor, backups and watching connections.
	ScopeOperate Scope = "operate"
	// ScopeAll holds every scope, later ones too.
	ScopeAll Scope = "*"
)

// Scopes lists all scopes in the order they are shown.
func Scopes() []Scope {
	return []Scope{
		ScopeCatalogRead, ScopeCatalogWrite, ScopeConversationsRead, ScopeConversationsWrite,
		ScopeDeliveriesRead, ScopeDeliveriesWrite, ScopeTokens, ScopeOperate, ScopeAll,
	}
}

// covers reports whether the scopes of a token hold the one that is asked for.
// The empty scope is held by [ScopeAll] alone.
func covers(held []string, asked Scope) bool {
	return slices.Contains(held, string(ScopeAll)) || asked != "" && slices.Contains(held, string(asked))
}

// tidy orders scopes, drops repeats, and what [ScopeAll] holds anyway.
func tidy(asked []Scope) []string {
	if slices.Contains(asked, ScopeAll) {
		return []string{string(ScopeAll)}
	}
	var all []string
	for _, s := range Scopes() {
		if slices.Contains(asked, s) {
			all = append(all, string(s))
		}
	}
	return all
}

// securityScheme is how the OpenAPI document calls what tokens are for.
const securityScheme = "token"

// requires puts a scope into an operation: the gate reads it from there, and
// clients from the OpenAPI document.
func requires(o *huma.Operation, scope Scope) {
	o.Security = []map[string][]string{{securityScheme: {string(scope)}}}
	o.Description = strings.TrimSpace(o.Description + "\n\nScope: `" + string(scope) + "`.")
}

// scopeOf is what an operation asks for. One that does not say gives the empty
// scope, so that forgetting it opens nothing.
func scopeOf(o *huma.Operation) Scope {
	for _, one := range o.Security {
		if scopes := one[securityScheme]; len(scopes) == 1 {
			return Scope(scopes[0])
		}
	}
	return ""
}
