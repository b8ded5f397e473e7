package adminapi

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"parley/internal/fault"
	"parley/internal/secret"
	"parley/internal/store"
)

// Tokens keeps API tokens.
type Tokens interface {
	store.Writer
	store.Tokens
}

const (
	// tokenPrefix begins every token; secret.Redact knows it.
	tokenPrefix = "pat_"
	// maxToken bounds a token in bytes; ours have 56.
	maxToken = 128
	// recheckEvery is how soon a revoked token loses what it still watches.
	recheckEvery = 15 * time.Second
	// knownMost bounds the tokens remembered as good.
	knownMost = 1024
)

// gate lets requests from a network in. Every request is looked up in the
// store, so that a revoked token is refused by every node at once.
type gate struct {
	tokens  Tokens
	now     func() time.Time
	client  func(*http.Request) string
	log     *slog.Logger
	recheck time.Duration

	mu       sync.Mutex
	failures limiter
	// known holds hashes of tokens that were good lately, and when their use was
	// noted. An address from which others guess does not shut them out.
	known map[[32]byte]time.Time
}

func newGate(s Services) *gate {
	return &gate{
		tokens: s.Tokens, now: s.Now, client: s.Client, log: s.Log, recheck: recheckEvery,
		failures: newLimiter(), known: make(map[[32]byte]time.Time),
	}
}

type callerKey struct{}

// callerOf is the token of whoever asks, or nil for the owner at the socket.
func callerOf(ctx context.Context) *store.Token {
	t, _ := ctx.Value(callerKey{}).(*store.Token)
	return t
}

// actorOf names who changes things, for the audit.
func actorOf(ctx context.Context) string {
	if t := callerOf(ctx); t != nil {
		return t.ID
	}
	return "owner"
}

// errTokenEnded ends what is still being watched with a token.
var errTokenEnded = errors.New("the token was revoked or has expired")

// check stands before every operation. It adds to huma's context rather than to
// the request, a copy of which would hide the route from the metrics.
func (g *gate) check(hc huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(hc)
	w.Header().Set("Cache-Control", "no-store")
	hash, token, err := g.admit(r)
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	if scope := scopeOf(hc.Operation()); !covers(token.Scopes, scope) {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+string(scope)+`"`)
		writeFailure(w, newFailure(fault.Forbidden, http.StatusForbidden, "the token "+token.Name+" lacks the scope "+string(scope)))
		return
	}
	ctx := context.WithValue(hc.Context(), callerKey{}, &token)
	if endless, _ := hc.Operation().Metadata[endlessKey].(bool); endless {
		watched, stop := g.whileLiving(ctx, hash, token)
		defer stop()
		ctx = watched
	}
	next(huma.WithContext(hc, ctx))
}

// endlessKey marks operations whose answers go on until somebody leaves.
const endlessKey = "endless"

// tooMany asks an address to wait.
type tooMany struct {
	error
	wait time.Duration
}

func (t tooMany) Unwrap() error { return t.error }

// admit finds the living token a request shows.
func (g *gate) admit(r *http.Request) (hash []byte, token store.Token, err error) {
	presented, err := bearer(r.Header.Values("Authorization"))
	if err != nil {
		return nil, token, err
	}
	address := g.client(r)
	hash = secret.HashToken(presented)
	if wait := g.held(address, hash); wait > 0 {
		return nil, token, tooMany{fault.New(fault.TooMany, "too many wrong tokens came from this address; try again in a moment"), wait}
	}
	token, err = g.find(r.Context(), presented, hash)
	switch {
	case err == nil:
		g.welcome(r.Context(), hash, token)
	case fault.Is(err, fault.Unauthenticated):
		g.failed(address, hash)
	}
	return hash, token, err
}

// find gives an unauthenticated fault for a token that cannot be used. Whoever
// shows the right secret may know why it is of no use.
func (g *gate) find(ctx context.Context, presented string, hash []byte) (store.Token, error) {
	if len(presented) > maxToken || !strings.HasPrefix(presented, tokenPrefix) {
		return store.Token{}, fault.New(fault.Unauthenticated, "this is no API token: they begin with %s", tokenPrefix)
	}
	t, err := g.tokens.TokenByHash(ctx, hash)
	switch {
	case fault.Is(err, fault.NotFound):
		return t, fault.New(fault.Unauthenticated, "the token is not known; parley token list shows which there are")
	case err != nil:
		return t, err
	case t.Living(g.now()):
		return t, nil
	case t.RevokedAt.IsZero() || t.RevokedAt.Equal(t.ExpiresAt):
		return t, fault.New(fault.Unauthenticated, "the token %s expired at %s; make another with parley token create", t.Name, t.ExpiresAt.UTC().Format(time.RFC3339))
	default:
		return t, fault.New(fault.Unauthenticated, "the token %s was revoked", t.Name)
	}
}

// bearer takes the token from the Authorization header (RFC 6750, section 2.1).
func bearer(headers []string) (string, error) {
	if len(headers) == 0 {
		return "", fault.New(fault.Unauthenticated, "a token is needed: send the header Authorization: Bearer %s...; parley token create makes one", tokenPrefix)
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	token = strings.TrimLeft(token, " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " \t,") {
		return "", fault.New(fault.Unauthenticated, "the Authorization header is not understood; send it once, as Bearer %s...", tokenPrefix)
	}
	return token, nil
}

func (g *gate) refuse(w http.ResponseWriter, r *http.Request, err error) {
	kind := fault.KindOf(err)
	var slow tooMany
	switch {
	case errors.As(err, &slow):
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(slow.wait.Seconds()))))
	case kind == fault.Unauthenticated && len(r.Header.Values("Authorization")) == 0:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case kind == fault.Unauthenticated:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	case r.Context().Err() == nil:
		g.log.Error("a token could not be looked up", "error", err)
	}
	writeFailure(w, newFailure(kind, fault.HTTPStatus(kind), fault.Message(err)))
}

// held is how long an address has to wait because of earlier failures.
func (g *gate) held(address string, hash []byte) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, good := g.known[[32]byte(hash)]; good {
		return 0
	}
	return g.failures.wait(address, g.now())
}

func (g *gate) failed(address string, hash []byte) {
	g.mu.Lock()
	delete(g.known, [32]byte(hash))
	full := g.failures.count(address, g.now())
	g.mu.Unlock()
	if full {
		g.log.Warn("an address showed too many wrong API tokens; it has to wait", "address", address)
	}
}

// welcome remembers a good token and, at most once a minute, that it was used.
// That nothing could be written is no reason to refuse a reader.
func (g *gate) welcome(ctx context.Context, hash []byte, token store.Token) {
	now := g.now()
	g.mu.Lock()
	noted, good := g.known[[32]byte(hash)]
	if !good {
		noted = token.LastUsedAt
		for old := range g.known {
			if len(g.known) < knownMost {
				break
			}
			delete(g.known, old)
		}
	}
	due := now.Sub(noted) >= store.TokenUseEvery
	if due {
		noted = now
	}
	g.known[[32]byte(hash)] = noted
	g.mu.Unlock()
	if !due {
		return
	}
	if _, err := store.Do(ctx, g.tokens, store.UseToken{ID: token.ID, Now: now}); err != nil && ctx.Err() == nil {
		g.log.Warn("the use of a token could not be noted", "token_id", token.ID, "error", err)
	}
}

// whileLiving gives a context that ends soon after the token does. While the
// store cannot be asked, the token keeps its right.
func (g *gate) whileLiving(ctx context.Context, hash []byte, token store.Token) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(g.recheck)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now, err := g.tokens.TokenByHash(ctx, hash)
			if err == nil {
				token = now
			}
			if fault.Is(err, fault.NotFound) || !token.Living(g.now()) {
				cancel(errTokenEnded)
				return
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}
