package cli

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"parley/internal/config"
	"parley/internal/fault"
	"parley/internal/secret"
)

// remote is the address of a server elsewhere, or empty: what --url says, else
// PARLEY_URL unless a data folder is named on the command line.
func (r *run) remote() (string, error) {
	switch g := r.cli; {
	case g.URL != "" && g.Data != "":
		return "", fault.New(fault.Invalid, "--url names a server and --data a folder of this machine; give one of them")
	case g.URL != "":
		return g.URL, nil
	case g.Data != "":
		if g.Token != "" {
			return "", fault.New(fault.Invalid, "--token belongs to --url; a server on this machine asks for none")
		}
		return "", nil
	}
	address := r.lookup("PARLEY_URL")
	if address == "" && r.cli.Token != "" {
		return "", fault.New(fault.Invalid, "--token needs --url, or PARLEY_URL, to say which server it is for")
	}
	return address, nil
}

// here refuses --url for a command that works on this machine alone.
func (r *run) here(command string) error {
	if r.cli.URL == "" {
		return nil
	}
	return fault.New(fault.Invalid, "parley %s works on a data folder of this machine; leave --url out", command)
}

// overNetwork reaches a server elsewhere with an API token.
func (r *run) overNetwork(address string) (*client, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fault.New(fault.Invalid, "--url: this is not the address of a server; write scheme and host, such as https://chat.example.com")
	}
	token, err := r.token()
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && !ip.IsLoopback() {
		r.note("warning: with http:// the token can be read on the way; use https://")
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
	}
	base := strings.TrimRight(u.String(), "/")
	return &client{
		base: base, remote: base, token: token, online: true,
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			// A token goes to the address it was given for, and nowhere else.
			return http.ErrUseLastResponse
		}},
		close: func() error { transport.CloseIdleConnections(); return nil },
	}, nil
}

// maxTokenFile bounds the file of a token in bytes.
const maxTokenFile = 4096

// token takes the token from --token @FILE or PARLEY_TOKEN, which may be @FILE
// too. It refuses the token itself as an argument: every user of the machine
// can read those.
func (r *run) token() (secret.Text, error) {
	text, from := r.cli.Token, "--token"
	if text == "" {
		text, from = r.lookup("PARLEY_TOKEN"), "PARLEY_TOKEN"
	}
	file, isFile := strings.CutPrefix(text, "@")
	switch {
	case text == "":
		return secret.Text{}, fault.New(fault.Invalid, "a server elsewhere asks for an API token: put it into PARLEY_TOKEN, or into a file and say --token @FILE")
	case from == "--token" && !isFile:
		return secret.Text{}, fault.New(fault.Invalid, "--token takes @FILE: on the command line other users of this machine could read the token; or put it into PARLEY_TOKEN")
	case isFile:
		f, err := os.Open(file)
		if err != nil {
			return secret.Text{}, fault.New(fault.Invalid, "%s: the file %s cannot be read: %v", from, file, errors.Unwrap(err))
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxTokenFile))
		if err != nil {
			return secret.Text{}, fault.New(fault.Invalid, "%s: the file %s cannot be read", from, file)
		}
		text = string(b)
	}
	text = strings.TrimSpace(text)
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return secret.Text{}, fault.New(fault.Invalid, "%s: this is no API token; they begin with pat_ and hold no blanks", from)
		}
	}
	if text == "" {
		return secret.Text{}, fault.New(fault.Invalid, "%s: the token is empty", from)
	}
	return secret.NewText(text), nil
}

// reach is connect for a server elsewhere; its settings are not ours to know.
func (r *run) reach(address string) (*client, config.Settings, error) {
	c, err := r.overNetwork(address)
	return c, config.Settings{}, err
}
