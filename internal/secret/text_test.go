package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"parley/internal/fault"
	"parley/internal/secret"
)

const plain = "hunter2-s3cr3t"

type account struct {
	Name   string
	Token  secret.Text `json:"token" yaml:"token"`
	hidden secret.Text
}

func newAccount() account {
	return account{Name: "web", Token: secret.NewText(plain), hidden: secret.NewText(plain)}
}

func TestTextNeverPrintsItself(t *testing.T) {
	text := secret.NewText(plain)
	prints := map[string]string{
		"error":     fmt.Errorf("login with %v: %w", text, errors.New("refused")).Error(),
		"stringer":  text.String(),
		"gostring":  text.GoString(),
		"println":   fmt.Sprintln(text, &text, []secret.Text{text}, map[string]secret.Text{"k": text}),
		"json":      encode(t, func(v any) ([]byte, error) { return json.Marshal(v) }),
		"yaml":      encode(t, func(v any) ([]byte, error) { return yaml.Marshal(v) }),
		"slog text": logged(t, func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) }),
		"slog json": logged(t, func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) }),
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "% x", "%10s"} {
		prints[verb] = fmt.Sprintf(verb, text)
	}
	for how, got := range prints {
		if strings.Contains(got, plain) || strings.Contains(got, fmt.Sprintf("%x", plain)) {
			t.Errorf("%s leaks: %s", how, got)
		}
		if !strings.Contains(got, secret.Redacted) {
			t.Errorf("%s does not say that something was redacted: %s", how, got)
		}
	}
	if text.Reveal() != plain {
		t.Errorf("Reveal = %q", text.Reveal())
	}
}

// A field that fmt may not call methods on is where a string type would leak.
func TestTextInUnexportedField(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		a := newAccount()
		for _, value := range []any{a, &a, []account{a}} {
			got := fmt.Sprintf(verb, value)
			if strings.Contains(got, plain) || strings.Contains(got, fmt.Sprintf("%x", plain)) {
				t.Errorf("%s of %T leaks: %s", verb, value, got)
			}
		}
	}
}

func encode(t *testing.T, marshal func(any) ([]byte, error)) string {
	t.Helper()
	text, err := marshal([]any{newAccount(), map[string]secret.Text{"k": secret.NewText(plain)}, secret.NewText(plain)})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func logged(t *testing.T, handler func(*bytes.Buffer) slog.Handler) string {
	t.Helper()
	var out bytes.Buffer
	slog.New(handler(&out)).Info("hello", "token", secret.NewText(plain), "account", newAccount(),
		slog.Group("g", "deep", secret.NewText(plain)))
	return out.String()
}

func TestTextDecodes(t *testing.T) {
	var fromJSON, fromYAML account
	if err := json.Unmarshal([]byte(`{"token":"`+plain+`"}`), &fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte("token: "+plain), &fromYAML); err != nil {
		t.Fatal(err)
	}
	if !fromJSON.Token.Matches(plain) || !fromYAML.Token.Equal(fromJSON.Token) {
		t.Errorf("decoded %q and %q", fromJSON.Token.Reveal(), fromYAML.Token.Reveal())
	}
	if !reflect.DeepEqual(fromJSON, fromYAML) {
		t.Error("equal secrets are not deeply equal")
	}
	err := json.Unmarshal([]byte(`{"token":"[redacted]"}`), &fromJSON)
	if !fault.Is(err, fault.Invalid) || !fromJSON.Token.Matches(plain) {
		t.Errorf("the marker was taken for a secret: %v", err)
	}
}

func TestZeroText(t *testing.T) {
	var zero secret.Text
	if !zero.IsZero() || !secret.NewText("").IsZero() || secret.NewText("x").IsZero() {
		t.Error("IsZero is wrong")
	}
	if got := fmt.Sprintf("%v|%s", zero, zero); got != "|" {
		t.Errorf("the zero value prints %q", got)
	}
	if zero.Matches("x") || !zero.Matches("") || zero.Reveal() != "" {
		t.Error("the zero value is not the empty secret")
	}
	var back secret.Text
	text, _ := json.Marshal(zero)
	if err := json.Unmarshal(text, &back); err != nil || !back.IsZero() {
		t.Errorf("the zero value does not survive JSON: %v", err)
	}
}

func TestTokenHash(t *testing.T) {
	token, other := secret.NewToken().Reveal(), secret.NewToken().Reveal()
	if token == other || len(token) < 52 {
		t.Fatalf("tokens %q and %q", token, other)
	}
	hash := secret.HashToken(token)
	if !secret.MatchesHash(token, hash) {
		t.Error("a token does not match its hash")
	}
	for name, wrong := range map[string][]byte{"other": secret.HashToken(other), "empty": {}, "nil": nil, "cut": hash[:16]} {
		if secret.MatchesHash(token, wrong) {
			t.Errorf("a token matches the hash %s", name)
		}
	}
}
