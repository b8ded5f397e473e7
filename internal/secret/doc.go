// Package secret keeps secrets from leaking and from being forged.
//
//   - [Text] holds a secret in memory and prints as a marker wherever it ends
//     up: formatted, logged, encoded.
//   - [KeyFile] is the file with the keys of one data folder; [Box] seals and
//     opens stored values with them, and [Signer] makes tokens that any node
//     with the same key file can check.
//   - [HashToken] is for secrets that are only ever verified.
//   - [Redact] blanks secrets in text that was not made with [Text], such as
//     the body of a foreign answer on its way to a log.
//
// Nothing here reports a secret in an error. A value that does not open gives
// an error and never partial bytes; a forged token and an expired one give
// different errors.
package secret
