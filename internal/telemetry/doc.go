// Package telemetry is what an operator sees of the inside: logs, metrics and
// the fate of goroutines. Nothing of it leaves the machine by itself.
//
// Every record goes through the redact function given to [NewLogger], whatever
// the call site forgot. Metrics belong to the package that counts: it makes
// them with [prometheus.Registerer] in its constructor, under [Namespace]; this
// package offers the registry, the page and a few helpers, and counts HTTP
// requests ([HTTP]) and panics ([Workers]) itself.
//
// A panic never ends the process: it is logged once with its stack, counted,
// and reported to whoever waits for the work.
package telemetry
