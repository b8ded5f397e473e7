package catalog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxFile bounds every file that is read: a catalog, a definition or a secret.
const maxFile = 4 << 20

// Environment is where a manifest is read: the machine the command runs on.
type Environment interface {
	// Lookup returns an environment variable.
	Lookup(name string) (string, bool)
	// ReadFile returns a file's bytes; an error's text is shown to the owner.
	ReadFile(path string) ([]byte, error)
	// List returns the names of the files in a folder, sorted, and whether the
	// path is a folder at all.
	List(path string) (names []string, isFolder bool, err error)
}

// OS is the environment of this process.
type OS struct{}

var _ Environment = OS{}

// Lookup implements [Environment].
func (OS) Lookup(name string) (string, bool) { return os.LookupEnv(name) }

// ReadFile implements [Environment].
func (OS) ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, plainPathError(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, plainPathError(err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("is larger than %d MiB", maxFile>>20)
	}
	return b, nil
}

// List implements [Environment].
func (OS) List(path string) ([]string, bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, false, plainPathError(err)
	}
	if !info.IsDir() {
		return nil, false, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, true, plainPathError(err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, true, nil
}

// plainPathError drops the operation and the path, which the caller names.
func plainPathError(err error) error {
	var p *os.PathError
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.New("does not exist")
	case errors.As(err, &p):
		return p.Err
	default:
		return err
	}
}

// beside gives the path of a file that another file names: relative paths
// count from the naming file.
func beside(naming, named string) string {
	if filepath.IsAbs(named) {
		return named
	}
	return filepath.Join(filepath.Dir(naming), named)
}

// isCatalogName tells which files of a folder may be catalogs: flows and their
// tests usually lie beside them.
func isCatalogName(name string) bool {
	lower := strings.ToLower(name)
	ext := filepath.Ext(lower)
	if strings.HasPrefix(name, ".") || (ext != ".yaml" && ext != ".yml") {
		return false
	}
	switch filepath.Ext(strings.TrimSuffix(lower, ext)) {
	case ".flow", ".test":
		return false
	}
	return true
}
