// Package layers keeps the import rules of CONTRIBUTING.md by a test: which
// package may import which, test kits in tests only, a comment on every
// package. It has no code of its own.
package layers

import (
	"errors"
	"go/build"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

func TestImports(t *testing.T) {
	packages := load(t)
	if len(packages) < 3 {
		t.Fatalf("found %d packages below %s; the test looks in the wrong place", len(packages), root)
	}
	for _, p := range packages {
		for _, v := range violations(p) {
			t.Error(v)
		}
	}
}

// load reads the packages of the module. It does so in this process, not by
// running `go list`, because go test caches a result for as long as the files
// that the test itself opened are unchanged.
func load(t *testing.T) []pkg {
	t.Helper()
	var packages []pkg
	err := filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			return nil
		}
		if dir != root && foreign(dir) {
			return fs.SkipDir
		}
		found, err := build.ImportDir(dir, 0)
		if none := new(build.NoGoError); errors.As(err, &none) {
			return nil
		}
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		packages = append(packages, pkg{
			path:      path.Join(module, filepath.ToSlash(below)),
			doc:       found.Doc,
			imports:   found.Imports,
			onlyTests: len(found.GoFiles)+len(found.CgoFiles) == 0,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// foreign reports whether a folder holds no packages of this module: the go
// command's own rules, and what the Makefile makes.
func foreign(dir string) bool {
	name := filepath.Base(dir)
	switch {
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "_"), name == "testdata", name == "node_modules":
		return true
	case filepath.Dir(dir) == root && (name == "bin" || name == "build" || name == "parley-data"):
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func TestRules(t *testing.T) {
	for _, test := range []struct {
		from, to string
		want     string // part of the reason, empty for allowed
	}{
		{"internal/chat", "strings", ""},
		{"internal/chat", "golang.org/x/text", "standard library only"},
		{"internal/chat", "parley/internal/fault", "standard library only"},
		{"internal/chat", "parley/internal/store", "standard library only"},
		{"internal/guard", "golang.org/x/text", ""},
		{"internal/guard", "parley/internal/chat", ""},
		{"internal/guard", "parley/internal/telemetry", "no sibling"},
		{"internal/guard/corpus", "parley/internal/guard", ""},
		{"internal/mattermost", "parley/internal/safehttp", ""},
		{"internal/mattermost", "parley/internal/socket", ""},
		{"internal/mattermost", "parley/internal/secret", "no sibling"},
		{"internal/store", "parley/internal/guard", ""},
		{"internal/store", "parley/internal/bus", "no sibling"},
		{"internal/store", "parley/internal/store/sqlstore", "lower layers only"},
		{"internal/conversation", "parley/internal/store", ""},
		{"internal/conversation", "parley/internal/delivery", "no sibling"},
		{"internal/conversation", "parley/internal/store/sqlite", "lower layers only"},
		{"internal/conversation", "parley/internal/app", "lower layers only"},
		{"internal/channel/rtm", "parley/internal/channel", ""},
		{"internal/channel/rtm", "parley/internal/socket", ""},
		{"internal/channel/rtm", "parley/internal/channel/rtm/wire", ""},
		{"internal/channel/rtm/wire", "parley/internal/channel/custom", "no sibling"},
		{"internal/channel/rtm", "parley/internal/channel/rtmish", "no sibling"},
		{"internal/channel/rtm", "parley/internal/conversation", "layers 0 to 2"},
		{"internal/channel/rtm", "parley/internal/httpd", "layers 0 to 2"},
		{"internal/store/sqlite", "parley/internal/store/sqlstore", ""},
		{"internal/store/sqlite", "parley/internal/store/postgres", "no sibling"},
		{"internal/store/sqlstore", "parley/internal/store/sqlite", "no sibling"},
		{"internal/adminapi", "parley/internal/catalog", ""},
		{"internal/adminapi", "parley/internal/httpd", "no sibling"},
		{"internal/adminapi", "parley/internal/store/sqlite", "no sibling"},
		{"internal/webui", "parley/web/admin", ""},
		{"internal/channel/rtm", "parley/web/widget", "served by the edges"},
		{"web/admin", "parley/internal/chat", "import nothing"},
		{"web/admin", "embed", ""},
		{"internal/app", "parley/internal/store/sqlite", ""},
		{"internal/app", "parley/internal/adminapi", ""},
		{"internal/app", "parley/internal/store/storetest", "tests only"},
		{"internal/app", "parley/cmd/parley", "nothing imports a command"},
		{"internal/store/sqlite", "parley/internal/testkit/wait", "tests only"},
		{"internal/store/storetest", "parley/internal/testkit/wait", ""},
		{"internal/store/storetest", "parley/internal/store", ""},
		{"internal/store/storetest", "parley/internal/store/sqlite", "not their implementations"},
		{"cmd/parley", "parley/internal/app", ""},
		{"cmd/parley", "parley/internal/store", "wiring belongs to app"},
		{"cmd/parley", "parley/internal/testkit/wait", "tests only"},
		{"test/bench", "parley/internal/testkit/program", ""},
		{"internal/app", "parley/internal/surprise", "has no layer"},
		{"internal/app", "parley/tools", "has no layer"},
	} {
		got := refuse(classify(module+"/"+test.from), test.to)
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s imports %s: reason %q, want %q", test.from, test.to, got, test.want)
		}
	}
}

func TestPackagesAreToldWhatIsMissing(t *testing.T) {
	for _, test := range []struct {
		pkg  pkg
		want []string
	}{
		{pkg{path: "parley/internal/chat", doc: "Package chat is."}, nil},
		{pkg{path: "parley/internal/chat"}, []string{"no package comment"}},
		{pkg{path: "parley/internal/surprise", doc: "Package surprise is."}, []string{"add it to layerOf"}},
		{pkg{path: "parley/internal/surprise", onlyTests: true}, nil},
		{pkg{path: "parley", doc: "Package parley is."}, []string{"has no layer"}},
		{pkg{path: "parley/internal/chat", imports: []string{"parley/internal/app", "fmt"}},
			[]string{"no package comment", "standard library only"}},
	} {
		got := violations(test.pkg)
		ok := len(got) == len(test.want)
		for i := range test.want {
			ok = ok && strings.Contains(got[i], test.want[i])
		}
		if !ok {
			t.Errorf("violations(%+v) = %q, want %q", test.pkg, got, test.want)
		}
	}
}
