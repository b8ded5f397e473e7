package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"strings"

	"parley/internal/fault"
)

const (
	sealVersion = 1
	headerSize  = 1 + idSize // version byte, key id
	canaryRow   = "canary"
	canaryText  = "parley data folder"
)

// Overhead is how many bytes a sealed value is longer than the plain one:
// version, key id, nonce (12) and tag (16).
const Overhead = headerSize + 12 + 16

var (
	// ErrUnknownKey is wrapped by errors about a value whose key is not in the
	// key file.
	ErrUnknownKey = errors.New("sealed with a key that is not in the key file")
	// ErrDamaged is wrapped by errors about a value that was changed, cut off
	// or moved to another row.
	ErrDamaged = errors.New("sealed value does not authenticate")
)

// Box seals values for storage and opens them, with AES-256-GCM under the
// newest of its keys. It is immutable and safe for concurrent use.
//
// A sealed value is: version (1 byte) | key id (4) | nonce (12) | ciphertext
// and tag. Version, key id and the caller's row id are authenticated with it,
// so that a value cannot be moved to another row. With random nonces one key
// is good for 2^32 values.
type Box struct {
	keys []boxKey // newest first
}

type boxKey struct {
	Key
	aead cipher.AEAD
}

// NewBox makes a box from keys, the newest first. It needs at least one key,
// and no id twice.
func NewBox(keys ...Key) (*Box, error) {
	if len(keys) == 0 {
		return nil, fault.New(fault.Invalid, "a box needs at least one key")
	}
	b := &Box{keys: make([]boxKey, 0, len(keys))}
	for _, k := range keys {
		if k.master == nil {
			return nil, fault.New(fault.Invalid, "key %s is empty", k.ID())
		}
		if _, twice := b.find(k.id); twice {
			return nil, fault.New(fault.Invalid, "key %s is there twice", k.ID())
		}
		block, err := aes.NewCipher(k.derive("seal", ""))
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		b.keys = append(b.keys, boxKey{Key: k, aead: aead})
	}
	return b, nil
}

func (b *Box) find(id keyID) (boxKey, bool) {
	for _, k := range b.keys {
		if k.id == id {
			return k, true
		}
	}
	return boxKey{}, false
}

// Seal encrypts plain for the row called row, which names table and key (for
// example "app/cs-1"); [Box.Open] needs the same name.
func (b *Box) Seal(row string, plain []byte) []byte {
	k := b.keys[0]
	sealed := make([]byte, headerSize, len(plain)+Overhead)
	sealed[0] = sealVersion
	copy(sealed[1:], k.id[:])
	return k.aead.Seal(sealed, nil, plain, additional(sealed, row))
}

// Open decrypts what [Box.Seal] made for the same row. Its errors wrap
// [ErrUnknownKey] (fault kind Unavailable: the right key file mends it) or
// [ErrDamaged] (kind Internal).
func (b *Box) Open(row string, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != sealVersion {
		return nil, fault.Wrap(ErrDamaged, fault.Internal, "the sealed value of %s is cut off or of an unknown version", row)
	}
	id := keyID(sealed[1:headerSize])
	k, ok := b.find(id)
	if !ok {
		return nil, fault.Wrap(ErrUnknownKey, fault.Unavailable,
			"%s is sealed with key %s, but the key file holds %s; put that key back into the key file", row, id, b.ids())
	}
	plain, err := k.aead.Open(nil, nil, sealed[headerSize:], additional(sealed, row))
	if err != nil {
		return nil, fault.Wrap(ErrDamaged, fault.Internal, "the sealed value of %s was changed, or belongs to another row", row)
	}
	return plain, nil
}

// additional is the data authenticated beside the ciphertext.
func additional(sealed []byte, row string) []byte {
	return append(append(make([]byte, 0, headerSize+len(row)), sealed[:headerSize]...), row...)
}

// Stale reports whether a sealed value should be opened and sealed again: it
// was not made with the newest key.
func (b *Box) Stale(sealed []byte) bool {
	return len(sealed) < headerSize || sealed[0] != sealVersion || keyID(sealed[1:headerSize]) != b.keys[0].id
}

// KeyIDs lists the ids of the keys, newest first.
func (b *Box) KeyIDs() []string {
	ids := make([]string, len(b.keys))
	for i, k := range b.keys {
		ids[i] = k.ID()
	}
	return ids
}

func (b *Box) ids() string { return strings.Join(b.KeyIDs(), ", ") }

// SealCanary makes the value that is stored once per data folder so that a
// wrong key file is noticed at start, before anything is sealed with it.
func (b *Box) SealCanary() []byte { return b.Seal(canaryRow, []byte(canaryText)) }

// OpenCanary checks the stored canary. The fault (kind Conflict) says that the
// key file does not belong to the data folder, and which key is missing.
func (b *Box) OpenCanary(canary []byte) error {
	plain, err := b.Open(canaryRow, canary)
	switch {
	case err == nil && string(plain) == canaryText:
		return nil
	case errors.Is(err, ErrUnknownKey):
		return fault.Wrap(err, fault.Conflict,
			"the key file does not belong to this data folder: it holds %s, the data was sealed with key %s; put back the key file that was made with this data",
			b.ids(), keyID(canary[1:headerSize]))
	default:
		return fault.Wrap(err, fault.Conflict,
			"the key file does not belong to this data folder: its key %s has the right name but not the right content, or the stored check value is damaged; put back the key file that was made with this data",
			b.ids())
	}
}

// Derive gives a 32-byte key for the use called label, from the newest key.
func (b *Box) Derive(label string) []byte { return b.keys[0].derive("derive", label) }

// DeriveAll gives the keys for label from every master key, the newest first:
// make with the first, check against all, and what was made before a rotation
// stays valid.
func (b *Box) DeriveAll(label string) [][]byte {
	all := make([][]byte, len(b.keys))
	for i, k := range b.keys {
		all[i] = k.derive("derive", label)
	}
	return all
}
