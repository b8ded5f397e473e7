package rtm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"parley/internal/channel"
	"parley/internal/fault"
	"parley/internal/secret"
	"parley/internal/store"
)

// timeForm is the only form of time that every client reads; Android drops
// messages with another one.
const timeForm = "2006-01-02T15:04:05.000Z"

func wireTime(t time.Time) string { return t.UTC().Format(timeForm) }

// granted is the answer of a grant. Clients read accessToken, token_type (iOS
// and React Native build their header from it) and userId; nobody reads the
// dates, and no client refreshes early.
type granted struct {
	Authorization authorization `json:"authorization"`
	UserInfo      userInfo      `json:"userInfo"`
}

type authorization struct {
	AccessToken        string `json:"accessToken"`
	TokenType          string `json:"token_type"`
	ExpiresDate        string `json:"expiresDate"`
	RefreshExpiresDate string `json:"refreshExpiresDate"`
	IssuedDate         string `json:"issuedDate"`
}

type userInfo struct {
	UserID     string `json:"userId"`
	AccountID  string `json:"accountId"`
	OrgID      string `json:"orgId"`
	Identity   string `json:"identity"`
	EnrollType string `json:"enrollType"`
	ManagedBy  string `json:"managedBy"`
	FirstName  string `json:"fName"`
	LastName   string `json:"lName"`
}

// grant exchanges a JWT for an access token.
func (d *Driver) grant(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if body.Object {
		return d.anonymousGrant(w, r)
	}
	if err := d.grants.enter(r.Context()); err != nil {
		return err
	}
	defer d.grants.leave()
	now := d.Now()
	a, id, err := d.admit(body, now)
	if err != nil {
		d.traceRefusal("grant", body.Bot, claimedPlace(body.Assertion), err)
		return err
	}
	if err := d.spendJTI(r.Context(), id, now); err != nil {
		d.traceRefusal("grant", body.Bot, id.place(), err)
		return err
	}
	answer, err := d.issue(a, id, now)
	if err != nil {
		return err
	}
	d.trace(a.bot.id, id.place(), "in", "grant", func() string { return "jwt of " + id.place() + " accepted" }, "")
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// anonymousGrant refuses the old web form that sends an issuer and a subject
// without any proof.
func (d *Driver) anonymousGrant(http.ResponseWriter, *http.Request) error {
	return refused("a grant without a signed JWT is not allowed; let your server sign one, with isAnonymous if nobody has logged in")
}

func (id identity) place() string {
	if id.App == "" {
		return ""
	}
	return access{App: id.App, Subject: id.Subject}.place()
}

// admit checks the JWT and then whether its app may use the bot, in this
// order, so that a stranger learns nothing about bots.
func (d *Driver) admit(body requestBody, now time.Time) (*app, identity, error) {
	st := d.state.Load()
	issuer, err := peekIssuer(body.Assertion)
	if err != nil {
		return nil, identity{}, err
	}
	candidates := st.apps[issuer]
	if len(candidates) == 0 {
		return nil, identity{}, refused("its iss is not the client id of an app here")
	}
	if body.Bot == "" {
		return nil, identity{}, fault.Field("botInfo.taskBotId", "is missing; it is the bot's id (st-...)")
	}
	chosen := candidates[0]
	named := st.bots[body.Bot]
	if named != nil && named.apps[issuer] != nil {
		chosen = named.apps[issuer]
	}
	id, err := chosen.verify(body.Assertion, now)
	switch {
	case err != nil:
		return nil, identity{}, err
	case named == nil:
		return nil, id, fault.New(fault.NotFound, "botInfo.taskBotId: there is no such bot here")
	case named.apps[issuer] == nil:
		return nil, id, fault.New(fault.Forbidden, "botInfo.taskBotId: this app may not use that bot")
	case named.disabled:
		return nil, id, fault.New(fault.Forbidden, "this bot is switched off")
	}
	return chosen, id, nil
}

// spendJTI makes sure that a JWT of an app that asks for it works once, on all
// nodes together.
func (d *Driver) spendJTI(ctx context.Context, id identity, now time.Time) error {
	if id.JTI == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(id.App + "\x00" + id.JTI))
	used, err := store.Do(ctx, d.Writer, store.UseOnce{
		Kind: "rtm-jti", Key: hex.EncodeToString(sum[:]),
		ExpiresAt: now.Add(singleUseLife + 2*jwtLeeway),
	})
	if err != nil {
		return err
	}
	if !used.First {
		return refused("it was used before, and this app takes each token once")
	}
	return nil
}

func (d *Driver) issue(a *app, id identity, now time.Time) (granted, error) {
	expires := now.Add(a.life)
	token, err := sign(d.Signer, purposeAccess, access{
		Bot: a.bot.id, App: id.App, Subject: id.Subject, Name: id.Name, Anonymous: id.Anonymous, ID: newNonce(),
	}, expires)
	if err != nil {
		return granted{}, fmt.Errorf("sign access token: %w", err)
	}
	account := accountID(a.bot.id)
	return granted{
		Authorization: authorization{
			AccessToken: token, TokenType: "bearer",
			ExpiresDate: wireTime(expires), RefreshExpiresDate: wireTime(expires), IssuedDate: wireTime(now),
		},
		UserInfo: userInfo{
			UserID: userID(a.bot.id, id.place()), AccountID: account, OrgID: orgID(a.bot.id),
			Identity: id.place(), EnrollType: "free", ManagedBy: account,
		},
	}, nil
}

// idSpace is the namespace of the derived ids below; it must never change.
var idSpace = uuid.MustParse("6d2f6d1e-54a7-5b0e-9d53-3f0e6c1b7a40")

// userID is stable for a user of a bot, as clients keep it.
func userID(bot, place string) string {
	return "u-" + uuid.NewSHA1(idSpace, []byte("user\x00"+bot+"\x00"+place)).String()
}

func orgID(bot string) string {
	return "o-" + uuid.NewSHA1(idSpace, []byte("org\x00"+bot)).String()
}

// accountID has the vendor's form of 24 hexadecimal digits.
func accountID(bot string) string {
	sum := sha256.Sum256([]byte("account\x00" + bot))
	return hex.EncodeToString(sum[:12])
}

// traceRefusal shows a refused request to whoever watches the place.
func (d *Driver) traceRefusal(kind, bot, place string, err error) {
	d.trace(bot, place, "note", "refused", func() string { return kind }, fault.Message(err))
}

// trace records one thing if somebody watches; body is built only then.
func (d *Driver) trace(bot, place, direction, kind string, body func() string, reason string) {
	if !d.Trace.Watched(channelID(bot), place) {
		return
	}
	d.Trace.Record(channelID(bot), place, channel.TraceRecord{
		At: d.Now(), Direction: direction, Kind: kind, Body: secret.Redact(body()), Reason: secret.Redact(reason),
	})
}
