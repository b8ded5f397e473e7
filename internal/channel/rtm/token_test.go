package rtm

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/fault"
	"parley/internal/secret"
)

func testSigner(t testing.TB) *secret.Signer {
	t.Helper()
	box, err := secret.NewBox(secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return secret.NewSigner(box)
}

func TestTokens(t *testing.T) {
	s := testSigner(t)
	want := ticket{access: access{Bot: "st-1", App: "cs-1", Subject: "ann", Name: "Ann", ID: "t"}, Nonce: "n", Reconnect: true, Lang: "de"}
	token, err := sign(s, purposeSID, want, testNow.Add(sidLife))
	if err != nil {
		t.Fatal(err)
	}
	var got ticket
	if err := open(s, purposeSID, token, testNow, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(ticket{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for name, err := range map[string]error{
		"late":          open(s, purposeSID, token, testNow.Add(sidLife+time.Second), &got),
		"other purpose": open(s, purposeAccess, token, testNow, &got),
		"other key":     open(testSigner(t), purposeSID, token, testNow, &got),
		"empty":         open(s, purposeSID, "", testNow, &got),
		"long":          open(s, purposeSID, string(make([]byte, maxToken+1)), testNow, &got),
	} {
		if !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzToken(f *testing.F) {
	s := testSigner(f)
	token, err := sign(s, purposeAccess, access{Bot: "st-1"}, testNow.Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add(token[:len(token)-2])
	f.Fuzz(func(t *testing.T, given string) {
		var a access
		err := open(s, purposeAccess, given, testNow, &a)
		if err == nil && given != token {
			t.Fatalf("%q was believed", given)
		}
		if err != nil && !fault.Is(err, fault.Unauthenticated) {
			t.Fatal(err)
		}
	})
}
