package fault_test

import (
	"strings"
	"testing"

	"parley/internal/fault"
)

func TestNearest(t *testing.T) {
	known := []string{"listen", "data", "public_url", "log.level", "id"}
	for given, want := range map[string]string{
		"lisen": "listen", "lsiten": "listen", "LISTEN": "listen", "publicurl": "public_url", "log.levle": "log.level",
		"date": "data", "ix": "id", "xy": "", "": "", "colour": "", strings.Repeat("x", 1<<20): "",
	} {
		if got := fault.Nearest(given, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", given, got, want)
		}
	}
	if got := fault.Nearest("x", nil); got != "" {
		t.Errorf("without names: %q", got)
	}
}
