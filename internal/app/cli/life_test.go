package cli

import (
	"testing"
	"time"
)

func TestLife(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "1m": time.Minute, "12h": 12 * time.Hour, "90d": 90 * 24 * time.Hour, "4w": 28 * 24 * time.Hour, "3650d": 3650 * 24 * time.Hour,
	} {
		if got, err := lifeOf(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"d", "0d", "-1d", "90", "90 d", "1.5h", "3651d", "9999999999999999999w", "1y", "90d "} {
		if got, err := lifeOf(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzLife(f *testing.F) {
	f.Add("90d")
	f.Fuzz(func(t *testing.T, text string) {
		life, err := lifeOf(text)
		if err == nil && (life < 0 || life > 3650*24*time.Hour || life == 0 && text != "") {
			t.Errorf("%q: %v", text, life)
		}
	})
}
