package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"parley/internal/catalog"
	"parley/internal/fault"
)

type catalogCmd struct {
	Export catalogExportCmd `cmd:"" help:"Write the catalog that would make what is in force, without secrets."`
}

type catalogExportCmd struct {
	Output string `short:"o" placeholder:"DIR|FILE" help:"Write into this folder, or this file (*.yaml) and definitions beside it. Left out: the catalog alone, to standard output."`
	Force  bool   `help:"Write over files that are there."`
}

// Run writes the catalog down.
func (c *catalogExportCmd) Run(r *run) error {
	written, err := ask[catalog.Exported](r, http.MethodGet, "/catalog/export", nil, nil)
	if err != nil {
		return err
	}
	if c.Output == "" {
		err := r.answer(written, func() { fmt.Fprint(r.Stdout, written.Catalog) })
		switch n := len(written.Definitions); {
		case n == 0 || r.cli.JSON:
		case n == 1:
			r.note("the definition it names is not in it; -o DIR writes it too")
		default:
			r.note("the %d definitions it names are not in it; -o DIR writes them too", n)
		}
		return err
	}
	dir, file := c.Output, "catalog.yaml"
	if ext := strings.ToLower(filepath.Ext(dir)); ext == ".yaml" || ext == ".yml" {
		dir, file = filepath.Split(c.Output)
	}
	names, err := writeFiles(filepath.Clean(dir), file, written, c.Force)
	if err != nil {
		return err
	}
	answer := struct {
		Files   []string                 `json:"files"`
		Secrets []catalog.ExportedSecret `json:"secrets"`
		LeftOut []string                 `json:"left_out,omitempty"`
	}{names, written.Secrets, written.LeftOut}
	return r.answer(answer, func() {
		for _, name := range names {
			r.say("wrote %s", name)
		}
		for _, one := range written.Secrets {
			r.say("needs %s: channel %s, %s", one.Variable, one.Channel, one.Key)
		}
		for _, text := range written.LeftOut {
			r.note("left out: %s", text)
		}
	})
}

// writeFiles writes the definitions and then the catalog that names them. It
// looks first whether any file is in the way, so that nothing is half done.
func writeFiles(dir, file string, written catalog.Exported, force bool) ([]string, error) {
	content := map[string]string{filepath.Join(dir, file): written.Catalog}
	for name, text := range written.Definitions {
		// Names come from the server; none may leave the folder.
		if name != filepath.Base(name) || name == file {
			return nil, fault.New(fault.Internal, "the server named a file %q", name)
		}
		content[filepath.Join(dir, name)] = text
	}
	var names []string
	for name := range content {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch info, err := os.Lstat(name); {
		case err == nil && info.IsDir():
			return nil, fault.New(fault.Conflict, "%s is a folder; nothing was written", name)
		case err == nil && !force:
			return nil, fault.New(fault.Conflict, "%s is there already; nothing was written (--force writes over it)", name)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, fault.Wrap(err, fault.Invalid, "%s cannot be written", name)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the folder %s cannot be made", dir)
	}
	for _, name := range names {
		if err := os.WriteFile(name, []byte(content[name]), 0o644); err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "%s cannot be written", name)
		}
	}
	return names, nil
}
