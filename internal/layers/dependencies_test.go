package layers_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every direct dependency is listed with its reason, and nothing else is.
func TestDependenciesAreListed(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := map[string]bool{}
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) == 2 && strings.HasPrefix(fields[1], "v") && strings.Contains(fields[0], ".") {
			direct[fields[0]] = true
		}
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\S+\.\S+/\S+) \|`).FindAllStringSubmatch(string(doc), -1) {
		listed[m[1]] = true
	}
	for module := range direct {
		if !listed[module] {
			t.Errorf("docs/dependencies.md does not list %s", module)
		}
	}
	for module := range listed {
		if !direct[module] {
			t.Errorf("docs/dependencies.md lists %s, which go.mod does not require directly", module)
		}
	}
}
