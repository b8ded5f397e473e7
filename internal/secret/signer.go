package secret

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"strings"
	"sync"
	"time"

	"parley/internal/fault"
)

const (
	signVersion  = 1
	macSize      = 16 // bytes kept of the HMAC-SHA256
	signedHeader = 1 + idSize + 8
)

var (
	// ErrExpired is returned for a genuine token past its time.
	ErrExpired error = fault.New(fault.Unauthenticated, "the token has expired; get a new one")
	// ErrForged is returned for everything that this installation did not sign
	// for this purpose: damaged, foreign, of a dropped key, of another purpose.
	ErrForged error = fault.New(fault.Unauthenticated, "the token is not valid; get a new one")
)

// tokenEncoding refuses set bits after the last byte, so that one token has
// one spelling.
var tokenEncoding = base64.RawURLEncoding.Strict()

// Signer makes tokens that any node with the same key file can check without
// asking the store. A token is signed, not encrypted: whoever holds it can
// read its payload. It is safe for concurrent use.
//
// A token is the URL-safe base64 (letters, digits, "-", "_") of: version (1
// byte) | key id (4) | expiry in milliseconds since 1970 (8) | payload | MAC
// (16), 39 characters and 4 for every 3 bytes of payload.
type Signer struct {
	keys []*signKey // newest first
}

// signKey keeps keyed HMAC states: preparing one costs as much as using it.
type signKey struct {
	id   keyID
	macs sync.Pool
}

// NewSigner makes a signer with the keys of box. Tokens of all its keys are
// accepted; new ones are signed with the newest.
func NewSigner(box *Box) *Signer {
	s := &Signer{}
	for _, k := range box.keys {
		sub := k.derive("sign", "")
		key := &signKey{id: k.id}
		key.macs.New = func() any { return hmac.New(sha256.New, sub) }
		s.keys = append(s.keys, key)
	}
	return s
}

// Sign returns a token that carries payload until expires (precision:
// milliseconds). The purpose is part of the signature and not of the token;
// a token for one purpose is forged for every other.
func (s *Signer) Sign(purpose string, payload []byte, expires time.Time) string {
	raw := make([]byte, 0, signedHeader+len(payload)+macSize)
	raw = append(raw, signVersion)
	raw = append(raw, s.keys[0].id[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(expires.UnixMilli()))
	raw = append(raw, payload...)
	raw = s.keys[0].mac(raw, purpose, raw)
	return tokenEncoding.EncodeToString(raw)
}

// Open returns the payload of a token that was signed for purpose and is valid
// at now. The error is [ErrExpired] or [ErrForged]; with the first the payload
// is returned too, since it is genuine and tells whose token ran out. It
// allocates in proportion to the token, so bound the token's length where it
// comes in.
func (s *Signer) Open(purpose, token string, now time.Time) ([]byte, error) {
	// The decoder skips line breaks, strict or not.
	if strings.ContainsAny(token, "\r\n") {
		return nil, ErrForged
	}
	raw, err := tokenEncoding.DecodeString(token)
	if err != nil || len(raw) < signedHeader+macSize || raw[0] != signVersion {
		return nil, ErrForged
	}
	key := s.find(keyID(raw[1 : 1+idSize]))
	if key == nil {
		return nil, ErrForged
	}
	signed, presented := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	var sum [macSize]byte
	if !hmac.Equal(key.mac(sum[:0], purpose, signed), presented) {
		return nil, ErrForged
	}
	expires := int64(binary.BigEndian.Uint64(signed[1+idSize : signedHeader]))
	if now.UnixMilli() >= expires {
		return signed[signedHeader:], ErrExpired
	}
	return signed[signedHeader:], nil
}

func (s *Signer) find(id keyID) *signKey {
	for _, k := range s.keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

// mac appends the MAC of purpose and signed to dst. The length of the purpose
// goes in first, so that no byte can move from one to the other.
func (k *signKey) mac(dst []byte, purpose string, signed []byte) []byte {
	m := k.macs.Get().(hash.Hash)
	defer k.macs.Put(m)
	m.Reset()
	var buf [8 + 64]byte
	head := binary.BigEndian.AppendUint64(buf[:0], uint64(len(purpose)))
	m.Write(append(head, purpose...))
	m.Write(signed)
	var sum [sha256.Size]byte
	return append(dst, m.Sum(sum[:0])[:macSize]...)
}
