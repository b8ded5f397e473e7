package config

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
)

// field is one setting, found by walking [Settings].
type field struct {
	// key is the dotted path in the file.
	key, def, doc string
	value         reflect.Value
}

// Flag is the setting's flag, such as --public-url.
func (f field) flag() string { return "--" + strings.NewReplacer(".", "-", "_", "-").Replace(f.key) }

// env is the setting's environment name, such as PARLEY_PUBLIC_URL.
func (f field) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.key, ".", "_"))
}

const envPrefix = "PARLEY_"

// fieldsOf lists all settings in the order of the struct.
func fieldsOf(s *Settings) []field { return walk(reflect.ValueOf(s).Elem(), "") }

func walk(v reflect.Value, prefix string) []field {
	var all []field
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		key := prefix + tag.Get("key")
		if v.Field(i).Kind() == reflect.Struct && v.Field(i).Type() != reflect.TypeFor[Secret]() {
			all = append(all, walk(v.Field(i), key+".")...)
			continue
		}
		all = append(all, field{key, tag.Get("def"), tag.Get("doc"), v.Field(i)})
	}
	return all
}

var errList = errors.New("takes one value, not a list")

// set puts texts into the field; only a list takes other than one.
func (f field) set(texts []string) error {
	switch to := f.value.Addr().Interface().(type) {
	case *[]netip.Prefix:
		var list []netip.Prefix
		for _, text := range texts {
			p, err := parsePrefix(strings.TrimSpace(text))
			if err != nil {
				return fmt.Errorf("%q is not a network; write it like 10.0.0.0/8, or one address like 10.0.0.1", text)
			}
			list = append(list, p)
		}
		*to = list
	case *Secret:
		if len(texts) != 1 {
			return errList
		}
		*to = Secret{&texts[0]}
	case *string:
		if len(texts) != 1 {
			return errList
		}
		*to = texts[0]
	default:
		return fmt.Errorf("has a type nobody reads: %T", to)
	}
	return nil
}

// list reports whether the setting takes several values.
func (f field) list() bool { return f.value.Kind() == reflect.Slice }

// fromText splits what an environment variable or a flag gives.
func (f field) fromText(text string) []string {
	if !f.list() {
		return []string{text}
	}
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func parsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		return addr.Prefix(addr.BitLen())
	}
	return netip.ParsePrefix(text)
}

// Reference is the table of docs/configuration.md.
func Reference() string {
	var b strings.Builder
	b.WriteString("| in the file | flag | environment | default | meaning |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range fieldsOf(&Settings{}) {
		def := ""
		if f.def != "" {
			def = "`" + f.def + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `%s` | %s | %s |\n", f.key, f.flag(), f.env(), def, f.doc)
	}
	return b.String()
}

// FlagDoc describes one setting to the command line.
type FlagDoc struct{ Name, Default, Doc string }

// Flags lists all settings as flags without their dashes.
func Flags() []FlagDoc {
	var all []FlagDoc
	for _, f := range fieldsOf(&Settings{}) {
		all = append(all, FlagDoc{strings.TrimPrefix(f.flag(), "--"), f.def, f.doc})
	}
	return all
}
