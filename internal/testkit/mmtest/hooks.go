package mmtest

import (
	"context"
	"net/http"
)

// OutgoingHook says when the server calls whom. With neither channel nor
// trigger words it is refused.
type OutgoingHook struct {
	// Channel is a public channel's id, or empty for all public channels of
	// the team. TeamID defaults to the server's team.
	TeamID, Channel string
	// TriggerWords are compared with a post's first word: equal, or with
	// Prefix its beginning.
	TriggerWords []string
	Prefix       bool
	// Callbacks are the URLs to call.
	Callbacks []string
	// ContentType is "application/json", or anything else for a form.
	ContentType string
	// Name is the hook's display name.
	Name string
}

// Hook is an outgoing webhook that was made.
type Hook struct {
	ID string `json:"id"`
	// Token is what its calls prove themselves with.
	Token string `json:"token"`
}

// CreateOutgoingHook makes an outgoing webhook of the administrator's, in whose
// name its answers are posted.
func (s *Server) CreateOutgoingHook(t T, h OutgoingHook) Hook {
	t.Helper()
	if h.TeamID == "" {
		h.TeamID = s.Team.ID
	}
	when := 0
	if h.Prefix {
		when = 1
	}
	var made Hook
	s.Admin.must(t, http.MethodPost, "/hooks/outgoing", map[string]any{
		"team_id": h.TeamID, "channel_id": h.Channel, "trigger_words": h.TriggerWords, "trigger_when": when,
		"callback_urls": h.Callbacks, "content_type": h.ContentType, "display_name": h.Name,
	}, &made)
	return made
}

// CreateIncomingHook makes an incoming webhook into a channel, in the
// administrator's name, and returns its URL.
func (s *Server) CreateIncomingHook(t T, channel string) string {
	t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	s.Admin.must(t, http.MethodPost, "/hooks/incoming", map[string]any{"channel_id": channel, "display_name": "Hook"}, &made)
	return s.URL + "/hooks/" + made.ID
}

// ClickButton clicks a button of a post's attachment; the server calls the
// button's URL before it answers. When that call fails, the error is the
// *[APIError] that the person would see.
func (u *User) ClickButton(ctx context.Context, post, action string) error {
	return u.act(ctx, post, action, map[string]any{})
}

// ChooseOption chooses an option of a post's menu, as ClickButton clicks.
func (u *User) ChooseOption(ctx context.Context, post, action, value string) error {
	return u.act(ctx, post, action, map[string]any{"selected_option": value})
}

func (u *User) act(ctx context.Context, post, action string, body map[string]any) error {
	return u.Do(ctx, http.MethodPost, "/posts/"+post+"/actions/"+action, body, nil)
}
