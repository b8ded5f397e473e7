package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/fault"
	"parley/internal/store"
)

// token is a step that makes a token whose hash follows from the name.
func (k *kit) token(name string) store.CreateToken {
	return store.CreateToken{Name: name, Scopes: []string{"catalog:read", "tokens"}, Hash: hashOf(name), Actor: "owner", Now: k.now}
}

func hashOf(secret string) []byte { return append([]byte{0, 255, '\''}, secret...) }

func (k *kit) byHash(secret string) store.Token {
	k.Helper()
	return must[store.Token](k)(k.TokenByHash(context.Background(), hashOf(secret)))
}

func (k *kit) tokenNames() []string {
	k.Helper()
	names := []string{}
	for _, t := range must[[]store.Token](k)(k.Tokens(context.Background())) {
		names = append(names, t.Name)
	}
	return names
}

func testTokens(t *testing.T, db DB) {
	k := open(t, db)
	step := k.token("ci")
	step.ExpiresAt = k.now.Add(life)
	made := do(k, step).Token
	want := store.Token{ID: made.ID, Name: "ci", Scopes: []string{"catalog:read", "tokens"}, CreatedAt: k.now, ExpiresAt: k.now.Add(life)}
	if made.ID == "" {
		t.Error("a token without an id")
	}
	if diff := cmp.Diff([]store.Token{want, want}, []store.Token{made, k.byHash("ci")}); diff != "" {
		t.Errorf("made and read (-want +got):\n%s", diff)
	}
	for _, secret := range []string{"", "c", "CI", "ci "} {
		if _, err := k.TokenByHash(t.Context(), hashOf(secret)); !fault.Is(err, fault.NotFound) {
			t.Errorf("hash of %q: %v, want not found", secret, err)
		}
	}
	equal(k, "living before its end", made.Living(k.now.Add(life-time.Millisecond)), true)
	equal(k, "living at its end", made.Living(k.now.Add(life)), false)

	do(k, k.tick(time.Second).token("other"))
	gone := do(k, store.RevokeToken{ID: made.ID, Actor: "owner", Now: k.now}).Token
	equal(k, "revoked at", gone.RevokedAt, k.now)
	equal(k, "living when revoked", k.byHash("ci").Living(k.now), false)
	again := do(k, store.RevokeToken{ID: made.ID, Actor: "owner", Now: k.now.Add(life)}).Token
	equal(k, "revoked twice at", again.RevokedAt, k.now)
	refused(k, fault.NotFound, store.RevokeToken{ID: "tk-none", Now: k.now})
	if diff := cmp.Diff([]string{"other", "ci"}, k.tokenNames()); diff != "" {
		t.Errorf("the living come first (-want +got):\n%s", diff)
	}
}

func testTokenNames(t *testing.T, db DB) {
	k := open(t, db)
	short := k.token("ci")
	short.ExpiresAt = k.now.Add(life)
	do(k, short)
	second := k.token("ci")
	second.Hash = hashOf("second")
	refused(k, fault.Conflict, second)
	// Other letters are another name, in every engine.
	upper := do(k, k.token("CI")).Token

	second.Now = k.tick(life).now
	do(k, second)
	old := k.byHash("ci")
	if old.Living(k.now) || !old.RevokedAt.Equal(old.ExpiresAt) {
		t.Errorf("the expired token whose name was given on: %+v", old)
	}
	do(k, store.RevokeToken{ID: upper.ID, Now: k.now})
	third := k.token("CI")
	third.Hash = hashOf("third")
	do(k, third)
	for _, bad := range []func(*store.CreateToken){
		func(s *store.CreateToken) { s.Name = "" },
		func(s *store.CreateToken) { s.Name = "a\x00" },
		func(s *store.CreateToken) { s.Hash = nil },
		func(s *store.CreateToken) { s.Scopes = nil },
		func(s *store.CreateToken) { s.Scopes = []string{"two words"} },
		func(s *store.CreateToken) { s.Scopes = []string{""} },
	} {
		step := k.token("bad")
		bad(&step)
		refused(k, fault.Invalid, step)
	}
	if _, err := store.Do(t.Context(), k.Store, store.CreateToken{Name: "twin", Scopes: []string{"*"}, Hash: hashOf("third"), Now: k.now}); err == nil {
		t.Error("two tokens with one hash")
	}
	equal(k, "tokens", len(k.tokenNames()), 4)
}

// testTokenUse looks at times that a busy token must not write at.
func testTokenUse(t *testing.T, db DB) {
	k := open(t, db)
	made := do(k, k.token("ci")).Token
	use := func(after time.Duration) time.Time {
		t.Helper()
		do(k, store.UseToken{ID: made.ID, Now: noon.Add(after)})
		return k.byHash("ci").LastUsedAt
	}
	equal(k, "first use", use(0), noon)
	equal(k, "use within the minute", use(store.TokenUseEvery-time.Millisecond), noon)
	equal(k, "use after a minute", use(store.TokenUseEvery), noon.Add(store.TokenUseEvery))
	equal(k, "use by a clock that is behind", use(0), noon.Add(store.TokenUseEvery))
	do(k, store.UseToken{ID: "tk-none", Now: k.now})
}

func testTokenRace(t *testing.T, db DB) {
	k := open(t, db)
	stores := k.stores(db)
	for round := range 3 {
		var won atomic.Int64
		err := together(10, func(i int) error {
			step := k.token(fmt.Sprint("name", round))
			step.Hash = hashOf(fmt.Sprint(round, "-", i))
			_, err := store.Do(context.Background(), stores[i%len(stores)], step)
			if err == nil {
				won.Add(1)
			}
			if fault.Is(err, fault.Conflict) {
				return nil
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		equal(k, "tokens of one name", won.Load(), 1)
	}
	equal(k, "tokens", len(k.tokenNames()), 3)
}

// testTokensStay reads them after a reopening and from a backup.
func testTokensStay(t *testing.T, db DB) {
	s := db.Open(t)
	k := &kit{TB: t, Store: s, now: noon}
	do(k, k.token("ci"))
	dir := t.TempDir() + "/copy"
	if err := s.Backup(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	want := k.byHash("ci")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for what, again := range map[string]store.Store{"reopened": db.Open(t), "restored": db.Restore(t, dir)} {
		k := &kit{TB: t, Store: again, now: noon}
		if diff := cmp.Diff(want, k.byHash("ci")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}
