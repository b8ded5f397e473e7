package rtm

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// parsePublicKey reads an RSA public key or a certificate in PEM.
func parsePublicKey(pem string) (*rsa.PublicKey, error) {
	if strings.Contains(pem, "PRIVATE KEY") {
		return nil, errors.New("is a private key; it stays with the service that signs: give its public key")
	}
	key, err := jwt.ParseRSAPublicKeyFromPEM([]byte(pem))
	if err != nil {
		return nil, fmt.Errorf("is not an RSA public key in PEM (-----BEGIN PUBLIC KEY-----)")
	}
	return key, nil
}

// Hints returns what an owner should know about settings that work but are
// weak, each a sentence that says what to do. secret opens a sealed value by
// id; an app whose secret cannot be opened is reported too.
func Hints(body []byte, secret func(id string) (string, error)) []string {
	b, err := ParseBody(body)
	if err != nil {
		return []string{"the stored settings cannot be read; apply them again"}
	}
	var hints []string
	for _, a := range b.Apps {
		hints = append(hints, appHints(b.Bot.ID, a, secret)...)
	}
	return hints
}

func appHints(bot string, a AppBody, secret func(id string) (string, error)) []string {
	var hints []string
	if hasHMAC(a.Algorithms) {
		value, err := secret(SecretID(bot, a.ID))
		switch {
		case err != nil || value == "":
			hints = append(hints, fmt.Sprintf("app %s: its secret cannot be opened; apply it again", a.ID))
		case len(value) < 32:
			hints = append(hints, fmt.Sprintf("app %s: its secret has %d bytes, and HS256 wants 32 or more; take it out of the settings under a new app to have one made", a.ID, len(value)))
		}
	}
	if a.PublicKey != "" {
		if key, err := parsePublicKey(a.PublicKey); err == nil && key.N.BitLen() < 2048 {
			hints = append(hints, fmt.Sprintf("app %s: its public key has %d bits; use 2048 or more", a.ID, key.N.BitLen()))
		}
	}
	if len(a.Origins) == 0 {
		hints = append(hints, fmt.Sprintf("app %s: any web page may open its sockets; list origins to bind it to yours", a.ID))
	}
	return hints
}
