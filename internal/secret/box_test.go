package secret_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/fault"
	"parley/internal/secret"
)

func newBox(t testing.TB, keys ...secret.Key) *secret.Box {
	t.Helper()
	box, err := secret.NewBox(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func TestBoxRoundTrip(t *testing.T) {
	box := newBox(t, secret.NewKey())
	for _, plain := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("long "), 10000)} {
		sealed := box.Seal("app/cs-1", plain)
		if len(plain) > 8 && bytes.Contains(sealed, plain[:8]) {
			t.Fatal("the sealed value holds the plain one")
		}
		if len(sealed) != len(plain)+secret.Overhead {
			t.Errorf("sealed %d bytes to %d", len(plain), len(sealed))
		}
		opened, err := box.Open("app/cs-1", sealed)
		if err != nil || !bytes.Equal(opened, plain) {
			t.Errorf("opened %d bytes, %v", len(opened), err)
		}
	}
	if bytes.Equal(box.Seal("r", []byte("same")), box.Seal("r", []byte("same"))) {
		t.Error("sealing twice gives the same bytes")
	}
}

func TestBoxRefusesEveryChange(t *testing.T) {
	box := newBox(t, secret.NewKey())
	sealed := box.Seal("app/cs-1", []byte(plain))
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		opened, err := box.Open("app/cs-1", changed)
		if err == nil || opened != nil {
			t.Errorf("a change of byte %d was not noticed", i)
		}
	}
	for n := range sealed {
		if _, err := box.Open("app/cs-1", sealed[:n]); !errors.Is(err, secret.ErrDamaged) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := box.Open("app/cs-2", sealed); !errors.Is(err, secret.ErrDamaged) {
		t.Errorf("a value opened in another row: %v", err)
	}
}

func TestBoxKeyRotation(t *testing.T) {
	old, fresh := secret.NewKey(), secret.NewKey()
	before, after := newBox(t, old), newBox(t, fresh, old)
	sealed := before.Seal("r", []byte(plain))
	if before.Stale(sealed) || !after.Stale(sealed) || !after.Stale(nil) {
		t.Error("Stale is wrong")
	}
	if opened, err := after.Open("r", sealed); err != nil || string(opened) != plain {
		t.Errorf("after rotation: %q, %v", opened, err)
	}
	_, err := before.Open("r", after.Seal("r", []byte(plain)))
	if !errors.Is(err, secret.ErrUnknownKey) || !fault.Is(err, fault.Unavailable) {
		t.Errorf("unknown key: %v", err)
	}
	if !strings.Contains(fault.Message(err), fresh.ID()) || !strings.Contains(fault.Message(err), old.ID()) {
		t.Errorf("the message does not name the keys: %s", fault.Message(err))
	}
	if diff := cmp.Diff([]string{fresh.ID(), old.ID()}, after.KeyIDs()); diff != "" {
		t.Error(diff)
	}
}

func TestCanary(t *testing.T) {
	ours, foreign := newBox(t, secret.NewKey()), newBox(t, secret.NewKey())
	canary := ours.SealCanary()
	if err := ours.OpenCanary(canary); err != nil {
		t.Error(err)
	}
	for name, stored := range map[string][]byte{"foreign": foreign.SealCanary(), "cut": canary[:5], "empty": nil, "not one": ours.Seal("r", nil)} {
		err := ours.OpenCanary(stored)
		if !fault.Is(err, fault.Conflict) || !strings.HasPrefix(fault.Message(err), "the key file does not belong to this data folder: ") {
			t.Errorf("%s canary: %v", name, err)
		}
	}
}

func TestDeriveSurvivesRotation(t *testing.T) {
	old, fresh := secret.NewKey(), secret.NewKey()
	before, after := newBox(t, old), newBox(t, fresh, old)
	all := after.DeriveAll("kit jwt")
	if len(all) != 2 || !bytes.Equal(all[0], after.Derive("kit jwt")) || !bytes.Equal(all[1], before.Derive("kit jwt")) {
		t.Error("DeriveAll is not newest first")
	}
	if len(all[0]) != 32 || bytes.Equal(all[0], all[1]) || bytes.Equal(all[0], after.Derive("kit jwt2")) {
		t.Error("derived keys are not apart")
	}
}

func TestNewBoxRefuses(t *testing.T) {
	k := secret.NewKey()
	for name, keys := range map[string][]secret.Key{"none": nil, "empty": {{}}, "twice": {k, k}} {
		if _, err := secret.NewBox(keys...); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := fmt.Sprintf("%v %+v %#v %x", k, k, k, k); got != strings.TrimSpace(strings.Repeat(k.ID()+" ", 4)) {
		t.Errorf("a key prints as %q", got)
	}
}

func FuzzBoxOpen(f *testing.F) {
	box := newBox(f, secret.NewKey())
	f.Add([]byte{}, "")
	f.Add(box.Seal("r", []byte("x")), "r2")
	f.Fuzz(func(t *testing.T, sealed []byte, row string) {
		if opened, err := box.Open(row, sealed); err == nil {
			t.Errorf("opened %q", opened)
		}
	})
}
