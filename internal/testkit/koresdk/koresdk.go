// Package koresdk finds the Kore.ai web SDK that `make setup` fetches, for tests
// that point a real client at Parley. The SDK is not part of Parley.
package koresdk

import (
	"os"
	"path/filepath"
	"testing"
)

// Version is the release that scripts/kore-sdk pins.
const Version = "10.1.12"

const bundle = "build/kore-sdk/kore-web-sdk-umd-chat.min.js"

// Bundle returns the SDK's script for a page (the UMD build of its chat
// window), and fails the test when it was not fetched.
func Bundle(t testing.TB) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root, ok := moduleRoot(dir)
	if !ok {
		t.Fatalf("no go.mod above %s", dir)
	}
	script, err := os.ReadFile(filepath.Join(root, bundle))
	if err != nil {
		t.Fatalf("the Kore.ai web SDK %s: %v; run: make setup", Version, err)
	}
	return script
}

// moduleRoot returns the nearest folder at or above dir that holds a go.mod.
func moduleRoot(dir string) (string, bool) {
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}
