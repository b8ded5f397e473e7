package rtmkind_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"parley/internal/app/rtmkind"
	"parley/internal/channel"
	"parley/internal/fault"
)

func configured(t *testing.T, settings string) channel.Configured {
	t.Helper()
	settled, err := rtmkind.Kind{}.Settle("website", json.RawMessage(settings), nil)
	if err != nil {
		t.Fatal(err)
	}
	return channel.Configured{ID: settled.ID, Name: "website", Body: settled.Body, Secret: func(id string) (string, error) {
		value, ok := settled.Secrets[id]
		if !ok {
			return "", fault.New(fault.NotFound, "no secret %s", id)
		}
		return value, nil
	}}
}

const secret = "0123456789abcdef0123456789abcdef"

func TestTestToken(t *testing.T) {
	c := configured(t, `{"bot":{"id":"st-1","name":"Desk"},"apps":[{"id":"cs-1","secret":"`+secret+`"}]}`)
	now := time.Now()
	token, err := rtmkind.Kind{}.TestToken(c, "", "ann", now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	if _, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return []byte(secret), nil },
		jwt.WithValidMethods([]string{"HS256"})); err != nil {
		t.Fatal(err)
	}
	if claims["sub"] != "ann" || claims["iss"] != "cs-1" {
		t.Errorf("claims %v", claims)
	}
	if _, err := (rtmkind.Kind{}).TestToken(c, "cs-2", "ann", now, time.Hour); !fault.Is(err, fault.NotFound) {
		t.Errorf("unknown app: %v", err)
	}
}

func TestTestTokenNeedsAnApp(t *testing.T) {
	c := configured(t, `{"bot":{"id":"st-1","name":"Desk"},"apps":[{"id":"cs-1"},{"id":"cs-2"}]}`)
	_, err := rtmkind.Kind{}.TestToken(c, "", "ann", time.Now(), time.Hour)
	if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), "cs-1, cs-2") {
		t.Errorf("error %v", err)
	}
}

func TestGuideAndAdvice(t *testing.T) {
	c := configured(t, `{"bot":{"id":"st-1","name":"Desk"},"apps":[{"id":"cs-1","secret":"short-secret"}]}`)
	var lines []string
	for _, s := range (rtmkind.Kind{}).Guide(c, "https://chat.example.com/") {
		lines = append(lines, s.Label+"="+s.Value)
	}
	want := "base URL=https://chat.example.com bot name=Desk bot id=st-1 client id=cs-1"
	if got := strings.Join(lines, " "); got != want {
		t.Errorf("guide %q, want %q", got, want)
	}
	advice := strings.Join(rtmkind.Kind{}.Advise(c), "\n")
	if !strings.Contains(advice, "12 bytes") || strings.Contains(advice, "short-secret") {
		t.Errorf("advice %q", advice)
	}
}
