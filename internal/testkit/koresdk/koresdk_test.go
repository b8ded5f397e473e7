package koresdk

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBundleIsTheSDK(t *testing.T) {
	script := Bundle(t)
	if len(script) < 1<<20 || !bytes.Contains(script, []byte("chatWindow")) {
		t.Errorf("%d bytes without the word chatWindow, want the SDK's chat window", len(script))
	}
}

func TestVersionIsTheOneThatSetupFetches(t *testing.T) {
	script, err := os.ReadFile("../../../scripts/kore-sdk")
	if err != nil {
		t.Fatal(err)
	}
	if want := "\nversion=" + Version + "\n"; !strings.Contains(string(script), want) {
		t.Errorf("scripts/kore-sdk does not say %q", want)
	}
}

func TestModuleRoot(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, ok := moduleRoot(deep); ok && strings.HasPrefix(got, root) {
		t.Errorf("moduleRoot without go.mod = %s", got)
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, ok := moduleRoot(deep); !ok || got != root {
		t.Errorf("moduleRoot = %s, %v, want %s", got, ok, root)
	}
}
