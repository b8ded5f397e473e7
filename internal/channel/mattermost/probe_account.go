package mattermost

import (
	"context"
	"fmt"
	"strings"

	mm "parley/internal/mattermost"
)

// Roles that let an account post where it is no member.
const (
	roleAdmin      = "system_admin"
	rolePostAll    = "system_post_all"
	rolePostPublic = "system_post_all_public"
)

// account finds out whether the server takes the credentials.
func (p *probe) account(ctx context.Context) bool {
	me, err := p.client.Me(ctx)
	if err != nil {
		p.noAccount(err)
		return false
	}
	p.me = me
	switch {
	case me.IsBot:
		p.ok(foundAccount, "signed in as @%s, a bot", me.Username)
	case p.body.User != "":
		p.ok(foundAccount, "signed in as @%s, a person's account with a password: it works, but its session ends now and then, ten wrong passwords lock it, and it counts as a user; a bot has none of that", me.Username)
	default:
		p.ok(foundAccount, "signed in as @%s, a person's account with a personal access token: it works like a bot, but counts as a user", me.Username)
	}
	return true
}

// noAccount explains refused credentials by the error's id; the server's own
// sentence is translated and of no use.
func (p *probe) noAccount(err error) {
	switch id := mm.IDOf(err); {
	case strings.HasPrefix(id, "api.user.login.invalid_credentials"):
		p.fail(foundPassword, "user name or password is wrong; nobody says which",
			"correct user and password of the channel; after ten failures the account is locked, so do not guess")
	case id == "api.user.login.blank_pwd.app_error":
		p.fail(foundPassword, "the password is empty", "give the password of the channel")
	case id == "mfa.validate_token.authenticate.app_error", id == "api.user.check_user_mfa.bad_code.app_error":
		p.fail(foundSecondFactor, "the account asks for a second factor, which a program cannot give",
			"use a bot's token in place of user and password, or switch the second factor off for this account: mmctl user resetmfa "+p.body.User)
	case id == "api.user.check_user_login_attempts.too_many.app_error":
		p.fail(foundLocked, "the account is locked after too many failed logins, and refuses the right password too",
			"let an admin set a new password (System Console, User Management, Users, Reset Password, or mmctl user change-password "+p.body.User+"), then give it to the channel")
	case id == "api.user.login.inactive.app_error":
		p.fail(foundDeactivated, "the account is deactivated",
			"let an admin activate it: System Console, User Management, Users, Activate, or mmctl user activate "+p.body.User)
	case id == "api.user.login.bot_login_forbidden.app_error":
		p.fail(foundBotLogin, "the account is a bot's, and bots cannot log in with a password", "give the bot's token as token, and take user and password out")
	case mm.IsUnauthorized(err) && p.body.User == "":
		p.fail(foundToken, "the server does not accept the token: it is wrong or revoked, or the account is disabled",
			"Integrations, Bot Accounts: enable the bot if it is disabled (mmctl bot enable NAME), and make a new token for it (mmctl token generate NAME parley); "+
				"for a personal access token also check System Console, Integrations, Integration Management, Enable Personal Access Tokens; a proxy in front has to pass on the header Authorization")
	case mm.IsUnauthorized(err):
		p.fail(foundAccount, "the server ended the session it had just given", "a proxy in front of Mattermost has to pass on the header Authorization")
	default:
		p.failed(foundAccount, err)
	}
}

// roles says what the account may do beyond what a member may.
func (p *probe) roles(ctx context.Context) {
	if p.me.HasRole(roleAdmin) {
		p.warn(foundAdmin, fmt.Sprintf("@%s is a system admin: whoever gets its token has the whole server; Parley needs no such right", p.me.Username),
			"System Console, User Management, Users: make it a member, or mmctl roles member "+p.me.Username)
	}
	all, public := p.me.HasRole(rolePostAll), p.me.HasRole(rolePostPublic)
	if all {
		p.warn(foundPostAll, "the role system_post_all is there: the account may post into every channel, private ones too, without being in it (and without reading there); Parley does not need it",
			"Integrations, Bot Accounts, Edit: take post:all away, unless another program uses this account")
	}
	if public {
		p.warn(foundPostPublic, "the role system_post_all_public is there: the account may post into every public channel without being in it (and without reading there); Parley does not need it",
			"Integrations, Bot Accounts, Edit: take post:channels away, unless another program uses this account")
	}
	if !all && !public {
		p.ok(foundRoles, "no extra role: the account posts only where it was added, which is all Parley needs (system_post_all would let it post everywhere, system_post_all_public into all public channels; neither lets it read)")
	}
}

// defaultRooms are those that every member of a team is in.
var defaultRooms = []string{"town-square", "off-topic"}

// places says where the account is.
func (p *probe) places(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	teams, err := p.client.MyTeams(ctx)
	if err != nil {
		p.failed(foundTeams, err)
		return
	}
	rooms, err := p.client.MyChannels(ctx)
	if err != nil {
		p.failed(foundRooms, err)
		return
	}
	var names []string
	for _, t := range teams {
		if t.DeleteAt == 0 {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		p.warn(foundTeams, fmt.Sprintf("@%s is in no team: it is reached by direct messages alone, and is refused in all channels", p.me.Username),
			fmt.Sprintf("add it to a team: in the team's menu Invite People, or System Console, User Management, Teams, or mmctl team users add TEAM %s; then invite it to channels", p.me.Username))
	} else {
		p.ok(foundTeams, "in %s: %s", count(len(names), "team"), few(names))
	}
	p.joined(rooms, len(names) > 0)
	p.roomSettings(ctx, teams, rooms)
}
