package mattermost

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"parley/internal/fault"
)

// IncomingWebhook posts through an incoming webhook; payload is encoded as
// JSON. hook is the whole address, whose last part is the secret: errors never
// name it. No id comes back, and there is no key against repeats: after an
// [Uncertain] error only the channel itself can tell.
//
// Nearly all refusals share one error id, so the status decides: 400 empty
// text or unknown hook, 403 locked to another channel or no member, 404
// unknown channel, 501 webhooks are switched off.
func (c *Client) IncomingWebhook(ctx context.Context, hook string, payload any) error {
	if err := CheckWebhook(hook); err != nil {
		return err
	}
	rq := request{op: "post through incoming webhook", method: http.MethodPost, hook: hook, body: payload, anonymous: true}
	answer, err := c.do(ctx, rq)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(answer.body)) != "ok" {
		return foreign(rq, answer)
	}
	return nil
}

// CheckWebhook checks the address of an incoming webhook; errors are faults of
// kind Invalid.
func CheckWebhook(hook string) error {
	const field, form = "incoming_url", "it looks like https://chat.example.com/hooks/ and 26 letters and digits"
	u, err := url.Parse(hook)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return fault.Field(field, "is not the address of an incoming webhook; %s", form)
	}
	_, id, found := strings.Cut(u.Path, "/hooks/")
	if !found || !ValidID(id) || u.RawQuery != "" || u.Fragment != "" {
		return fault.Field(field, "is not the address of an incoming webhook; %s", form)
	}
	return nil
}
