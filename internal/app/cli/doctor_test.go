package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/adminapi"
)

func TestBrief(t *testing.T) {
	check := func(level, name, text string) adminapi.Check {
		return adminapi.Check{Level: level, Name: name, Text: text}
	}
	bad := adminapi.Check{Level: "fail", Name: "team/token", Text: "the server does not accept the token", Mend: "make another"}
	got := brief([]adminapi.Check{
		check("ok", "disk", "there is room"),
		check("ok", "site/bot", "answers"),
		check("ok", "site-2/bot", "answers"), check("ok", "site-2/settings", "are in order"),
		check("ok", "team/server", "answers"), bad, check("warn", "team/link", "down"), check("ok", "team/rooms", "are there"),
		check("ok", "hook/server", "answers"), check("ok", "hook/promises", "posts may be lost"),
		check("warn", "hook-2/server", "is slow"), check("ok", "hook-2/promises", "posts may be lost"),
		check("fail", "last/test", "cannot be tested"),
		check("warn", "callbacks", "no public_url is set"),
	})
	want := []adminapi.Check{
		check("ok", "disk", "there is room"),
		check("ok", "site", "ok, 1 check"),
		check("ok", "site-2", "ok, 2 checks"),
		bad, check("warn", "team/link", "down"), check("ok", "team", "2 other checks are ok"),
		check("ok", "hook", "ok, 1 check; posts may be lost"),
		check("warn", "hook-2/server", "is slow"), check("ok", "hook-2", "posts may be lost"),
		check("fail", "last/test", "cannot be tested"),
		check("warn", "callbacks", "no public_url is set"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("brief (-want +got):\n%s", diff)
	}
}
