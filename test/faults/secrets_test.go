package faults

import (
	"regexp"
	"strings"
	"testing"

	"parley/internal/testkit/crowd"
	"parley/internal/testkit/program"
)

var jwtForm = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`)

// keepsSecrets searches everything a server has logged for secrets.
func keepsSecrets(t *testing.T, server *program.Server, app crowd.App, tokens ...string) {
	t.Helper()
	log := server.Logs()
	for _, secret := range append(tokens, app.Secret) {
		if secret != "" && strings.Contains(log, secret) {
			t.Errorf("the log holds a secret that begins with %.6q", secret)
		}
	}
	if found := jwtForm.FindString(log); found != "" {
		t.Errorf("the log holds a JWT that begins with %.12q", found)
	}
	if strings.Contains(log, "sid=") {
		t.Error("the log holds a sid")
	}
}
