package mattermost

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"parley/internal/channel"
	mm "parley/internal/mattermost"
)

// ProbePath is where a [Prober] is called.
const ProbePath = "/mattermost/probe"

const (
	// probeAction is the button of the probe; only letters and digits work.
	probeAction = "probe"
	probeType   = "custom_parley_probe"
	// probeLife is how long a probe may be under way: the server waits 30 s.
	probeLife = time.Minute
	// backTime bounds the way there and back.
	backTime = 15 * time.Second
	// A probe is signed for the way to us, its answer for the way back.
	purposeProbe = "mattermost probe"
	purposeProof = "mattermost probe proof"
)

// ProbeOptions are what a [Prober] needs.
type ProbeOptions struct {
	// CallbackBase is as in [Options].
	CallbackBase func() string
	Signer       Signer
	// Now is the clock; it defaults to time.Now.
	Now func() time.Time
}

// Prober is [Kind] for a process that Mattermost may call: its test also tries
// the way back. A bot posts a button into the direct channel with itself, which
// nobody else sees, presses it, and deletes the post. Mattermost then calls
// [Prober.Handler], and writes what that says into the post; since the answer
// is signed, any node with the same key file may be the one that is called.
type Prober struct {
	Kind
	ProbeOptions
}

var (
	_ channel.Kind   = (*Prober)(nil)
	_ channel.Tester = (*Prober)(nil)
)

// NewProber returns a prober.
func NewProber(o ProbeOptions) *Prober {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Prober{ProbeOptions: o}
}

// Test implements [channel.Tester].
func (b *Prober) Test(ctx context.Context, c channel.Configured) []channel.Finding {
	return (&probe{now: b.Now, back: b}).run(ctx, c)
}

// maxProbe bounds the body of a call, in bytes: it is about 600.
const maxProbe = 16 << 10

// Handler answers the call of Mattermost: POST [ProbePath]. Calls that are not
// ours learn nothing.
func (b *Prober) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "this address is for tests by Mattermost", http.StatusMethodNotAllowed)
			return
		}
		text, err := io.ReadAll(io.LimitReader(r.Body, maxProbe+1))
		if err != nil || len(text) > maxProbe {
			http.Error(w, "too long", http.StatusRequestEntityTooLarge)
			return
		}
		nonce, ok := b.open(text)
		if !ok {
			http.Error(w, "not a test of this Parley", http.StatusForbidden)
			return
		}
		proof := b.Signer.Sign(purposeProof, nonce, b.Now().Add(probeLife))
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ // who is gone misses it
			"update": map[string]any{"message": proof, "props": map[string]any{}},
		})
	})
}

// open reads the nonce of a call.
func (b *Prober) open(text []byte) ([]byte, bool) {
	var call struct {
		Context struct {
			Probe string `json:"probe"`
		} `json:"context"`
	}
	if json.Unmarshal(text, &call) != nil {
		return nil, false
	}
	nonce, err := b.Signer.Open(purposeProbe, call.Context.Probe, b.Now())
	return nonce, err == nil
}

// callback tries whether Mattermost can call us, which buttons need.
func (p *probe) callback(ctx context.Context) {
	base := ""
	if p.back != nil {
		base = strings.TrimRight(p.back.CallbackBase(), "/")
	}
	switch {
	case p.back == nil:
		p.ok(foundUntried, "not tried whether Mattermost can call Parley, which buttons need: no server runs here to be called")
		return
	case base == "":
		p.warn(foundCallback, "Parley does not know the address at which Mattermost can call it: buttons are shown as words to type", "set public_url")
		return
	case !p.me.IsBot:
		p.ok(foundUntried, "not tried whether Mattermost can call %s, which buttons need: the test would leave a trace in the direct messages of @%s; a button that works shows it", base, p.me.Username)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, backTime)
	defer cancel()
	reached, err := p.back.roundTrip(ctx, p.client, p.me.ID, base+ProbePath)
	switch {
	case err == nil && reached:
		p.ok(foundCallback, "Mattermost reaches Parley at %s, so buttons work", base)
	case err == nil:
		p.warn(foundCallback, "Mattermost calls "+base+", but something else than this Parley answers there", "set public_url to the address of this Parley")
	case mm.IDOf(err) == mm.IDActionFailed, errors.Is(err, context.DeadlineExceeded):
		p.warn(foundCallback, "Mattermost cannot call Parley at "+base+": buttons fail when pressed; the words beside them work", callbackMend(ctx, base, p.host()))
	default:
		p.warn(foundCallback, "it could not be tried whether Mattermost can call "+base+": "+explainShort(err), "press a button to see; the account needs the right to write direct messages and to delete its own posts")
	}
}

// roundTrip makes Mattermost call an address, and reports whether it was us who
// answered.
func (b *Prober) roundTrip(ctx context.Context, c *mm.Client, self, address string) (reached bool, err error) {
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return false, fmt.Errorf("make a nonce: %w", err)
	}
	dm, err := c.Direct(ctx, self)
	if err != nil {
		return false, err
	}
	signed := b.Signer.Sign(purposeProbe, nonce, b.Now().Add(probeLife))
	post, err := c.CreatePost(ctx, mm.NewPost{
		ChannelID: dm.ID, Type: probeType, Message: "Parley tests whether this server can call it.",
		Props: map[string]any{"attachments": []any{map[string]any{"actions": []any{map[string]any{
			"id": probeAction, "name": "Test", "type": "button",
			"integration": map[string]any{"url": address, "context": map[string]any{"probe": signed}},
		}}}}},
	})
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
		defer cancel()
		if gone := c.DeletePost(ctx, post.ID); gone != nil && err == nil {
			err = gone
		}
	}()
	if err := c.Press(ctx, post.ID, probeAction); err != nil {
		return false, err
	}
	after, err := c.Post(ctx, post.ID)
	if err != nil {
		return false, err
	}
	back, err := b.Signer.Open(purposeProof, after.Message, b.Now())
	return err == nil && string(back) == string(nonce), nil
}

// callbackMend says what to do when Mattermost cannot call us. Why it could not
// stands in its log alone, so what is likely comes first.
func callbackMend(ctx context.Context, base, server string) string {
	u, err := url.Parse(base)
	if err != nil {
		return "set public_url to an address at which Mattermost reaches Parley"
	}
	host := u.Hostname()
	filter := fmt.Sprintf("in Mattermost, add %s to System Console, Environment, Developer, Allow untrusted internal connections to (ServiceSettings.AllowedUntrustedInternalConnections; mmctl config set ServiceSettings.AllowedUntrustedInternalConnections %q), beside what is there", host, host)
	switch {
	case isLocal(host) && !isLocal(server):
		return "set public_url to an address at which Mattermost's machine reaches Parley: " + host + " is Mattermost's own machine to it"
	case isInside(ctx, host) || host == server:
		return filter + "; if that is done, try from Mattermost's machine: curl -i " + base + "/healthz"
	}
	return "try from Mattermost's machine: curl -i " + base + "/healthz (name, firewall, certificate); if it works there, " + filter
}

// isLocal reports whether a host is the machine itself, to whoever uses it.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// isPrivateName reports whether a host is inside somebody's network, as far as
// the name itself tells.
func isPrivateName(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return isPrivate(ip)
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, end := range []string{".local", ".internal", ".lan", ".intranet", ".corp", ".home.arpa", ".localhost"} {
		if strings.HasSuffix(host, end) {
			return true
		}
	}
	return host != "" && !strings.Contains(host, ".")
}

// sharedRange is the range for carriers, which Mattermost refuses to call too.
var sharedRange = netip.MustParsePrefix("100.64.0.0/10")

func isPrivate(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || sharedRange.Contains(ip)
}

// isInside is isPrivateName with a look into the DNS.
func isInside(ctx context.Context, host string) bool {
	if isPrivateName(host) {
		return true
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false
	}
	for _, ip := range ips {
		if isPrivate(ip) {
			return true
		}
	}
	return false
}
