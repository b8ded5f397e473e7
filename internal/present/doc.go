// Package present turns content into what a place that knows only text can
// show: plain text ([Plain]), Markdown as Mattermost reads it ([Markdown]), and
// parts of a length the place takes ([Split]). It reads the way back too:
// [Choice] is the option a person typed instead of pressing it.
//
// An answer must not ping anybody. [BreakMentions] sees to that, and [Parts]
// does so for every part of a long answer. Mattermost's server finds mentions
// with a Markdown reader of its own, which differs from CommonMark in its tabs,
// headings, fences and links. So an @ is left alone only where both readings
// must agree that it is code or an address; wherever they may differ it is
// broken.
//
// Everything here is pure and gives the same result for the same input: parts
// of a delivery are cut again on a retry and must be the same.
package present
