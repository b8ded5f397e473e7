package layers

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

const module = "parley"

// layerOf gives the layer of each package below internal/. Sub-packages belong
// to the package they lie in, except below the contracts.
var layerOf = map[string]int{
	"chat":  0,
	"fault": 0,

	"access":     1,
	"config":     1,
	"guard":      1,
	"mattermost": 1,
	"present":    1,
	"routing":    1,
	"safehttp":   1,
	"secret":     1,
	"setting":    1,
	"socket":     1,
	"telemetry":  1,

	"assistant": 2,
	"blob":      2,
	"bus":       2,
	"channel":   2,
	"store":     2,

	"alert":        3,
	"catalog":      3,
	"conversation": 3,
	"delivery":     3,
	"desk":         3,
	"file":         3,
	"live":         3,
	"pairing":      3,
	"timer":        3,

	"adminapi": 4,
	"doctor":   4,
	"httpd":    4,
	"webui":    4,

	"app": 5,
}

const (
	bottomLayer   = 0
	contractLayer = 2
	flowLayer     = 3
	outerLayer    = 4
	appLayer      = 5
)

// siblings are the imports that a layer's rule would refuse and the design
// allows, by unit.
var siblings = map[string][]string{
	"mattermost":     {"safehttp", "socket"},
	"store/sqlite":   {"store/sqlstore"},
	"store/postgres": {"store/sqlstore"},
}

// commandMayImport are the units that cmd/parley needs to parse, run and exit.
var commandMayImport = []string{"app", "chat", "config", "fault"}

// role is what a package is for the rules.
type role int

const (
	unknown  role = iota
	layered       // below internal/, in the table above
	kit           // helps tests, is imported by tests only
	command       // cmd/...
	scenario      // test/...: whole-program tests and benchmarks
	assets        // web/...: embedded files
)

// unit is the part of the program a package belongs to: "chat", "channel/rtm".
type unit struct {
	role   role
	name   string
	layer  int
	driver bool // implements a contract
}

func classify(importPath string) unit {
	inside, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return unit{}
	}
	parts := strings.Split(inside, "/")
	switch parts[0] {
	case "cmd":
		return unit{role: command, name: inside}
	case "test":
		return unit{role: scenario, name: inside}
	case "web":
		return unit{role: assets, name: "web"}
	case "internal":
		return classifyInternal(parts[1:])
	}
	return unit{}
}

func classifyInternal(parts []string) unit {
	name := strings.Join(parts, "/")
	if parts[0] == "testkit" || strings.HasSuffix(path.Base(name), "test") {
		return unit{role: kit, name: name}
	}
	layer, ok := layerOf[parts[0]]
	if !ok {
		return unit{}
	}
	if layer == contractLayer && len(parts) > 1 {
		return unit{role: layered, name: parts[0] + "/" + parts[1], layer: outerLayer, driver: true}
	}
	return unit{role: layered, name: parts[0], layer: layer}
}

// pkg is what the rules look at in a package.
type pkg struct {
	path    string
	doc     string
	imports []string // of its ordinary files
	// onlyTests: it has no other files, so nothing can import it.
	onlyTests bool
}

// violations says, in sentences for whoever broke one, where a package breaks
// a rule.
func violations(p pkg) []string {
	from := classify(p.path)
	if p.onlyTests {
		return nil
	}
	if from.role == unknown {
		return []string{fmt.Sprintf("%s has no layer: decide where it belongs (CONTRIBUTING.md, \"Layers\") "+
			"and add it to layerOf in internal/layers/rules_test.go", p.path)}
	}
	var found []string
	if p.doc == "" {
		found = append(found, fmt.Sprintf("%s has no package comment", p.path))
	}
	for _, target := range p.imports {
		if reason := refuse(from, target); reason != "" {
			found = append(found, fmt.Sprintf("%s imports %s: %s", p.path, target, reason))
		}
	}
	return found
}

// refuse says why a package of unit from may not import target, or nothing.
func refuse(from unit, target string) string {
	if target != module && !strings.HasPrefix(target, module+"/") {
		first, _, _ := strings.Cut(target, "/")
		standard := !strings.Contains(first, ".")
		if !standard && (from.role == assets || from.role == layered && from.layer == bottomLayer) {
			return "layer 0 uses the standard library only"
		}
		return ""
	}
	to := classify(target)
	switch {
	case to.role == kit && from.role != kit && from.role != scenario:
		return "a test kit is imported by tests only"
	case to.role == command || to.role == scenario:
		return "nothing imports a command or a scenario"
	case to.role == unknown:
		return "it has no layer"
	}
	switch from.role {
	case layered:
		return refuseLayered(from, to)
	case kit:
		if to.role == layered && to.layer > flowLayer {
			return "a test kit knows contracts, not their implementations"
		}
	case command:
		if to.role != layered || !slices.Contains(commandMayImport, to.name) {
			return "a command imports " + strings.Join(commandMayImport, ", ") + " only; wiring belongs to app"
		}
	case assets:
		return "embedded files import nothing of Parley"
	}
	return ""
}

func refuseLayered(from, to unit) string {
	switch {
	case to.role == assets:
		if from.layer < outerLayer || from.driver {
			return "embedded files are served by the edges"
		}
	case from.layer == appLayer, to.name == from.name, slices.Contains(siblings[from.name], to.name):
	case from.driver:
		if to.layer > contractLayer {
			return fmt.Sprintf("a driver imports layers 0 to %d, and no sibling", contractLayer)
		}
	case to.layer >= from.layer:
		if from.layer == bottomLayer {
			return "layer 0 uses the standard library only"
		}
		return fmt.Sprintf("layer %d imports lower layers only, and no sibling; %s is in layer %d", from.layer, to.name, to.layer)
	}
	return ""
}
