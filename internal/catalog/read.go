package catalog

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"parley/internal/fault"
)

// Reading is a manifest with where each part of it stands.
type Reading struct {
	Manifest Manifest
	// Positions maps field paths to where they stand.
	Positions map[string]Position
	// Skipped are files of a folder that hold no catalog.
	Skipped []string

	// blocks are the positions of the "|" before texts of several lines.
	blocks map[string]Position
	// hidden are the values that came from ${env:...} and ${file:...}.
	hidden []string
}

// Read reads catalog files, and folders of them, into one manifest. All
// mistakes come back in one go as [Problems]; no file or variable that is not
// named by a path or a file is touched.
func Read(env Environment, paths ...string) (*Reading, error) {
	r := &reader{env: env, out: &Reading{
		Manifest:  Manifest{Assistants: map[string]AssistantSpec{}, Channels: map[string]ChannelSpec{}},
		Positions: map[string]Position{}, blocks: map[string]Position{},
	}}
	for _, path := range paths {
		r.path(path)
	}
	if len(paths) == 0 {
		r.problems = append(r.problems, Problem{Text: "no catalog file is given"})
	}
	if err := r.problems.asError(); err != nil {
		return nil, r.out.Redacted(err)
	}
	r.out.dropDefinitions()
	return r.out, nil
}

// dropDefinitions takes the files that an assistant names off the skipped ones:
// whatever they are called, they were not overlooked.
func (r *Reading) dropDefinitions() {
	named := map[string]bool{}
	for _, a := range r.Manifest.Assistants {
		named[filepath.Clean(a.Path)] = true
	}
	r.Skipped = slices.DeleteFunc(r.Skipped, func(path string) bool { return named[filepath.Clean(path)] })
}

// Locate adds positions to problems that only name a field. A problem deep in
// a field that has no position of its own gets that of the field around it, and
// a position inside a definition that stands in the catalog becomes one in the
// catalog.
func (r *Reading) Locate(found Problems) Problems {
	located := slices.Clone(found)
	for i, p := range located {
		if p.File != "" {
			continue
		}
		at := r.position(p.Path)
		if first, ok := r.blocks[p.Path]; ok && p.Line > 0 {
			at = Position{File: first.File, Line: first.Line + p.Line}
		}
		located[i].Position = at
	}
	return located
}

func (r *Reading) position(path string) Position {
	for path != "" {
		if at, ok := r.Positions[path]; ok {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return Position{}
}

// Redact blanks every value that came from ${env:...} or ${file:...}, in case a
// message or a diff repeats one.
func (r *Reading) Redact(text string) string {
	for _, secret := range r.hidden {
		text = strings.ReplaceAll(text, secret, "[hidden]")
	}
	return text
}

// Redacted blanks the values in problems.
func (r *Reading) Redacted(err error) error {
	found, ok := err.(Problems)
	if !ok {
		return err
	}
	blank := slices.Clone(found)
	for i := range blank {
		blank[i].Text = r.Redact(blank[i].Text)
	}
	return blank
}

// hide remembers a value. Short ones are not worth it: they would blank half
// of every message and are no secrets.
func (r *Reading) hide(value string) {
	const shortest = 5
	if len(value) >= shortest && !slices.Contains(r.hidden, value) {
		r.hidden = append(r.hidden, value)
		// Longer ones first, so that no tail of a longer value is left over.
		slices.SortFunc(r.hidden, func(a, b string) int { return len(b) - len(a) })
	}
}

// reader collects a manifest from files.
type reader struct {
	env      Environment
	out      *Reading
	problems Problems
}

func (r *reader) refuse(at Position, path, format string, args ...any) {
	r.problems = append(r.problems, Problem{Position: at, Path: path, Text: fmt.Sprintf(format, args...)})
}

func (r *reader) path(path string) {
	names, isFolder, err := r.env.List(path)
	switch {
	case err != nil:
		r.refuse(Position{File: path}, "", "%v", err)
	case !isFolder:
		r.file(path, false)
	default:
		read := 0
		for _, name := range names {
			if isCatalogName(name) {
				read++
				r.file(filepath.Join(path, name), true)
			}
		}
		if read == 0 {
			r.refuse(Position{File: path}, "", "the folder holds no catalog (*.yaml)")
		}
	}
}

func (r *reader) file(path string, inFolder bool) {
	text, err := r.env.ReadFile(path)
	if err != nil {
		r.refuse(Position{File: path}, "", "%v", err)
		return
	}
	root, found := parseYAML(path, text)
	if len(found) > 0 {
		r.problems = append(r.problems, found...)
		return
	}
	if inFolder && !looksLikeCatalog(root) {
		r.out.Skipped = append(r.out.Skipped, path)
		return
	}
	r.sections(root)
}

// looksLikeCatalog tells a catalog with a slip of the pen from another file.
func looksLikeCatalog(root *value) bool {
	for _, f := range root.fields {
		if _, later := laterSections[f.key]; later || slices.Contains(sectionKeys, f.key) || fault.Nearest(f.key, sectionKeys) != "" {
			return true
		}
	}
	return len(root.fields) == 0
}

func (r *reader) sections(root *value) {
	if root.kind == isNull {
		return
	}
	if !r.wantMap(root, "", "a catalog") {
		return
	}
	for _, f := range root.fields {
		switch f.key {
		case "assistants":
			r.section(f, r.assistant)
		case "channels":
			r.section(f, r.channel)
		default:
			r.unknown(f, "", laterSections, sectionKeys)
		}
	}
}

// section reads one map of named things.
func (r *reader) section(f field, one func(name, path string, f field)) {
	if f.value.kind == isNull || !r.wantMap(f.value, f.key, f.key) {
		return
	}
	for _, item := range f.value.fields {
		path := f.key + "." + item.key
		if first, twice := r.out.Positions[path]; twice {
			r.refuse(item.at, path, "is already given at %s", first)
			continue
		}
		r.out.Positions[path] = item.at
		if reason := badName(item.key); reason != "" {
			r.refuse(item.at, path, "%s", reason)
			continue
		}
		if r.wantMap(item.value, path, fmt.Sprintf("%q", item.key)) {
			one(item.key, path, item)
		}
	}
}

func (r *reader) assistant(name, path string, f field) {
	spec := AssistantSpec{}
	kind, definition := f.value.get("kind"), f.value.get("definition")
	if kind == nil {
		r.refuse(f.at, path+".kind", "is missing; say kind: flow")
	} else {
		spec.Kind, _ = r.text(*kind, path+".kind")
	}
	if reason, later := laterKinds[spec.Kind]; later {
		r.refuse(kind.value.at, path+".kind", "%s", reason)
		return
	}
	if definition == nil {
		r.refuse(f.at, path+".definition", "is missing; name a file or give the text itself")
	} else {
		r.definition(*definition, path+".definition", &spec)
	}
	for _, other := range f.value.fields {
		if !slices.Contains(assistantKeys, other.key) {
			r.unknown(other, path, nil, assistantKeys)
		}
	}
	r.out.Manifest.Assistants[name] = spec
}

// definition takes text of several lines as the definition itself and anything
// else as the name of a file.
// It is stored and shown as it is, so nothing is filled in here.
func (r *reader) definition(f field, path string, spec *AssistantSpec) {
	r.out.Positions[path] = f.value.at
	text, isString := f.value.scalar.(string)
	switch {
	case !isString:
		r.refuse(f.value.at, path, "must be text, not %s", f.value.kind)
	case strings.Contains(text, "\n"):
		spec.Definition = text
		if f.value.block {
			r.out.blocks[path] = f.value.at
		}
	case text == "":
		r.refuse(f.value.at, path, "is empty; name a file or give the text itself")
	default:
		spec.File = filepath.ToSlash(text)
		spec.Path = beside(f.value.at.File, text)
		b, err := r.env.ReadFile(spec.Path)
		if err != nil {
			r.refuse(f.value.at, path, "%s %v", spec.Path, err)
			return
		}
		spec.Definition = string(b)
	}
}

func (r *reader) channel(name, path string, f field) {
	spec := ChannelSpec{}
	typ := f.value.get("type")
	if typ == nil {
		r.refuse(f.at, path+".type", "is missing; say which, such as type: rtm")
	} else {
		spec.Type, _ = r.text(*typ, path+".type")
	}
	if reason, later := laterTypes[spec.Type]; later {
		r.refuse(typ.value.at, path+".type", "%s", reason)
		return
	}
	settings := map[string]any{}
	for _, one := range f.value.fields {
		own := path + "." + one.key
		switch _, later := laterChannelKeys[one.key]; {
		case one.key == "type":
		case one.key == "assistant":
			spec.Assistant, _ = r.text(one, own)
		case one.key == "disabled":
			spec.Disabled = r.truth(one, own)
		case later:
			r.unknown(one, path, laterChannelKeys, nil)
		default:
			settings[one.key] = r.resolve(one.value, own)
		}
	}
	if f.value.get("assistant") == nil {
		r.refuse(f.at, path+".assistant", "is missing; say which assistant answers here")
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		r.refuse(f.at, path, "cannot be sent: %v", err)
		return
	}
	spec.Settings = raw
	r.out.Manifest.Channels[name] = spec
}

// unknown refuses a key, by name when it is one that will come.
func (r *reader) unknown(f field, path string, later map[string]string, known []string) {
	own := joinPath(path, f.key)
	if reason, ok := later[f.key]; ok {
		r.refuse(f.at, own, "%s", reason)
		return
	}
	text := "is not known here"
	if near := fault.Nearest(f.key, known); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	} else {
		text += "; there is: " + strings.Join(known, ", ")
	}
	r.refuse(f.at, own, "%s", text)
}

func (r *reader) wantMap(v *value, path, what string) bool {
	if v.kind == isMap {
		return true
	}
	r.refuse(v.at, path, "%s must be a block of keys, not %s", what, v.kind)
	return false
}

// text reads a string; ${...} is filled in.
func (r *reader) text(f field, path string) (string, bool) {
	r.out.Positions[path] = f.value.at
	if f.value.kind != isText {
		r.refuse(f.value.at, path, "must be text, not %s", f.value.kind)
		return "", false
	}
	return r.fill(f.value, path)
}

func (r *reader) truth(f field, path string) bool {
	r.out.Positions[path] = f.value.at
	truth, ok := f.value.scalar.(bool)
	if !ok {
		r.refuse(f.value.at, path, "must be true or false, not %s", f.value.kind)
	}
	return truth
}
