package rtm

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"parley/internal/fault"
	"parley/internal/secret"
)

const (
	testApp    = "cs-5b08ed1e-5fa7-5aaa-9c21-28bf8c90b739"
	testSecret = "s" // imported secrets may be this short
)

var testNow = time.Date(2026, 11, 20, 14, 44, 0, 0, time.UTC)

func rsaKey(t testing.TB) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func signWith(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func good() jwt.MapClaims {
	return jwt.MapClaims{"iss": testApp, "sub": "ann@example.com", "aud": "", "iat": testNow.Unix(), "exp": testNow.Add(time.Hour).Unix()}
}

func with(changes jwt.MapClaims) jwt.MapClaims {
	c := good()
	for k, v := range changes {
		if v == nil {
			delete(c, k)
			continue
		}
		c[k] = v
	}
	return c
}

func TestClaims(t *testing.T) {
	ann := identity{App: testApp, Subject: "ann@example.com", Expires: testNow.Add(time.Hour)}
	change := func(f func(*identity)) identity {
		id := ann
		f(&id)
		return id
	}
	ms := func(at time.Time) int64 { return at.UnixMilli() }
	tests := []struct {
		name   string
		claims jwt.MapClaims
		want   identity
		refuse string
	}{
		{name: "plain", claims: good(), want: ann},
		{name: "vendor's audience", claims: with(jwt.MapClaims{"aud": "https://idproxy.kore.ai/authorize"}), want: ann},
		{name: "no audience", claims: with(jwt.MapClaims{"aud": nil}), want: ann},
		{name: "list of audiences", claims: with(jwt.MapClaims{"aud": []string{"a", "b"}}), want: ann},
		{name: "audience of a strange form", claims: with(jwt.MapClaims{"aud": 5}), want: ann},
		{name: "milliseconds", claims: with(jwt.MapClaims{"iat": ms(testNow), "exp": ms(testNow.Add(time.Hour))}), want: ann},
		{name: "milliseconds, expired", claims: with(jwt.MapClaims{"exp": ms(testNow.Add(-time.Hour))}), refuse: "expired"},
		{name: "fraction", claims: with(jwt.MapClaims{"exp": float64(testNow.Unix()) + 1.5}), want: change(func(id *identity) { id.Expires = testNow.Add(1500 * time.Millisecond) })},
		{name: "time as text", claims: with(jwt.MapClaims{"exp": "1795189440"}), want: change(func(id *identity) { id.Expires = time.Unix(1795189440, 0) })},
		{name: "time that is none", claims: with(jwt.MapClaims{"exp": "soon"}), refuse: "cannot be read"},
		{name: "huge time", claims: with(jwt.MapClaims{"exp": 1e300}), refuse: "cannot be read"},
		{name: "expired", claims: with(jwt.MapClaims{"exp": testNow.Add(-2 * time.Minute).Unix()}), refuse: "expired"},
		{name: "expired within the leeway", claims: with(jwt.MapClaims{"exp": testNow.Add(-30 * time.Second).Unix()}), want: change(func(id *identity) { id.Expires = testNow.Add(-30 * time.Second) })},
		{name: "no exp", claims: with(jwt.MapClaims{"exp": nil}), want: ann},
		{name: "no exp, issued long ago", claims: with(jwt.MapClaims{"exp": nil, "iat": testNow.Add(-2 * time.Hour).Unix()}), refuse: "expired"},
		{name: "no time at all", claims: with(jwt.MapClaims{"exp": nil, "iat": nil}), refuse: "neither exp nor iat"},
		{name: "not yet", claims: with(jwt.MapClaims{"nbf": testNow.Add(time.Hour).Unix()}), refuse: "not valid yet"},
		{name: "issued in the future", claims: with(jwt.MapClaims{"iat": testNow.Add(5 * time.Minute).Unix()}), want: ann},
		{name: "kore claims win", claims: with(jwt.MapClaims{"kore_sub": "bob", "kore_iss": testApp, "iss": "https://idp.example"}), want: change(func(id *identity) { id.Subject = "bob" })},
		{name: "sub as number", claims: with(jwt.MapClaims{"sub": 4915112345}), want: change(func(id *identity) { id.Subject = "4915112345" })},
		{name: "no sub", claims: with(jwt.MapClaims{"sub": nil}), refuse: "no sub"},
		{name: "empty sub", claims: with(jwt.MapClaims{"sub": ""}), refuse: "no sub"},
		{name: "sub with NUL", claims: with(jwt.MapClaims{"sub": "a\x00b"}), refuse: "cannot be stored"},
		{name: "long sub", claims: with(jwt.MapClaims{"sub": strings.Repeat("x", 513)}), refuse: "512"},
		{name: "sub as object", claims: with(jwt.MapClaims{"sub": map[string]any{}}), refuse: "cannot be read"},
		{name: "anonymous true", claims: with(jwt.MapClaims{"isAnonymous": true}), want: change(func(id *identity) { id.Anonymous = true })},
		{name: "anonymous text", claims: with(jwt.MapClaims{"isAnonymous": "true"}), want: change(func(id *identity) { id.Anonymous = true })},
		{name: "anonymous 1", claims: with(jwt.MapClaims{"isAnonymous": 1}), want: change(func(id *identity) { id.Anonymous = true })},
		{name: "anonymous 0", claims: with(jwt.MapClaims{"isAnonymous": 0}), want: ann},
		{name: "anonymous false text", claims: with(jwt.MapClaims{"isAnonymous": "false"}), want: ann},
		{name: "anonymous object", claims: with(jwt.MapClaims{"isAnonymous": []int{1}}), want: ann},
		{name: "jti does not matter here", claims: with(jwt.MapClaims{"jti": "x"}), want: ann},
		{name: "name", claims: with(jwt.MapClaims{"fName": "Ann", "lName": "Lee"}), want: change(func(id *identity) { id.Name = "Ann Lee" })},
		{name: "name of a strange form", claims: with(jwt.MapClaims{"name": 7}), want: ann},
	}
	v := verifier{app: AppBody{ID: testApp, Algorithms: []string{"HS256", "HS512"}}, secret: secret.NewText(testSecret)}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token := signWith(t, jwt.SigningMethodHS256, []byte(testSecret), tt.claims)
			_, err := peekIssuer(token)
			var got identity
			if err == nil {
				got, err = v.verify(token, testNow)
			}
			checkVerdict(t, err, tt.refuse)
			if tt.refuse == "" {
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
		})
	}
}

func checkVerdict(t *testing.T, err error, refuse string) {
	t.Helper()
	switch {
	case refuse == "" && err != nil:
		t.Fatalf("refused: %v", err)
	case refuse == "":
	case !fault.Is(err, fault.Unauthenticated), !strings.HasPrefix(fault.Message(err), "error verifying the jwt: "), !strings.Contains(fault.Message(err), refuse):
		t.Errorf("got %v, want a refusal that says %q", err, refuse)
	}
}

func TestAlgorithms(t *testing.T) {
	key, public := rsaKey(t)
	other, _ := rsaKey(t)
	parsed, err := parsePublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	none := signWith(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good())
	hs := signWith(t, jwt.SigningMethodHS256, []byte(testSecret), good())
	parts := strings.Split(hs, ".")
	noneHeader := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	all := []string{"HS256", "HS512", "RS256", "RS512"}
	tests := []struct {
		name       string
		algorithms []string
		token      string
		refuse     string
	}{
		{"HS256", all, hs, ""},
		{"HS512", all, signWith(t, jwt.SigningMethodHS512, []byte(testSecret), good()), ""},
		{"RS256", all, signWith(t, jwt.SigningMethodRS256, key, good()), ""},
		{"RS512", all, signWith(t, jwt.SigningMethodRS512, key, good()), ""},
		{"HS384 is never set up", all, signWith(t, jwt.SigningMethodHS384, []byte(testSecret), good()), "algorithm"},
		{"PS256 is never set up", all, signWith(t, jwt.SigningMethodPS256, key, good()), "algorithm"},
		{"none", all, none, "algorithm"},
		{"none with the signature kept", all, noneHeader + "." + parts[1] + "." + parts[2], "algorithm"},
		{"unknown algorithm", all, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"XX"}`)) + "." + parts[1] + "." + parts[2], "algorithm"},
		{"HS256 where RS256 is set up", []string{"RS256"}, hs, "algorithm"},
		{"public key used as a secret", []string{"RS256"}, signWith(t, jwt.SigningMethodHS256, []byte(public), good()), "algorithm"},
		{"public key used as a secret, all set up", all, signWith(t, jwt.SigningMethodHS256, []byte(public), good()), "signature"},
		{"wrong secret", all, signWith(t, jwt.SigningMethodHS256, []byte("other"), good()), "signature"},
		{"wrong key", all, signWith(t, jwt.SigningMethodRS256, other, good()), "signature"},
		{"empty secret", all, signWith(t, jwt.SigningMethodHS256, []byte{}, good()), "signature"},
		{"signature cut off", all, parts[0] + "." + parts[1] + ".", "signature"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := verifier{app: AppBody{ID: testApp, Algorithms: tt.algorithms}, secret: secret.NewText(testSecret), publicKey: parsed}
			_, err := v.verify(tt.token, testNow)
			checkVerdict(t, err, tt.refuse)
			if err != nil && strings.Contains(fault.Message(err), tt.token) {
				t.Error("the reason quotes the token")
			}
		})
	}
	v := verifier{app: AppBody{ID: testApp, Algorithms: []string{"HS256"}}}
	if _, err := v.verify(signWith(t, jwt.SigningMethodHS256, []byte{}, good()), testNow); err == nil {
		t.Error("an app without a secret takes tokens signed with an empty one")
	}
}

func TestSingleUseClaims(t *testing.T) {
	v := verifier{app: AppBody{ID: testApp, Algorithms: []string{"HS256"}, SingleUseJWT: true}, secret: secret.NewText(testSecret)}
	for _, tt := range []struct {
		name   string
		claims jwt.MapClaims
		refuse string
	}{
		{"jti", with(jwt.MapClaims{"jti": "a"}), ""},
		{"kore_jti", with(jwt.MapClaims{"kore_jti": "a"}), ""},
		{"none", good(), "no jti"},
		{"long life", with(jwt.MapClaims{"jti": "a", "exp": testNow.Add(2 * time.Hour).Unix()}), "1h0m0s"},
		{"long jti", with(jwt.MapClaims{"jti": strings.Repeat("a", 300)}), "256"},
	} {
		id, err := v.verify(signWith(t, jwt.SigningMethodHS256, []byte(testSecret), tt.claims), testNow)
		checkVerdict(t, err, tt.refuse)
		if err == nil && id.JTI != "a" {
			t.Errorf("%s: jti %q", tt.name, id.JTI)
		}
	}
}

func TestPeekIssuer(t *testing.T) {
	for token, want := range map[string]string{
		"":                         "missing",
		"abc":                      "three parts",
		"a.b":                      "three parts",
		"a.b.c.d.e":                "JWE",
		"a.b.c":                    "cannot be read",
		strings.Repeat("x", 20000): "longer",
		signWith(t, jwt.SigningMethodHS256, []byte("x"), jwt.MapClaims{}): "no iss",
	} {
		if _, err := peekIssuer(token); err == nil || !strings.Contains(fault.Message(err), want) {
			t.Errorf("%.20s: %v, want %q", token, err, want)
		}
	}
}

func TestSignJWT(t *testing.T) {
	v := verifier{app: AppBody{ID: testApp, Algorithms: []string{"HS256", "HS512"}}, secret: secret.NewText(testSecret)}
	for _, alg := range []string{"", "HS256", "HS512"} {
		token, err := SignJWT(UserJWT{App: testApp, Secret: testSecret, Subject: "ann", Name: "Ann", Anonymous: true, Algorithm: alg, Now: testNow})
		if err != nil {
			t.Fatal(err)
		}
		id, err := v.verify(token, testNow)
		want := identity{App: testApp, Subject: "ann", Name: "Ann", Anonymous: true, Expires: testNow.Add(time.Hour)}
		if diff := cmp.Diff(want, id); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", alg, err, diff)
		}
	}
	for _, bad := range []UserJWT{{Secret: "s"}, {Subject: "a"}, {Secret: "s", Subject: "a", Algorithm: "none"}, {Secret: "s", Subject: "a", Algorithm: "RS256"}} {
		if _, err := SignJWT(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func FuzzJWT(f *testing.F) {
	f.Add(signWith(f, jwt.SigningMethodHS256, []byte("another"), good()))
	f.Add(signWith(f, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good()))
	f.Add("a.b.c.d.e")
	f.Add("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOiIxZTk5OSIsInN1YiI6MX0.AA")
	v := verifier{app: AppBody{ID: testApp, Algorithms: []string{"HS256", "RS256"}, SingleUseJWT: true}, secret: secret.NewText(rand.Text())}
	f.Fuzz(func(t *testing.T, token string) {
		_, _ = peekIssuer(token)
		_, err := v.verify(token, testNow)
		if err == nil {
			t.Fatal("a token nobody signed was believed")
		}
		if !fault.Is(err, fault.Unauthenticated) || (len(token) > 12 && strings.Contains(fault.Message(err), token)) {
			t.Fatalf("refused with %v", err)
		}
	})
}
