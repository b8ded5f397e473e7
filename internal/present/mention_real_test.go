package present

import (
	"strings"
	"testing"
	"time"

	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

// whole are texts in which an @ stays as it is.
var whole = []string{
	"`@alice`", "``@alice ` @bob``", "see `@all` and `@channel`", "```\n@alice\n```", "~~~\n@alice\n~~~", "````md\n```\n@all\n```\n````",
	"```\n@alice", "- a\n\n  ```\n  @alice\n  ```", "> ```\n> @alice\n> ```", "text\n\n    @alice\n\ntext",
	"alice@example.com", "bob.x@all.example", "[her](https://social.example/@alice)", "https://social.example/@alice, and so on",
	"[`@alice`](https://social.example/@alice)",
}

// A real server counts who was mentioned: nobody by what was broken, somebody
// by each of the same texts as they were.
func TestBrokenMentionsPingNobody(t *testing.T) {
	const within = 2 * time.Minute
	mm := mmtest.Start(t)
	channel := func(name string) string {
		c := mm.Admin.CreateChannel(t, mm.Team.ID, "O", name)
		mm.Admin.AddMember(t, c.ID, mm.Alice.ID, mm.Bob.ID, mm.Bot.ID)
		return c.ID
	}
	quiet, loud := channel("quiet"), channel("loud")
	count := func(channel string) int {
		return mm.Alice.MentionCount(t, channel) + mm.Bob.MentionCount(t, channel)
	}

	// Being added to a channel is a mention, counted in its own time.
	const added = 2
	for _, id := range []string{quiet, loud} {
		wait.For(t, within, func() bool { return count(id) == added }, "the mentions of being added")
	}
	for _, md := range whole {
		if BreakMentions(md) != md {
			t.Errorf("%q became %q", md, BreakMentions(md))
		}
		mm.Bot.Post(t, quiet, md, "")
	}
	for _, md := range nasty {
		mm.Bot.Post(t, quiet, BreakMentions(md), "")
	}
	cut := "text `" + strings.Repeat("@alice ", 30) + "` text"
	for _, part := range Parts(cut, 50) {
		mm.Bot.Post(t, quiet, part, "")
	}

	for _, md := range nasty {
		before := count(loud)
		mm.Bot.Post(t, loud, md, "")
		wait.For(t, within, func() bool { return count(loud) > before }, "a mention by "+md)
	}
	// A last mention shows that the counts of the quiet channel are up to date.
	mm.Bot.Post(t, quiet, "@alice", "")
	wait.For(t, within, func() bool { return count(quiet) > added }, "the last mention")
	if got := count(quiet) - added; got != 1 {
		t.Errorf("the broken texts raised the mentions by %d, want only the last one", got)
	}
}
