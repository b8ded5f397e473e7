// Package catalog keeps what an owner has put in place: channels and
// assistants, in versions.
//
// [Read] turns the YAML files of an owner into a [Manifest]; it runs where the
// command runs, because that is where environment variables and files are.
// [Service] checks a manifest, compares it with what is stored and stores the
// difference in one commit. [Published] holds what is in force on this node,
// notices new revisions and replaces everything at once, or nothing.
//
// An assistant has at most one draft, and versions that are only ever added.
// One version is in force for everybody; a channel may be pinned to another.
// Putting an older version in force again, as a roll-back does, stores a row
// that says which one it is, so that the rows tell what was in force when.
//
// The package knows no channel type and no assistant kind by name except for
// those that the demo uses; they come in through the constructors.
package catalog
