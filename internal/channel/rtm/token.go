package rtm

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"parley/internal/fault"
	"parley/internal/secret"
)

// Purposes of signed values; one for a purpose is forged for every other.
const (
	purposeAccess = "rtm-access"
	purposeSID    = "rtm-sid"
)

const (
	// sidLife is how long a socket URL can be used (documented by the vendor).
	sidLife = 30 * time.Second
	// maxToken bounds what is looked at; ours are far smaller.
	maxToken = 4 << 10
)

// Signer makes and checks signed values that any node can check.
type Signer interface {
	Sign(purpose string, payload []byte, expires time.Time) string
	// Open returns a fault.Unauthenticated for what was not signed for the
	// purpose or has expired.
	Open(purpose, token string, now time.Time) ([]byte, error)
}

// access is what an access token says.
type access struct {
	Bot       string `json:"b"`
	App       string `json:"a"`
	Subject   string `json:"s"`
	Name      string `json:"n,omitempty"`
	Anonymous bool   `json:"u,omitempty"`
	// ID names the token: it is the reader whose confirmed position is kept.
	ID string `json:"t"`
}

// place is the key of the conversation's place: the identity as the channel
// sees it. Two apps never share one, since each vouches for its own users.
func (a access) place() string { return a.App + "/" + a.Subject }

// ticket is what a socket URL's sid says.
type ticket struct {
	access
	// Nonce makes it work once.
	Nonce string `json:"k"`
	// Reconnect is set when the start request said so (Android).
	Reconnect bool   `json:"r,omitempty"`
	Lang      string `json:"l,omitempty"`
}

func sign(s Signer, purpose string, v any, expires time.Time) (string, error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return s.Sign(purpose, payload, expires), nil
}

// open reads a signed value into v; that of an expired one too.
func open(s Signer, purpose, token string, now time.Time, v any) error {
	if token == "" || len(token) > maxToken {
		return fault.New(fault.Unauthenticated, "the token is not valid; get a new one")
	}
	payload, err := s.Open(purpose, token, now)
	if err != nil {
		if errors.Is(err, secret.ErrExpired) {
			_ = json.Unmarshal(payload, v) // only to name whose token it was
		}
		return err
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return fault.Wrap(err, fault.Unauthenticated, "the token is not valid; get a new one")
	}
	return nil
}

// newNonce returns 72 random bits in URL-safe characters.
func newNonce() string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails; it ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}
