package mmtest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fakeGo stands in for the go command: it notes each call, and "builds" a file
// from what is in the folder "source" beside it.
const fakeGo = `#!/bin/sh
here=$(dirname "$0")
echo "$1 GOFLAGS=$GOFLAGS CGO_ENABLED=$CGO_ENABLED GOWORK=$GOWORK" >>"$here/calls"
if [ -e "$here/broken" ]; then echo "no module mirror" >&2; exit 1; fi
case $1 in
build) for out; do [ "$last" = -o ] && echo built >"$out"; last=$out; done ;;
list) echo "$here/source" ;;
esac
`

func fakeRecipe(t *testing.T) (r recipe, tool string) {
	t.Helper()
	tool = t.TempDir()
	for name, text := range map[string]string{
		"source/i18n/en.json": "{}", "source/templates/mail.html": "<p>", "source/fonts/a.ttf": "f",
		"module/go.mod": "module e2e", "module/go.sum": "sums", "go": fakeGo,
	} {
		path := filepath.Join(tool, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o444) // as in the module cache
		if name == "go" {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	var say strings.Builder
	return recipe{
		module: filepath.Join(tool, "module"), cache: filepath.Join(t.TempDir(), "cache"),
		goTool: filepath.Join(tool, "go"), say: &say,
	}, tool
}

func calls(t *testing.T, tool string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tool, "calls"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func TestBuildMakesAWholeFolder(t *testing.T) {
	t.Setenv("GOFLAGS", "-race")
	t.Setenv("CGO_ENABLED", "1")
	r, tool := fakeRecipe(t)
	dir, err := r.build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mattermost", "i18n/en.json", "templates/mail.html", "fonts/a.ttf"} {
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
			continue
		}
		file.Close()
	}
	for _, call := range calls(t, tool) {
		if !strings.HasSuffix(call, " GOFLAGS= CGO_ENABLED=0 GOWORK=off") {
			t.Errorf("go was called with %q, want the caller's settings gone", call)
		}
	}
	left, err := filepath.Glob(filepath.Join(r.cache, "*.new"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestBuildHappensOnce(t *testing.T) {
	r, tool := fakeRecipe(t)
	r.say = io.Discard // shared by the goroutines
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := r.build(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := calls(t, tool); len(got) != 2 {
		t.Errorf("go was called %d times: %q, want one build and one list", len(got), got)
	}
}

func TestBuildDependsOnTheModuleFiles(t *testing.T) {
	r, _ := fakeRecipe(t)
	seen := map[string]bool{}
	for _, change := range [][2]string{{"go.mod", "module e2e"}, {"go.mod", "module f"}, {"go.sum", "more"}} {
		path := filepath.Join(r.module, change[0])
		if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, []byte(change[1]), 0o644)); err != nil {
			t.Fatal(err)
		}
		dir, err := r.folder()
		if err != nil {
			t.Fatal(err)
		}
		if seen[dir] {
			t.Errorf("%s again after a change of %s", dir, change[0])
		}
		seen[dir] = true
	}
}

func TestBuildRecoversFromAFailure(t *testing.T) {
	r, tool := fakeRecipe(t)
	broken := filepath.Join(tool, "broken")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := r.build(t.Context())
	for _, want := range []string{"no module mirror", "make mattermost", r.module} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	dir, err := r.folder()
	if err != nil {
		t.Fatal(err)
	}
	// What a build that was killed may leave: never taken for a result.
	if err := errors.Join(os.Remove(broken), os.MkdirAll(filepath.Join(dir, "i18n"), 0o755),
		os.MkdirAll(filepath.Join(dir+".new", "i18n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if got, err := r.build(t.Context()); err != nil || got != dir || !complete(dir) {
		t.Errorf("the next build gave %s, %v", got, err)
	}
}

func TestBuildWithoutGo(t *testing.T) {
	r, _ := fakeRecipe(t)
	r.goTool = filepath.Join(t.TempDir(), "go")
	if _, err := r.build(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want the missing go command", err)
	}
}

func TestBuildWaitsNoLongerThanItsContext(t *testing.T) {
	r, _ := fakeRecipe(t)
	dir, err := r.folder()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(r.cache, 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock(t.Context(), dir+".lock")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.build(ctx); !errors.Is(err, syscall.EWOULDBLOCK) || !strings.Contains(err.Error(), "another process is building") {
		t.Errorf("error %v, want it to name the other builder", err)
	}
	unlock()
	if _, err := r.build(t.Context()); err != nil {
		t.Errorf("after the other is done: %v", err)
	}
}

func TestFindModuleOutsideTheCheckout(t *testing.T) {
	if dir, err := findModule(); err != nil || filepath.Base(dir) != "mattermost" {
		t.Errorf("findModule = %s, %v", dir, err)
	}
	t.Chdir(t.TempDir())
	if dir, err := findModule(); err == nil {
		t.Errorf("findModule outside the checkout = %s", dir)
	}
}

func TestMergeKeepsWhatIsNotNamed(t *testing.T) {
	config := initialConfig()
	patch := map[string]any{
		"ServiceSettings": map[string]any{"EnableLinkPreviews": true},
		"FileSettings":    map[string]any{"MaxFileSize": 1000},
	}
	merge(config, patch)
	service := config["ServiceSettings"].(map[string]any)
	if service["EnableLinkPreviews"] != true || service["EnableBotAccountCreation"] != true {
		t.Errorf("service settings %v", service)
	}
	config["FileSettings"].(map[string]any)["MaxFileSize"] = 0
	if patch["FileSettings"].(map[string]any)["MaxFileSize"] != 1000 {
		t.Error("the caller's map is shared")
	}
}
