package secret

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

const (
	keySize = 32 // bytes of a master key
	idSize  = 4  // bytes of a key id
)

// keyID names a key inside sealed values and tokens. It is random and says
// nothing about the key.
type keyID [idSize]byte

func (id keyID) String() string { return hex.EncodeToString(id[:]) }

// Key is one master key with its id. It is never used directly: sealing,
// signing and every derived key go through HKDF with a label of their own.
// Printed, it shows only its id.
type Key struct {
	id     keyID
	master *[keySize]byte
}

// NewKey makes a random key.
func NewKey() Key {
	k := Key{master: new([keySize]byte)}
	// Since Go 1.24 crypto/rand never returns an error; it ends the process.
	_, _ = rand.Read(k.id[:])
	_, _ = rand.Read(k.master[:])
	return k
}

// ID names the key in key files, errors and reports: eight hex digits.
func (k Key) ID() string { return k.id.String() }

// String gives the id.
func (k Key) String() string { return k.ID() }

// Format implements [fmt.Formatter]: every verb gives the id.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.ID()) }

// derive makes the 32-byte sub-key for one use (RFC 5869, SHA-256, no salt).
func (k Key) derive(use, label string) []byte {
	sub, err := hkdf.Key(sha256.New, k.master[:], nil, "parley/1 "+use+"\x00"+label, keySize)
	if err != nil {
		// Only a length above 255 hashes or a FIPS-only mode with a short
		// key can get here; both are fixed above.
		panic("secret: hkdf: " + err.Error())
	}
	return sub
}
