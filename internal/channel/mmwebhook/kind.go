package mmwebhook

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
)

var (
	_ channel.Exporter = Kind{}
	_ channel.Tester   = Kind{}
	_ channel.Asker    = Kind{}
)

// Export implements [channel.Exporter]. The callback keys are written out, as
// references: the address stands in Mattermost.
func (Kind) Export(c channel.Configured) (map[string]any, error) {
	body, err := ParseBody(c.Body)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(c.Body, &m); err != nil {
		return nil, fmt.Errorf("export mattermost-webhook settings: %w", err)
	}
	delete(m, "server")
	if bot, ok := m["bot"].(map[string]any); ok && len(bot) == 0 {
		delete(m, "bot")
	}
	m["outgoing_token"] = exportProofs(body.Tokens, "token", func(n int) string { return TokenSecret(body.ID, n) })
	m["callback_key"] = exportProofs(body.Keys, "key", func(n int) string { return KeySecret(body.ID, n) })
	if body.Server != "" {
		m["incoming_url"] = channel.SecretRef(IncomingSecret(body.ID))
	}
	return m, nil
}

func exportProofs(all []ProofBody, key string, id func(int) string) any {
	if len(all) == 1 && all[0].Until == never {
		return channel.SecretRef(id(0))
	}
	list := make([]any, len(all))
	for i, p := range all {
		one := map[string]any{key: channel.SecretRef(id(i))}
		if p.Until != never {
			one["until"] = p.Until
		}
		list[i] = one
	}
	return list
}

// Questions implements [channel.Asker].
func (Kind) Questions() []channel.Question {
	return []channel.Question{
		{Key: "outgoing_token", Prompt: "token of the outgoing webhook", Help: "Integrations, Outgoing Webhooks; put any callback URL there for now, the right one is shown afterwards", Secret: true},
		{Key: "incoming_url", Prompt: "address of an incoming webhook", Help: "Integrations, Incoming Webhooks, not locked to a channel; empty if only instant answers are wanted", Secret: true, Optional: true},
		{Key: "trigger_words", Prompt: "trigger words", Help: "as in the outgoing webhook, with commas between; they are taken off the text", List: true, Optional: true},
		{Key: "bot.name", Prompt: "name shown with answers", Help: "only where the server allows integrations to override user names; empty for the webhook's own", Optional: true},
	}
}

// Guide says what to paste where: it holds the callback URL, whose last part is
// a secret between Mattermost and Parley.
func (Kind) Guide(c channel.Configured, publicURL string) []channel.Shown {
	body, err := ParseBody(c.Body)
	if err != nil {
		// The settings are shown beside this; that they are unreadable shows there.
		return nil
	}
	const into = "in Mattermost, outgoing webhook: "
	var paste []channel.Shown
	for i, p := range body.Keys {
		key, err := c.Secret(KeySecret(body.ID, i))
		if err != nil {
			continue
		}
		label := into + "Callback URLs"
		if p.Until != never {
			label = "old callback URL, taken until " + p.Until
		}
		paste = append(paste, channel.Shown{Label: label, Value: strings.TrimRight(publicURL, "/") + hooksPath + key})
	}
	paste = append(paste, channel.Shown{Label: into + "Content Type", Value: asJSON})
	words := "none: choose a public channel, every post in it is then for Parley"
	if len(body.TriggerWords) > 0 {
		words = strings.Join(body.TriggerWords, ", ")
	}
	paste = append(paste,
		channel.Shown{Label: into + "Trigger Words", Value: words},
		channel.Shown{Label: "in Parley: outgoing_token", Value: "the token that Mattermost shows with the outgoing webhook"})
	incoming := "the address Mattermost shows with an incoming webhook, not locked to a channel; without it only instant answers arrive"
	if body.Server != "" {
		incoming = "set, on " + body.Server
	}
	return append(paste, channel.Shown{Label: "in Parley: incoming_url", Value: incoming})
}

// Advise says what works but is weak.
func (Kind) Advise(c channel.Configured) []string {
	body, err := ParseBody(c.Body)
	if err != nil {
		return nil
	}
	var all []string
	if body.Server == "" {
		all = append(all, "there is no incoming_url: an answer that takes a moment cannot be brought, and its delivery fails; make an incoming webhook and set its address")
	}
	all = append(all, adviseProofs(body.Tokens, "outgoing_token", time.Now())...)
	all = append(all, adviseProofs(body.Keys, "callback_key", time.Now())...)
	for i := range body.Tokens {
		if token, err := c.Secret(TokenSecret(body.ID, i)); err == nil && !mm.ValidID(token) {
			all = append(all, "an outgoing_token does not look like one that Mattermost made (26 letters and digits); copy it again if no post comes through")
		}
	}
	return all
}

func adviseProofs(all []ProofBody, what string, now time.Time) []string {
	good, old := 0, 0
	for _, p := range all {
		until, err := parseUntil(p.Until)
		if err == nil && counts(until, now) {
			good++
		} else {
			old++
		}
	}
	switch {
	case good == 0:
		return []string{"every " + what + " is past its until, so no post is taken; give the current one"}
	case old > 0:
		return []string{"an old " + what + " is past its until and no longer taken; take it out"}
	}
	return nil
}

// Test implements [channel.Tester]. The way from Mattermost to us cannot be
// tried from here; the way back is tried without making a post.
func (Kind) Test(ctx context.Context, c channel.Configured) []channel.Finding {
	body, err := ParseBody(c.Body)
	if err != nil {
		return []channel.Finding{{Level: channel.LevelFail, Name: "settings", Text: "the settings cannot be read", Mend: "apply the catalog again"}}
	}
	all := []channel.Finding{{Level: channel.LevelOK, Name: "outgoing webhook",
		Text: "posts arrive when Mattermost calls; whether it can is seen only when somebody writes: Mattermost's log says \"address forbidden\" when AllowedUntrustedInternalConnections keeps it from calling this server"}}
	if body.Bot != (BotBody{}) {
		all = append(all, channel.Finding{Level: channel.LevelOK, Name: "name and picture",
			Text: "Mattermost shows them only while \"Enable integrations to override usernames\" and \"... profile picture icons\" are on (System Console, Integrations); else answers show the name of who made the webhook"})
	}
	if body.Server == "" {
		return append(all, channel.Finding{Level: channel.LevelWarn, Name: "incoming webhook",
			Text: "there is none: answers that take a moment cannot be brought", Mend: "make an incoming webhook in Mattermost and set its address as incoming_url"})
	}
	address, err := c.Secret(IncomingSecret(body.ID))
	if err != nil {
		return append(all, channel.Finding{Level: channel.LevelFail, Name: "incoming webhook", Text: "its address does not open", Mend: "give incoming_url again"})
	}
	client, err := mm.New(mm.Options{Server: body.Server, CAFile: body.CAFile, Proxy: body.Proxy})
	if err != nil {
		return append(all, channel.Finding{Level: channel.LevelFail, Name: "server", Text: fault.Message(err), Mend: "correct incoming_url, ca_file or proxy"})
	}
	defer client.Close(context.WithoutCancel(ctx))
	if _, err := client.Ping(ctx); err != nil {
		return append(all, channel.Finding{Level: channel.LevelFail, Name: "server", Text: fault.Message(err), Mend: "correct incoming_url, ca_file or proxy, or let this machine reach " + body.Server})
	}
	return append(all, channel.Finding{Level: channel.LevelOK, Name: "server", Text: body.Server + " answers"}, probe(ctx, client, address))
}

// probe finds out whether an incoming webhook works by posting to a channel
// that does not exist: the server looks for the hook first, then for the
// channel, so 404 is the good answer.
func probe(ctx context.Context, client *mm.Client, address string) channel.Finding {
	const name = "incoming webhook"
	err := client.IncomingWebhook(ctx, address, incoming{Channel: "parley-probe-" + strings.ToLower(rand.Text()), Text: "probe"})
	own := mm.IDOf(err) != ""
	switch status := mm.StatusOf(err); {
	case own && status == http.StatusNotFound:
		return channel.Finding{Level: channel.LevelOK, Name: name, Text: "it is there; it has to be free to post everywhere: where \"Lock to this channel\" is set in Mattermost, answers to posts in other channels fail"}
	case own && status == http.StatusBadRequest:
		return channel.Finding{Level: channel.LevelFail, Name: name, Text: "Mattermost does not know it", Mend: "copy its address again, or make a new one (archiving a channel deletes its webhooks)"}
	case status == http.StatusNotImplemented:
		return channel.Finding{Level: channel.LevelFail, Name: name, Text: "incoming webhooks are switched off on the server", Mend: "let an admin switch on EnableIncomingWebhooks (System Console, Integrations)"}
	case err == nil:
		return channel.Finding{Level: channel.LevelWarn, Name: name, Text: "something took a post for a channel that does not exist", Mend: "check that incoming_url is Mattermost's"}
	}
	return channel.Finding{Level: channel.LevelFail, Name: name, Text: fault.Message(err), Mend: "correct incoming_url, or what stands between Parley and " + client.Server()}
}
