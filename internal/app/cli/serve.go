package cli

import (
	"strings"

	"parley/internal/config"
)

type serveCmd struct {
	Listen         string `placeholder:"ADDR" help:"Address of the public port (PARLEY_LISTEN; default 127.0.0.1:8080)."`
	AdminListen    string `placeholder:"ADDR" help:"Address of a port of its own for the admin API, /healthz, /readyz and /metrics (PARLEY_ADMIN_LISTEN)."`
	PublicURL      string `name:"public-url" placeholder:"URL" help:"Address under which clients reach this server (PARLEY_PUBLIC_URL)."`
	TrustedProxies string `placeholder:"NETS" help:"Networks of proxies whose forwarding headers count, with commas (PARLEY_TRUSTED_PROXIES)."`
	TLSCert        string `name:"tls-cert" placeholder:"FILE" help:"Certificate chain in PEM (PARLEY_TLS_CERT)."`
	TLSKey         string `name:"tls-key" placeholder:"FILE" help:"Private key in PEM (PARLEY_TLS_KEY)."`
	LogLevel       string `placeholder:"LEVEL" help:"debug, info, warn or error (PARLEY_LOG_LEVEL; default info)."`
	LogFormat      string `placeholder:"FORM" help:"text or json (PARLEY_LOG_FORMAT; default text)."`
}

// Run runs the server until the program is told to stop.
func (*serveCmd) Run(r *run) error {
	if err := r.here("serve"); err != nil {
		return err
	}
	s, err := r.settings()
	if err != nil {
		return err
	}
	return r.Backend.Serve(r.ctx, s)
}

// settings reads the process settings: file, environment, flags.
func (r *run) settings() (config.Settings, error) {
	g := r.cli
	file := g.Config
	if file == "" {
		file = r.lookup("PARLEY_CONFIG")
	}
	s, warnings, err := config.Load(config.Sources{File: file, Env: r.Environ, Flags: map[string]string{
		"data": g.Data, "database": g.Database, "key-file": g.KeyFile,
		"listen": g.Serve.Listen, "admin-listen": g.Serve.AdminListen, "public-url": g.Serve.PublicURL,
		"trusted-proxies": g.Serve.TrustedProxies, "tls-cert": g.Serve.TLSCert, "tls-key": g.Serve.TLSKey,
		"log-level": g.Serve.LogLevel, "log-format": g.Serve.LogFormat,
	}})
	for _, w := range warnings {
		r.note("warning: %s", w)
	}
	return s, err
}

// lookup reads one environment variable; the last of several counts.
func (p *Program) lookup(name string) string {
	found := ""
	for _, entry := range p.Environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			found = value
		}
	}
	return found
}
