// Package config reads the settings of the process: where to listen, where the
// data is, what to trust. What people and channels see is not here; it lives in
// the catalog.
//
// A setting comes from, in rising order: its default, the file given with
// --config, the environment, a flag. Every refusal names the setting, where its
// value came from, and what to write instead.
package config

//go:generate go test -run TestReferenceIsFresh -args -update
