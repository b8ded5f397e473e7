package cli

import (
	"runtime"
	"runtime/debug"

	"parley/internal/adminapi"
)

// unreleased is what the linker's version is when nobody set it.
const unreleased = "dev"

// buildOf says which parley this is. A binary made by `go install` has no
// version of the linker but one of the module; one built from a checkout has
// the commit.
func buildOf(version string) adminapi.Build {
	b := adminapi.Build{Version: version, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if version != unreleased || !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
		return b
	}
	const short = 12
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) > short {
			b.Version = unreleased + " " + s.Value[:short]
		}
	}
	return b
}
