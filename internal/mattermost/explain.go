package mattermost

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"parley/internal/fault"
)

// errNoUpgrade is a refusal of the WebSocket by something that is not
// Mattermost.
var errNoUpgrade = errors.New("the WebSocket was refused")

// elsewhere is a redirect that was not followed; it holds scheme and host.
type elsewhere struct{ to string }

func (e elsewhere) Error() string { return "redirected to " + e.to }

// redirected keeps of a Location what an owner needs to mend the address.
func redirected(location string) error {
	if u, err := url.Parse(location); err == nil && u.Host != "" && len(u.Host) < 256 {
		return elsewhere{u.Scheme + "://" + u.Host}
	}
	return ErrForeign
}

// explain makes the text that may be shown: what happened and the mend, from
// status and error id alone.
func explain(e *Error) *fault.Error {
	kind := kindOf(e)
	text := byID(e.ID)
	if text == "" {
		text = byCause(e)
	}
	if text == "" {
		text = byStatus(e.Status)
	}
	if e.ID != "" {
		text += " (Mattermost: " + e.ID + ")"
	}
	return &fault.Error{Kind: kind, Safe: e.Op + ": " + text}
}

func kindOf(e *Error) fault.Kind {
	switch e.Status {
	case http.StatusUnauthorized:
		return fault.Unauthenticated
	case http.StatusForbidden:
		return fault.Forbidden
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusRequestEntityTooLarge:
		return fault.TooLarge
	case http.StatusTooManyRequests:
		return fault.TooMany
	case http.StatusNotImplemented:
		return fault.Conflict
	}
	if e.Status >= 300 && e.Status < 500 {
		return fault.Invalid
	}
	return fault.Unavailable
}

// byID explains error ids that an owner can do something about.
func byID(id string) string {
	switch id {
	case IDSessionExpired, idNotAuthentic:
		return "the server does not accept the token or session: it is wrong, revoked, or the account is disabled; make a new token and set it"
	case IDPermissions:
		return "the account may not do this; add it to the team and the channel, or give it the role it needs"
	case "api.user.login.invalid_credentials_email_username", "api.user.login.invalid_credentials_email",
		"api.user.login.invalid_credentials_username", "api.user.login.invalid_credentials_sso":
		return "user name or password is wrong; correct them (ten failures lock the account)"
	case "mfa.validate_token.authenticate.app_error", "api.user.check_user_mfa.bad_code.app_error":
		return "the account asks for a second factor, which a program cannot give; switch it off for this account, or use a token"
	case "api.user.check_user_login_attempts.too_many.app_error":
		return "the account is locked after too many failed logins; let an admin reset the attempts or set a new password"
	case "api.user.login.inactive.app_error":
		return "the account is deactivated; let an admin activate it"
	case "api.user.login.bot_login_forbidden.app_error":
		return "a bot cannot log in with a password; give its token"
	case "api.user.login.blank_pwd.app_error":
		return "the password is empty; give one"
	case IDChannelArchived:
		return "the channel is archived; restore it or take it off the list"
	case IDRootGone:
		return "the thread's first post is gone, or is itself a reply"
	case IDRootElsewhere:
		return "the thread is in another channel"
	case IDMessageTooLong:
		return "the text is longer than the server allows"
	case "model.post.is_valid.file_ids.app_error":
		return "a post has at most 10 files"
	case IDEditTimeLimit:
		return "the time in which a post may be edited is over"
	case IDDuplicate:
		return "the same post is being made at this moment; try again in a second"
	case "api.context.request_body_too_large.app_error":
		return "the request is larger than the server takes (300 kB by default)"
	case "api.bot.create_disabled":
		return "bot accounts are switched off; let an admin switch on EnableBotAccountCreation"
	case "app.user_access_token.disabled":
		return "personal access tokens are switched off; let an admin switch on EnableUserAccessTokens"
	case "api.incoming_webhook.disabled.app_error":
		return "incoming webhooks are switched off; let an admin switch on EnableIncomingWebhooks"
	case "app.team.get_member.missing.app_error":
		return "the account is not in the team; add it"
	}
	return ""
}

// byCause explains why there was no usable answer.
func byCause(e *Error) string {
	var (
		away    elsewhere
		name    *net.DNSError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
		record  tls.RecordHeaderError
		timeout net.Error
		dialing *net.OpError
	)
	switch err := e.cause; {
	case err == nil:
		return ""
	case errors.As(err, &away):
		return fmt.Sprintf("the server sends us on to %s; give that address", away.to)
	case errors.Is(err, errNoUpgrade):
		return fmt.Sprintf("the WebSocket was refused with status %d; a proxy in front of the server has to pass on Upgrade and Connection", e.Status)
	case errors.Is(err, ErrForeign):
		return fmt.Sprintf("what answered (status %d) is not Mattermost's API; check the address, and the proxy in front of it", e.Status)
	case errors.Is(err, ErrTooLarge):
		return "the answer is larger than any that Mattermost gives; check the address"
	case errors.As(err, &dialing) && dialing.Op == "proxyconnect":
		return "the proxy cannot be reached; check its address"
	case errors.As(err, &name):
		return "the name of the server is not known to the DNS; check the address"
	case errors.As(err, &unknown):
		return "the server's certificate is signed by an authority that this machine does not know; name its file as ca_file"
	case errors.As(err, &invalid):
		return "the server's certificate is not valid (expired?); renew it, or check this machine's clock"
	case errors.As(err, &host):
		return "the server's certificate is for another name; give the address that the certificate names"
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return "the server does not speak TLS at this address; try http:// in place of https://"
	case errors.Is(err, errDead), errors.Is(err, ErrSilent):
		return "the WebSocket opens and stays silent; a proxy in front of the server may hold it back"
	case errors.Is(err, ErrGap):
		return "events are missing on the WebSocket; it is opened anew"
	case errors.Is(err, ErrCut):
		return "the WebSocket was cut; it is opened anew"
	case errors.Is(err, context.Canceled):
		return "given up on our side before an answer came"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "the server did not answer in time"
	}
	return "the server cannot be reached; check that it runs and that its address and port are right"
}

func byStatus(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "the server does not accept the credentials"
	case status == http.StatusForbidden:
		return "the account may not do this"
	case status == http.StatusNotFound:
		return "it does not exist, or this account may not see it"
	case status == http.StatusRequestEntityTooLarge:
		return "the request is larger than the server takes"
	case status == http.StatusTooManyRequests:
		return "the server wants fewer requests; it goes on by itself"
	case status == http.StatusNotImplemented:
		return "this is switched off on the server"
	case status >= 500:
		return fmt.Sprintf("the server is in trouble (status %d); try again later", status)
	}
	return fmt.Sprintf("the server refused the request (status %d)", status)
}
