package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"parley/internal/telemetry"
)

type failing struct{}

func (failing) MarshalText() ([]byte, error) { return nil, errors.New("no hunter2") }

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestLoggerKeepsShape(t *testing.T) {
	var out bytes.Buffer
	logger := telemetry.NewLogger(&out, slog.LevelInfo, telemetry.FormatJSON, blank)
	logger.Info("m", "n", 7, "ok", true, "took", time.Second, "list", []string{"a", "hunter2"}, "nil", nil,
		"token", 12345, slog.Group("token", "deep", 1), slog.Group("g", "token", true))
	var record map[string]any
	if err := json.Unmarshal(out.Bytes(), &record); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if record["n"] != 7.0 || record["ok"] != true || record["nil"] != nil || record["level"] != "INFO" {
		t.Errorf("lost its types: %s", out.String())
	}
	if list, ok := record["list"].([]any); !ok || list[0] != "a" || list[1] != "[redacted]" {
		t.Errorf("the list became %v", record["list"])
	}
	if strings.Contains(out.String(), "12345") || strings.Contains(out.String(), `"deep":1`) || strings.Contains(out.String(), `"token":true`) {
		t.Errorf("a telling name was overlooked: %s", out.String())
	}
}

func TestLoggerSurvivesBadValues(t *testing.T) {
	for _, format := range []string{telemetry.FormatText, telemetry.FormatJSON, "unheard of"} {
		var out bytes.Buffer
		logger := telemetry.NewLogger(&out, slog.LevelInfo, format, blank)
		var missing *nilError
		logger.Info("m", "err", error(missing), "fails", failing{}, "channel", make(chan int), "after", "seen")
		if got := out.String(); strings.Contains(got, "hunter2") || !strings.Contains(got, "seen") || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: %s", format, got)
		}
	}
}

// A level that changes while the program runs takes effect.
func TestLoggerFollowsItsLevel(t *testing.T) {
	var out bytes.Buffer
	var level slog.LevelVar
	logger := telemetry.NewLogger(&out, &level, telemetry.FormatText, blank)
	logger.Debug("before")
	level.Set(slog.LevelDebug)
	logger.Debug("after")
	if got := out.String(); strings.Contains(got, "before") || !strings.Contains(got, "after") {
		t.Errorf("logged %s", got)
	}
}
