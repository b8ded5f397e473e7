package rtm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// claims are what Parley reads of a client's JWT, in every form customers'
// services were seen to write. They are checked by [verifier.check], not by the
// library, because the reasons go to the client.
type claims struct {
	Issuer     string     `json:"iss"`
	KoreIssuer string     `json:"kore_iss"`
	Subject    stringish  `json:"sub"`
	KoreSub    stringish  `json:"kore_sub"`
	ID         stringish  `json:"jti"`
	KoreID     stringish  `json:"kore_jti"`
	IssuedAt   numberDate `json:"iat"`
	Expires    numberDate `json:"exp"`
	NotBefore  numberDate `json:"nbf"`
	Anonymous  loose      `json:"isAnonymous"`
	Name       ifText     `json:"name"`
	FirstName  ifText     `json:"fName"`
	LastName   ifText     `json:"lName"`
}

var _ jwt.Claims = (*claims)(nil)

// app is the client id; a kore_ claim wins where it is present.
func (c *claims) app() string {
	if c.KoreIssuer != "" {
		return c.KoreIssuer
	}
	return c.Issuer
}

func (c *claims) subject() string {
	if c.KoreSub != "" {
		return string(c.KoreSub)
	}
	return string(c.Subject)
}

func (c *claims) id() string {
	if c.KoreID != "" {
		return string(c.KoreID)
	}
	return string(c.ID)
}

func (c *claims) displayName() string {
	name := string(c.Name)
	if name == "" {
		name = strings.TrimSpace(string(c.FirstName + " " + c.LastName))
	}
	return cutRunes(cleanText(name), maxName)
}

// GetExpirationTime implements [jwt.Claims].
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.Expires.date(), nil }

// GetIssuedAt implements [jwt.Claims].
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.IssuedAt.date(), nil }

// GetNotBefore implements [jwt.Claims].
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return c.NotBefore.date(), nil }

// GetIssuer implements [jwt.Claims].
func (c *claims) GetIssuer() (string, error) { return c.app(), nil }

// GetSubject implements [jwt.Claims].
func (c *claims) GetSubject() (string, error) { return c.subject(), nil }

// GetAudience implements [jwt.Claims]. The audience is not read: clients ask
// their JWT service for "https://idproxy.kore.com/authorize", for "" (W10) or
// for none, and the signature already binds the token to one app.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return nil, nil }

// numberDate is a point in time as JWT services write it: seconds, seconds
// with a fraction, milliseconds (the vendor's sample service), or any of them
// in a string. The zero value means absent.
type numberDate struct{ time.Time }

// millisecondsAbove separates seconds from milliseconds: as seconds it is the
// year 5138.
const millisecondsAbove = 1e11

// UnmarshalJSON implements [json.Unmarshaler].
func (d *numberDate) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "null" || text == "" {
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 || v > 1e15 {
		return errors.New("a time is not a number of seconds")
	}
	if v > millisecondsAbove {
		v /= 1000
	}
	whole, fraction := math.Modf(v)
	d.Time = time.Unix(int64(whole), int64(fraction*1e9))
	return nil
}

func (d numberDate) date() *jwt.NumericDate {
	if d.IsZero() {
		return nil
	}
	return jwt.NewNumericDate(d.Time)
}

// stringish is a string that some services write as a number.
type stringish string

// UnmarshalJSON implements [json.Unmarshaler].
func (s *stringish) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*s = stringish(text)
		return nil
	}
	var number json.Number
	if err := json.Unmarshal(b, &number); err != nil {
		return fmt.Errorf("is neither text nor a number: %w", err)
	}
	*s = stringish(number)
	return nil
}

// ifText is a string nothing depends on: any other form counts as none.
type ifText string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *ifText) UnmarshalJSON(b []byte) error {
	if b[0] != '"' {
		return nil
	}
	if bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b) {
		*t = ifText(b[1 : len(b)-1]) // nothing to unescape
		return nil
	}
	var text string
	if json.Unmarshal(b, &text) == nil {
		*t = ifText(text)
	}
	return nil
}

// loose is a boolean in the forms seen: true, "true", 1, "1".
type loose bool

// UnmarshalJSON implements [json.Unmarshaler]. What it does not know is false.
func (l *loose) UnmarshalJSON(b []byte) error {
	switch strings.ToLower(strings.Trim(string(b), `"`)) {
	case "true", "1":
		*l = true
	default:
		*l = false
	}
	return nil
}
