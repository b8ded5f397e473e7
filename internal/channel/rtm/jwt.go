package rtm

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"parley/internal/fault"
	"parley/internal/secret"
)

const (
	maxJWT     = 16 << 10
	maxSubject = 512
	maxName    = 100
	maxJTI     = 256
	// jwtLeeway forgives clocks that differ.
	jwtLeeway = time.Minute
	// singleUseLife is the longest life of a JWT that works once: for so long
	// its jti is remembered.
	singleUseLife = time.Hour
	// lifeWithoutExpiry is how long a JWT counts that says only when it was
	// issued.
	lifeWithoutExpiry = time.Hour
)

// verifier checks the JWTs of one app.
type verifier struct {
	app       AppBody
	secret    secret.Text
	publicKey *rsa.PublicKey
}

// identity is who a verified JWT speaks for.
type identity struct {
	App       string
	Subject   string
	Name      string
	Anonymous bool
	// JTI is set for apps whose JWTs work once; it counts until Expires.
	JTI     string
	Expires time.Time
}

// refused is a JWT that proves nothing. Its reason is safe to show: it never
// quotes the token.
func refused(why string, args ...any) error {
	return fault.New(fault.Unauthenticated, "error verifying the jwt: "+why, args...)
}

// peekIssuer reads the app a JWT claims to come from, without believing it.
func peekIssuer(token string) (string, error) {
	switch {
	case token == "":
		return "", fault.Field("assertion", "is missing; it holds the JWT")
	case len(token) > maxJWT:
		return "", refused("it is longer than %d bytes", maxJWT)
	}
	switch strings.Count(token, ".") {
	case 2:
	case 4:
		return "", refused("encrypted tokens (JWE) are not supported; send a signed one")
	default:
		return "", refused("it is not three parts joined by dots")
	}
	var c claims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &c); err != nil {
		return "", explain(err)
	}
	if c.app() == "" {
		return "", refused("it has no iss, which is the client id of the app (cs-...)")
	}
	return c.app(), nil
}

// claimedPlace is the place a token says it is for, verified or not. It only
// lets an operator who watches one person see that person's refusals.
func claimedPlace(token string) string {
	var c claims
	if len(token) > maxJWT {
		return ""
	}
	if _, _, err := jwt.NewParser().ParseUnverified(token, &c); err != nil {
		return ""
	}
	return access{App: c.app(), Subject: c.subject()}.place()
}

// verify returns who the token speaks for. Errors are fault.Unauthenticated
// with a reason that may be shown.
func (v *verifier) verify(token string, now time.Time) (identity, error) {
	var c claims
	parser := jwt.NewParser(jwt.WithValidMethods(v.app.Algorithms), jwt.WithoutClaimsValidation())
	if _, err := parser.ParseWithClaims(token, &c, v.key); err != nil {
		return identity{}, explain(err)
	}
	return v.check(&c, now)
}

var errNoKey = errors.New("no key for this algorithm")

// key gives the key that belongs to the token's algorithm, so that a public
// key is never used as a shared secret.
func (v *verifier) key(t *jwt.Token) (any, error) {
	switch t.Method.(type) {
	case *jwt.SigningMethodHMAC:
		if v.secret.IsZero() {
			return nil, errNoKey
		}
		return []byte(v.secret.Reveal()), nil
	case *jwt.SigningMethodRSA:
		if v.publicKey == nil {
			return nil, errNoKey
		}
		return v.publicKey, nil
	default:
		return nil, errNoKey
	}
}

// explain turns an error of the library into a reason that quotes nothing of
// the token.
func explain(err error) error {
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refused("it cannot be read")
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return refused("its algorithm is not set up for this app")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		if strings.Contains(err.Error(), "signing method") {
			return refused("its algorithm is not set up for this app")
		}
		return refused("the signature does not fit; is the client secret the one of this app?")
	default:
		return refused("it cannot be read")
	}
}

func (v *verifier) check(c *claims, now time.Time) (identity, error) {
	sub := c.subject()
	switch {
	case sub == "":
		return identity{}, refused("it has no sub, which names the user")
	case len(sub) > maxSubject:
		return identity{}, refused("sub is longer than %d bytes", maxSubject)
	case !utf8.ValidString(sub) || strings.ContainsFunc(sub, unicode.IsControl):
		return identity{}, refused("sub holds characters that cannot be stored")
	}
	expires := c.Expires.Time
	if expires.IsZero() && !c.IssuedAt.IsZero() {
		expires = c.IssuedAt.Add(lifeWithoutExpiry)
	}
	switch {
	case expires.IsZero():
		return identity{}, refused("it has neither exp nor iat")
	case !now.Before(expires.Add(jwtLeeway)):
		return identity{}, refused("it has expired")
	case !c.NotBefore.IsZero() && now.Before(c.NotBefore.Add(-jwtLeeway)):
		return identity{}, refused("it is not valid yet")
	}
	id := identity{App: v.app.ID, Subject: sub, Name: c.displayName(), Anonymous: bool(c.Anonymous), Expires: expires}
	if !v.app.SingleUseJWT {
		return id, nil
	}
	id.JTI = c.id()
	switch {
	case id.JTI == "":
		return identity{}, refused("it has no jti, and this app takes each token once")
	case len(id.JTI) > maxJTI:
		return identity{}, refused("jti is longer than %d bytes", maxJTI)
	case expires.Sub(now) > singleUseLife+jwtLeeway:
		return identity{}, refused("with a jti it may live %v at most", singleUseLife)
	}
	return id, nil
}

// UserJWT describes a JWT to make for a user.
type UserJWT struct {
	App     string
	Secret  string
	Subject string
	Name    string
	// Anonymous marks a user nobody has identified.
	Anonymous bool
	// Algorithm is HS256 or HS512; empty means HS256.
	Algorithm string
	// Life defaults to one hour.
	Life time.Duration
	Now  time.Time
}

// SignJWT makes the JWT an owner's JWT service would make, for test users and
// the demo. Errors are fault.Invalid.
func SignJWT(u UserJWT) (string, error) {
	alg := u.Algorithm
	if alg == "" {
		alg = "HS256"
	}
	method := jwt.GetSigningMethod(alg)
	if !slices.Contains([]string{"HS256", "HS512"}, alg) {
		return "", fault.Field("algorithm", "%q cannot be used here; choose HS256 or HS512", alg)
	}
	switch {
	case u.Secret == "":
		return "", fault.Field("secret", "is empty")
	case u.Subject == "":
		return "", fault.Field("sub", "is empty; it names the user")
	}
	life := u.Life
	if life <= 0 {
		life = time.Hour
	}
	c := jwt.MapClaims{
		"iss": u.App, "sub": u.Subject, "aud": "https://idproxy.kore.com/authorize",
		"iat": u.Now.Unix(), "exp": u.Now.Add(life).Unix(), "isAnonymous": u.Anonymous,
	}
	if u.Name != "" {
		c["name"] = u.Name
	}
	signed, err := jwt.NewWithClaims(method, c).SignedString([]byte(u.Secret))
	if err != nil {
		return "", fmt.Errorf("sign jwt: %w", err)
	}
	return signed, nil
}
