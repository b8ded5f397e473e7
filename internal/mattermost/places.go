package mattermost

import (
	"context"
	"net/http"
	"net/url"

	"parley/internal/fault"
)

// MyTeams lists the teams the account is in.
func (c *Client) MyTeams(ctx context.Context) ([]Team, error) {
	var teams []Team
	err := c.call(ctx, request{op: "list teams", method: http.MethodGet, path: "/users/me/teams"}, &teams)
	return teams, err
}

// Team reads a team.
func (c *Client) Team(ctx context.Context, id string) (Team, error) {
	if err := checkIDs("team id", id); err != nil {
		return Team{}, err
	}
	return c.team(ctx, "/teams/"+id)
}

// TeamByName reads a team by the name in its address.
func (c *Client) TeamByName(ctx context.Context, name string) (Team, error) {
	part, err := pathName("team", name)
	if err != nil {
		return Team{}, err
	}
	return c.team(ctx, "/teams/name/"+part)
}

func (c *Client) team(ctx context.Context, path string) (Team, error) {
	var t Team
	err := c.call(ctx, request{op: "read team", method: http.MethodGet, path: path}, &t)
	return t, err
}

// TeamMember reads the membership of a user in a team; not found for somebody
// who never was in it, DeleteAt set for somebody who left.
func (c *Client) TeamMember(ctx context.Context, teamID, userID string) (TeamMember, error) {
	if err := checkIDs("team id", teamID, "user id", userID); err != nil {
		return TeamMember{}, err
	}
	var m TeamMember
	err := c.call(ctx, request{op: "read team member", method: http.MethodGet, path: "/teams/" + teamID + "/members/" + userID}, &m)
	return m, err
}

// MyChannels lists the channels the account is in: of all teams, and direct
// and group messages; no archived ones.
func (c *Client) MyChannels(ctx context.Context) ([]Channel, error) {
	var channels []Channel
	err := c.call(ctx, request{op: "list channels", method: http.MethodGet, path: "/users/me/channels"}, &channels)
	return channels, err
}

// Channel reads a channel, also an archived one.
func (c *Client) Channel(ctx context.Context, id string) (Channel, error) {
	if err := checkIDs("channel id", id); err != nil {
		return Channel{}, err
	}
	return c.channel(ctx, "/channels/"+id)
}

// ChannelByName reads a channel by the name in its address; an archived one is
// not found.
func (c *Client) ChannelByName(ctx context.Context, teamID, name string) (Channel, error) {
	if err := checkIDs("team id", teamID); err != nil {
		return Channel{}, err
	}
	part, err := pathName("channel", name)
	if err != nil {
		return Channel{}, err
	}
	return c.channel(ctx, "/teams/"+teamID+"/channels/name/"+part)
}

func (c *Client) channel(ctx context.Context, path string) (Channel, error) {
	var ch Channel
	err := c.call(ctx, request{op: "read channel", method: http.MethodGet, path: path}, &ch)
	return ch, err
}

// ChannelMember reads the membership of a user in a channel.
func (c *Client) ChannelMember(ctx context.Context, channelID, userID string) (Member, error) {
	if err := checkIDs("channel id", channelID, "user id", userID); err != nil {
		return Member{}, err
	}
	var m Member
	err := c.call(ctx, request{op: "read channel member", method: http.MethodGet, path: "/channels/" + channelID + "/members/" + userID}, &m)
	return m, err
}

// JoinChannel adds the account to a public channel of one of its teams. It is
// no error to be in it already.
func (c *Client) JoinChannel(ctx context.Context, channelID string) error {
	if err := checkIDs("channel id", channelID); err != nil {
		return err
	}
	self, err := c.selfID(ctx)
	if err != nil {
		return err
	}
	return c.call(ctx, request{op: "join channel", method: http.MethodPost, path: "/channels/" + channelID + "/members",
		body: map[string]string{"user_id": self}}, nil)
}

// Direct opens the conversation with one user, or the group message with two
// to seven; it gives the same channel each time.
func (c *Client) Direct(ctx context.Context, userIDs ...string) (Channel, error) {
	if len(userIDs) < 1 || len(userIDs) > 7 {
		return Channel{}, fault.Field("user ids", "a direct message has one other person, a group message two to seven")
	}
	for _, id := range userIDs {
		if err := checkIDs("user id", id); err != nil {
			return Channel{}, err
		}
	}
	self, err := c.selfID(ctx)
	if err != nil {
		return Channel{}, err
	}
	path := "/channels/direct"
	if len(userIDs) > 1 {
		path = "/channels/group"
	}
	var ch Channel
	err = c.call(ctx, request{op: "open direct channel", method: http.MethodPost, path: path, body: append([]string{self}, userIDs...)}, &ch)
	return ch, err
}

// pathName checks and escapes a name that goes into a path.
func pathName(what, name string) (string, error) {
	if name == "" || len(name) > 64 || name == "." || name == ".." {
		return "", fault.Field(what, "is not a name; write it as in its address, without spaces")
	}
	return url.PathEscape(name), nil
}

// checkIDs takes pairs of a field's name and an id.
func checkIDs(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if !ValidID(pairs[i+1]) {
			return fault.Field(pairs[i], "is not a Mattermost id (26 characters of a-z and 0-9)")
		}
	}
	return nil
}
