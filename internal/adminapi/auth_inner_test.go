package adminapi

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/adminapi/adminapitest"
	"parley/internal/fault"
	"parley/internal/secret"
	"parley/internal/store"
)

// The tag of the request is what the OpenAPI document shows.
func TestScopesAreDocumented(t *testing.T) {
	field, _ := reflect.TypeFor[APITokenRequest]().FieldByName("Scopes")
	var want []string
	for _, s := range Scopes() {
		want = append(want, string(s))
	}
	if got := field.Tag.Get("enum"); got != strings.Join(want, ",") {
		t.Errorf("documented as %s", got)
	}
}

func TestForgottenScopeOpensNothing(t *testing.T) {
	for _, s := range Scopes() {
		if got := covers([]string{string(s)}, ""); got != (s == ScopeAll) {
			t.Errorf("%s covers an operation without a scope: %v", s, got)
		}
	}
	if covers([]string{"", "catalog"}, ScopeCatalogRead) || covers(nil, ScopeTokens) {
		t.Error("a part of a scope is no scope")
	}
}

func TestLimiterIsBounded(t *testing.T) {
	l, now := newLimiter(), time.Unix(1e9, 0)
	for range failuresAtOnce {
		l.count("192.0.2.1", now)
	}
	for i := range addressesMost + 500 {
		l.count(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now)
	}
	if len(l.until) > addressesMost {
		t.Errorf("%d addresses remembered", len(l.until))
	}
	if l.wait("192.0.2.1", now) == 0 {
		t.Error("the one that fails most was forgotten for strangers")
	}
	if wait := l.wait("192.0.2.1", now.Add(time.Minute)); wait != 0 {
		t.Errorf("after a minute it still waits %v", wait)
	}
}

func TestLimiterNetworks(t *testing.T) {
	for _, test := range [][2]string{
		{"192.0.2.1", "192.0.2.1"}, {"::ffff:192.0.2.1", "192.0.2.1"}, {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"2001:db8:1:2:ffff::", "2001:db8:1:2::/64"}, {"fe80::1%eth0", "fe80::/64"}, {"@", "@"}, {"", ""},
	} {
		if got := network(test[0]); got != test[1] {
			t.Errorf("%s counts as %s, want %s", test[0], got, test[1])
		}
	}
}

func TestWatchingEndsWithTheToken(t *testing.T) {
	for name, end := range map[string]func(*adminapitest.Tokens){
		"revoked": func(tokens *adminapitest.Tokens) {
			_, _ = store.Do(context.Background(), tokens, store.RevokeToken{ID: "tk-1", Now: time.Now()})
		},
		"expired": func(*adminapitest.Tokens) { time.Sleep(2 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tokens := &adminapitest.Tokens{}
				hash := secret.HashToken("pat_x")
				made, err := store.Do(t.Context(), tokens, store.CreateToken{Name: "x", Hash: hash, Scopes: []string{"*"}, Now: time.Now(), ExpiresAt: time.Now().Add(time.Hour)})
				if err != nil {
					t.Fatal(err)
				}
				g := newGate(Services{Tokens: tokens, Now: time.Now})
				ctx, stop := g.whileLiving(t.Context(), hash, made.Token)
				defer stop()
				tokens.Fail(fault.New(fault.Unavailable, "away"))
				time.Sleep(time.Minute)
				tokens.Fail(nil)
				if ctx.Err() != nil {
					t.Error("ended while the store could not be asked")
				}
				end(tokens)
				<-ctx.Done()
				if !errors.Is(context.Cause(ctx), errTokenEnded) {
					t.Errorf("ended by %v", context.Cause(ctx))
				}
			})
		})
	}
}

func TestKnownTokensAreBounded(t *testing.T) {
	tokens := &adminapitest.Tokens{}
	g := newGate(Services{Tokens: tokens, Now: time.Now})
	for i := range 2 * knownMost {
		g.welcome(t.Context(), secret.HashToken(fmt.Sprint(i)), store.Token{ID: fmt.Sprint("tk-", i)})
	}
	if len(g.known) > knownMost {
		t.Errorf("%d tokens remembered", len(g.known))
	}
}

func FuzzBearer(f *testing.F) {
	f.Add("Bearer pat_x")
	f.Add("bearer  a,b")
	f.Fuzz(func(t *testing.T, header string) {
		token, err := bearer([]string{header})
		if err != nil {
			// One text for everything that is not understood: it repeats nothing.
			if _, same := bearer([]string{""}); !fault.Is(err, fault.Unauthenticated) || err.Error() != same.Error() {
				t.Errorf("%q: %v", header, err)
			}
			return
		}
		if token == "" || strings.ContainsAny(token, " \t,") || !strings.HasSuffix(header, token) {
			t.Errorf("%q gives %q", header, token)
		}
	})
}
