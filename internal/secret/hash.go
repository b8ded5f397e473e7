package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
)

// NewToken returns a random secret of 260 bits in upper-case base32, for
// client secrets, API tokens and the like.
func NewToken() Text { return NewText(rand.Text() + rand.Text()) }

// HashToken gives the 32 bytes to store for a secret that is only verified.
// It is a plain SHA-256, which is enough for random tokens of at least 128
// bits and not for passwords that people choose.
func HashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// MatchesHash reports in constant time whether token is the one hash was made
// from. A hash of another length, such as an empty column, never matches.
func MatchesHash(token string, hash []byte) bool {
	return subtle.ConstantTimeCompare(HashToken(token), hash) == 1
}
