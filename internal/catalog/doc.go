// Package catalog keeps what an owner has put in place: channels and
// assistants, in versions.
//
// [Read] turns the YAML files of an owner into a [Manifest]; it runs where the
// command runs, because that is where environment variables and files are.
// [Service] checks a manifest, compares it with what is stored and stores the
// difference in one commit. [Published] holds what is in force on this node,
// notices new revisions and replaces everything at once, or nothing.
//
// The package knows no channel type and no assistant kind by name except for
// those that the demo uses; they come in through the constructors.
package catalog
