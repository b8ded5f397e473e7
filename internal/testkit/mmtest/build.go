package mmtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"parley/internal/testkit/wait"
)

const (
	// serverModule is the module whose version test/mattermost/go.mod pins.
	serverModule = "github.com/mattermost/mattermost/server/v8"
	// moduleFolder holds that go.mod, below the root of the checkout.
	moduleFolder = "test/mattermost"
	programName  = "mattermost"
)

// beside are the folders that the server reads at run time. Without them it
// looks into the module cache it was built from, which may be gone by then.
var beside = [...]string{"i18n", "templates", "fonts"}

// buildArgs are the flags of every build, wherever it is started from, so that
// the result depends on nothing but what the folder's name says.
var buildArgs = [...]string{"build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}

// Build returns the folder that holds the Mattermost server's program and the
// folders it reads. It builds them unless that was done before: that takes two
// to five minutes, about 2 GB of disk for Go's caches and 1.1 GB of memory, and
// downloads modules from Go's module mirror and nothing else.
//
// The folder is kept in the user's cache, below parley-test, under a name made
// of the module files and the Go version. When several processes need it at
// once, one builds and the others wait for it or for ctx. `make mattermost`
// calls Build before any test's time limit runs.
func Build(ctx context.Context) (string, error) {
	module, err := findModule()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder to keep the Mattermost server in: %w", err)
	}
	r := recipe{module: module, cache: filepath.Join(cache, "parley-test"), goTool: "go", say: os.Stderr}
	return r.build(ctx)
}

// findModule looks for test/mattermost in the folders above the working
// folder, which for a test is the folder of its package.
func findModule() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		module := filepath.Join(dir, moduleFolder)
		if _, err := os.Stat(filepath.Join(module, "go.mod")); err == nil {
			return module, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no %s/go.mod in a folder above %s: run inside the checkout", moduleFolder, start)
		}
	}
}

// recipe says from what, with what and into what the server is built.
type recipe struct {
	module string
	cache  string
	goTool string
	say    io.Writer
}

func (r recipe) build(ctx context.Context) (string, error) {
	dir, err := r.folder()
	if err != nil {
		return "", err
	}
	if complete(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(r.cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if complete(dir) { // another process was quicker
		return dir, nil
	}
	fmt.Fprintln(r.say, "building the Mattermost server for the tests, once: two to five minutes")
	if err := r.make(ctx, dir); err != nil {
		return "", fmt.Errorf("cannot build the Mattermost server that tests need: %w\n"+
			"It is built from %s with modules of Go's module mirror (GOPROXY); "+
			"once `make mattermost` has worked, no network is needed", err, r.module)
	}
	return dir, nil
}

// folder names the result after everything that it depends on.
func (r recipe) folder() (string, error) {
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(r.module, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s\n", name, len(text), text)
	}
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, buildArgs, beside)
	return filepath.Join(r.cache, fmt.Sprintf("%s-%x", programName, sum.Sum(nil)[:8])), nil
}

// complete needs to look for the program only: the folder appears whole.
func complete(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, programName))
	return err == nil
}

// make builds beside the final place and renames at the end, so that a build
// that was killed leaves nothing that looks finished.
func (r recipe) make(ctx context.Context, dir string) error {
	fresh := dir + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.RemoveAll(dir)); err != nil {
		return err
	}
	defer os.RemoveAll(fresh) // it is gone when all went well
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return err
	}
	args := append(buildArgs[:len(buildArgs):len(buildArgs)], "-o", filepath.Join(fresh, programName), serverModule+"/cmd/mattermost")
	if _, err := r.run(ctx, args...); err != nil {
		return err
	}
	source, err := r.run(ctx, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", serverModule)
	if err != nil {
		return err
	}
	for _, name := range beside {
		if err := copyTree(filepath.Join(fresh, name), filepath.Join(source, name)); err != nil {
			return err
		}
	}
	return os.Rename(fresh, dir)
}

// run runs the go command in the module and returns what it printed; when it
// fails, the end of what it complained about is in the error.
func (r recipe) run(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, r.goTool, args...)
	cmd.Dir = r.module
	// The caller may run under a workspace or with the race detector on.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A compiler that outlives the go command must not hold us up.
	cmd.WaitDelay = waitAfterKill
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, tail(stderr.Bytes()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// copyTree copies regular files and folders. Files in the module cache are
// read-only; the copies can be deleted like any file.
func copyTree(to, from string) error {
	root := os.DirFS(from)
	if err := os.CopyFS(to, root); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return filepath.WalkDir(to, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
}

// lock takes the lock that path stands for, against other processes and against
// other callers in this one, and waits for it until ctx ends. The kernel gives
// it back when a process dies, so a file left behind means nothing.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = wait.Poll(ctx, func() error {
		return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	})
	if err != nil {
		err = fmt.Errorf("another process is building the Mattermost server (lock %s): %w", path, err)
		return nil, errors.Join(err, file.Close())
	}
	return func() { file.Close() }, nil // closing unlocks
}

// tail returns the end of a log, for an error message.
func tail(text []byte) []byte {
	const most = 4 << 10
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return text
}
