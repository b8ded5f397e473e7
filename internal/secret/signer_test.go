package secret_test

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/fault"
	"parley/internal/secret"
)

var now = time.Date(2026, 11, 20, 15, 44, 19, 236e6, time.UTC)

func TestSignerRoundTrip(t *testing.T) {
	signer := secret.NewSigner(newBox(t, secret.NewKey()))
	shape := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)
	for _, payload := range []string{"", "u", "cs-1\x00user\xff", strings.Repeat("p", 3000)} {
		token := signer.Sign("rtm access", []byte(payload), now.Add(time.Hour))
		if !shape.MatchString(token) {
			t.Errorf("the token %q is not URL-safe", token)
		}
		if got, err := signer.Open("rtm access", token, now); err != nil || string(got) != payload {
			t.Errorf("opened %q, %v", got, err)
		}
	}
}

func TestSignerExpiry(t *testing.T) {
	signer := secret.NewSigner(newBox(t, secret.NewKey()))
	token := signer.Sign("p", []byte("x"), now)
	tests := []struct {
		at   time.Time
		want error
	}{
		{now.Add(-time.Millisecond), nil},
		{now, secret.ErrExpired},
		{now.Add(time.Hour), secret.ErrExpired},
	}
	for _, tt := range tests {
		if _, err := signer.Open("p", token, tt.at); !errors.Is(err, tt.want) {
			t.Errorf("at %v: %v", tt.at, err)
		}
	}
	if !fault.Is(secret.ErrExpired, fault.Unauthenticated) || !fault.Is(secret.ErrForged, fault.Unauthenticated) {
		t.Error("token errors are not Unauthenticated")
	}
	// A forged token is forged, expired or not.
	if _, err := signer.Open("other", token, now.Add(time.Hour)); !errors.Is(err, secret.ErrForged) {
		t.Errorf("expired and forged: %v", err)
	}
}

func TestSignerRefusesForged(t *testing.T) {
	key := secret.NewKey()
	signer := secret.NewSigner(newBox(t, key))
	token := signer.Sign("ab", []byte("cd"), now.Add(time.Hour))
	forged := map[string]string{
		"empty": "", "dots": "a.b.c", "long": strings.Repeat("A", 1<<20), "line break": token[:8] + "\n" + token[8:],
		"padded": token + "=", "blank": " " + token,
		"foreign key": secret.NewSigner(newBox(t, secret.NewKey())).Sign("ab", []byte("cd"), now.Add(time.Hour)),
		// Purpose and payload must not run into each other.
		"shifted": signer.Sign("abc", []byte("d"), now.Add(time.Hour)),
	}
	for name, token := range forged {
		if _, err := signer.Open("ab", token, now); !errors.Is(err, secret.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range token {
		for _, c := range []byte(alphabet) {
			changed := token[:i] + string(c) + token[i+1:]
			if _, err := signer.Open("ab", changed, now); (err == nil) != (changed == token) {
				t.Fatalf("character %d changed to %q: %v", i, c, err)
			}
		}
		if _, err := signer.Open("ab", token[:i], now); !errors.Is(err, secret.ErrForged) {
			t.Errorf("cut to %d characters: %v", i, err)
		}
	}
}

func TestSignerRotation(t *testing.T) {
	old, fresh := secret.NewKey(), secret.NewKey()
	before, during, after := secret.NewSigner(newBox(t, old)), secret.NewSigner(newBox(t, fresh, old)), secret.NewSigner(newBox(t, fresh))
	token := before.Sign("p", nil, now.Add(time.Hour))
	if _, err := during.Open("p", token, now); err != nil {
		t.Errorf("a rotation killed a token: %v", err)
	}
	if _, err := after.Open("p", token, now); !errors.Is(err, secret.ErrForged) {
		t.Errorf("a token of a dropped key: %v", err)
	}
	if _, err := after.Open("p", during.Sign("p", nil, now.Add(time.Hour)), now); err != nil {
		t.Errorf("new tokens are not signed with the newest key: %v", err)
	}
}

func TestSignerConcurrently(t *testing.T) {
	signer := secret.NewSigner(newBox(t, secret.NewKey()))
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			payload := []byte{byte(i)}
			for range 200 {
				got, err := signer.Open("p", signer.Sign("p", payload, now.Add(time.Hour)), now)
				if err != nil || got[0] != payload[0] {
					t.Errorf("got %v, %v", got, err)
					return
				}
			}
		})
	}
	group.Wait()
}

func FuzzSignerOpen(f *testing.F) {
	signer := secret.NewSigner(newBox(f, secret.NewKey()))
	genuine := signer.Sign("p", []byte("payload"), now.Add(time.Hour))
	f.Add("p", genuine)
	f.Add("", "")
	f.Add("p", genuine[:len(genuine)-1])
	f.Fuzz(func(t *testing.T, purpose, token string) {
		_, err := signer.Open(purpose, token, now)
		if (err == nil) != (purpose == "p" && token == genuine) {
			t.Errorf("Open(%q, %q) = %v", purpose, token, err)
		}
	})
}

func BenchmarkSignerSign(b *testing.B) {
	signer := secret.NewSigner(newBox(b, secret.NewKey()))
	payload := make([]byte, 48)
	b.ReportAllocs()
	for b.Loop() {
		signer.Sign("rtm access", payload, now)
	}
}

func BenchmarkSignerOpen(b *testing.B) {
	signer := secret.NewSigner(newBox(b, secret.NewKey()))
	token := signer.Sign("rtm access", make([]byte, 48), now.Add(time.Hour))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := signer.Open("rtm access", token, now); err != nil {
			b.Fatal(err)
		}
	}
}
