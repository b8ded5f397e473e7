package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"parley/internal/fault"
)

// Sources are where settings come from.
type Sources struct {
	// File is the path given with --config, or empty.
	File string
	// Env is the environment as os.Environ gives it.
	Env []string
	// Flags are the flags that were given, by name without dashes.
	Flags map[string]string
}

// Warning is something odd that does not keep the process from starting.
type Warning string

// Defaults returns the settings without any source.
func Defaults() Settings {
	var s Settings
	for _, f := range fieldsOf(&s) {
		if f.def != "" {
			// The defaults are ours; a test loads them.
			_ = f.set([]string{f.def})
		}
	}
	return s
}

// Load reads all sources. Its error is a fault.Invalid that lists everything
// that is wrong, one line each.
func Load(from Sources) (Settings, []Warning, error) {
	l := loader{settings: Defaults(), origin: map[string]string{}}
	l.fields = fieldsOf(&l.settings)
	if from.File != "" {
		l.file(from.File, from.Env)
	}
	l.environment(from.Env)
	l.flags(from.Flags)
	l.settings.complete()
	if len(l.wrong) == 0 {
		for _, p := range l.settings.check() {
			l.refuse(l.origin[p.key], "%s: %s", p.key, p.text)
		}
	}
	if len(l.wrong) > 0 {
		return Settings{}, l.warnings, fault.New(fault.Invalid, "%s", strings.Join(l.wrong, "\n"))
	}
	return l.settings, l.warnings, nil
}

type loader struct {
	settings Settings
	fields   []field
	// origin tells where a key's value came from.
	origin   map[string]string
	wrong    []string
	warnings []Warning
}

func (l *loader) refuse(where, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if where != "" {
		text = where + ": " + text
	}
	l.wrong = append(l.wrong, text)
}

func (l *loader) find(key string) (field, bool) {
	for _, f := range l.fields {
		if f.key == key {
			return f, true
		}
	}
	return field{}, false
}

func (l *loader) set(f field, where string, texts []string) {
	l.origin[f.key] = where
	if err := f.set(texts); err != nil {
		l.refuse(where, "%s: %v", f.key, err)
	}
}

func (l *loader) environment(env []string) {
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		i := slices.IndexFunc(l.fields, func(f field) bool { return f.env() == name })
		switch {
		case i >= 0 && value != "":
			f := l.fields[i]
			l.set(f, "environment "+name, f.fromText(value))
		case i < 0 && !reserved(name):
			var names []string
			for _, f := range l.fields {
				names = append(names, f.env())
			}
			l.warnings = append(l.warnings, Warning(fmt.Sprintf("environment %s is not a setting%s", name, suggestion(name, names))))
		}
	}
}

// reserved are names that belong to tests, benches and the command line.
func reserved(name string) bool {
	for _, prefix := range []string{"PARLEY_TEST_", "PARLEY_BENCH_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"PARLEY_BIN", "PARLEY_SOAK", "PARLEY_SCREENSHOTS", "PARLEY_CONFIG", "PARLEY_URL", "PARLEY_TOKEN"}, name)
}

func (l *loader) flags(given map[string]string) {
	for _, f := range l.fields {
		name := strings.TrimPrefix(f.flag(), "--")
		if value, ok := given[name]; ok && value != "" {
			l.set(f, "flag --"+name, f.fromText(value))
		}
	}
}

// maxFile bounds the settings file, in bytes.
const maxFile = 1 << 20

func (l *loader) file(path string, env []string) {
	f, err := os.Open(path)
	if err != nil {
		l.refuse("flag --config", "%s cannot be read: %v", path, errors.Unwrap(err))
		return
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil || len(text) > maxFile {
		l.refuse("flag --config", "%s cannot be read, or is larger than 1 MB", path)
		return
	}
	var doc, second yaml.Node
	documents := yaml.NewDecoder(bytes.NewReader(text))
	if err := documents.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		l.refuse(path, "is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	if err := documents.Decode(&second); !errors.Is(err, io.EOF) {
		l.refuse(path, "holds a second document behind ---; keep everything in one")
		return
	}
	if len(doc.Content) == 0 {
		return // an empty file sets nothing
	}
	r := fileReader{loader: l, path: path, env: env}
	r.mapping(doc.Content[0], "")
}

type fileReader struct {
	*loader
	path string
	env  []string
}

func (r *fileReader) at(n *yaml.Node) string {
	return fmt.Sprintf("%s:%d:%d", r.path, n.Line, n.Column)
}

func (r *fileReader) mapping(n *yaml.Node, prefix string) {
	if n.Kind != yaml.MappingNode {
		r.refuse(r.at(n), "%s: here stand keys and values, such as listen: 127.0.0.1:8080", strings.TrimSuffix(prefix, ".")+" settings")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := prefix + name.Value
		if seen[key] {
			r.refuse(r.at(name), "%s: stands here twice; keep one", key)
			continue
		}
		seen[key] = true
		r.setting(name, value, key)
	}
}

func (r *fileReader) setting(name, value *yaml.Node, key string) {
	if f, ok := r.find(key); ok {
		texts, ok := r.texts(value, key)
		if ok {
			r.set(f, r.at(value), texts)
		}
		return
	}
	var known []string
	for _, f := range r.fields {
		known = append(known, f.key)
		if strings.HasPrefix(f.key, key+".") {
			r.mapping(value, key+".")
			return
		}
	}
	r.refuse(r.at(name), "%s: is not a setting%s", key, suggestion(key, known))
}

// texts reads one value or a list, with ${env:NAME} and ${file:PATH} filled in.
func (r *fileReader) texts(n *yaml.Node, key string) ([]string, bool) {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	var all []string
	for _, one := range nodes {
		if one.Kind != yaml.ScalarNode {
			r.refuse(r.at(one), "%s: takes plain text", key)
			return nil, false
		}
		text, err := r.fill(one.Value)
		if err != nil {
			r.refuse(r.at(one), "%s: %v", key, err)
			return nil, false
		}
		all = append(all, text)
	}
	return all, true
}

func (r *fileReader) fill(text string) (string, error) {
	inner, ok := strings.CutPrefix(text, "${")
	if !ok || !strings.HasSuffix(inner, "}") {
		return text, nil
	}
	kind, name, _ := strings.Cut(strings.TrimSuffix(inner, "}"), ":")
	switch kind {
	case "env":
		for _, entry := range r.env {
			if value, ok := strings.CutPrefix(entry, name+"="); ok {
				return value, nil
			}
		}
		return "", fmt.Errorf("the environment has no %s", name)
	case "file":
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(r.path), name)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("the file %s cannot be read", name)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	return "", fmt.Errorf("%s is not understood; write ${env:NAME} or ${file:PATH}", text)
}

// suggestion offers the known name that is nearest, if one is near.
func suggestion(name string, known []string) string {
	if best := fault.Nearest(name, known); best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return "; docs/configuration.md lists them"
}
