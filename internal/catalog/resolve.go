package catalog

import (
	"fmt"
	"strings"
)

// resolve makes the JSON value of a YAML one, with ${env:...} and ${file:...}
// filled in, and notes where each part stands.
func (r *reader) resolve(v *value, path string) any {
	r.out.Positions[path] = v.at
	switch v.kind {
	case isMap:
		m := make(map[string]any, len(v.fields))
		for _, f := range v.fields {
			m[f.key] = r.resolve(f.value, joinPath(path, f.key))
		}
		return m
	case isList:
		list := make([]any, len(v.items))
		for i, item := range v.items {
			list[i] = r.resolve(item, fmt.Sprintf("%s[%d]", path, i))
		}
		return list
	case isText:
		text, _ := r.fill(v, path)
		return text
	default:
		return v.scalar
	}
}

// fill replaces every ${env:NAME} and ${file:PATH} in a text. "$${" stands for
// a literal "${". What was filled in is not looked at again.
func (r *reader) fill(v *value, path string) (string, bool) {
	rest, ok := v.scalar.(string), true
	var b strings.Builder
	for {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			return b.String() + rest, ok
		}
		if literal, is := strings.CutSuffix(before, "$"); is {
			b.WriteString(literal + "${")
			rest = after
			continue
		}
		b.WriteString(before)
		reference, tail, closed := strings.Cut(after, "}")
		if !closed {
			r.refuse(v.at, path, "holds ${ without }; write $${ for a plain ${")
			return "", false
		}
		text, good := r.lookUp(v, path, reference)
		b.WriteString(text)
		rest, ok = tail, ok && good
	}
}

// lookUp returns what one reference stands for.
func (r *reader) lookUp(v *value, path, reference string) (string, bool) {
	source, name, _ := strings.Cut(reference, ":")
	switch {
	case source == "env" && name != "":
		text, set := r.env.Lookup(name)
		if !set || text == "" {
			r.refuse(v.at, path, "environment variable %s is not set", name)
			return "", false
		}
		r.out.hide(text)
		return text, true
	case source == "file" && name != "":
		file := beside(v.at.File, name)
		content, err := r.env.ReadFile(file)
		if err != nil {
			r.refuse(v.at, path, "file %s %v", file, err)
			return "", false
		}
		// An editor ends a file with a line break that is not part of the secret.
		text := strings.TrimRight(string(content), "\r\n")
		if text == "" {
			r.refuse(v.at, path, "file %s is empty", file)
			return "", false
		}
		r.out.hide(text)
		return text, true
	default:
		r.refuse(v.at, path, "${%s} is not known; there is ${env:NAME} and ${file:PATH}", reference)
		return "", false
	}
}
