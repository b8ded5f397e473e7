package config

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Settings are the settings of one process. The tags are the whole description:
// key is the path in the file, from which the flag (--public-url) and the
// environment name (PARLEY_PUBLIC_URL) follow, def the default, doc the meaning.
type Settings struct {
	Listen         string         `key:"listen" def:"127.0.0.1:8080" doc:"Address of the public port: RTM, the demo page, and what operators read unless admin_listen is set."`
	AdminListen    string         `key:"admin_listen" doc:"Address of a port of its own for the admin API, /healthz, /readyz and /metrics; without it they are on the public port."`
	PublicURL      string         `key:"public_url" doc:"Address under which clients reach this server, such as https://chat.example.com; without it the address of each request counts."`
	Data           string         `key:"data" def:"./parley-data" doc:"Data folder: database, key file, admin socket. Only one process uses it."`
	Database       Secret         `key:"database" doc:"PostgreSQL address, postgres://user:password@host/name; without it SQLite in the data folder."`
	KeyFile        string         `key:"key_file" doc:"File with the keys that seal secrets; without it the file key in the data folder."`
	TrustedProxies []netip.Prefix `key:"trusted_proxies" doc:"Addresses of proxies whose forwarding headers count, as networks such as 10.0.0.0/8."`
	TLS            TLS            `key:"tls"`
	Log            Log            `key:"log"`
}

// TLS names certificate files; both or none.
type TLS struct {
	Cert string `key:"cert" doc:"Certificate chain in PEM, for TLS without a proxy; read again when it changes."`
	Key  string `key:"key" doc:"Private key in PEM that belongs to tls.cert."`
}

// Log says what is logged and how.
type Log struct {
	Level  string `key:"level" def:"info" doc:"Least level that is logged: debug, info, warn or error."`
	Format string `key:"format" def:"text" doc:"Form of the log on standard error: text or json."`
}

// Secret is a setting that is never printed. It holds a pointer, because fmt
// prints a text raw where it may not call methods: inside an unexported field.
type Secret struct{ value *string }

// Reveal returns the value.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Set reports whether there is a value.
func (s Secret) Set() bool { return s.Reveal() != "" }

// Format hides the value, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) {
	if s.Set() {
		// A formatter has nobody to report to.
		_, _ = io.WriteString(f, "[redacted]")
	}
}

// LogValue hides the value.
func (s Secret) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// MarshalText hides the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(s)), nil }

// complete fills in what follows from other settings and cleans paths.
func (s *Settings) complete() {
	if s.Data != "" {
		s.Data = filepath.Clean(s.Data)
	}
	if s.KeyFile == "" {
		s.KeyFile = filepath.Join(s.Data, "key")
	}
	s.PublicURL = strings.TrimRight(s.PublicURL, "/")
}

// check returns what is wrong by key. The order is that of the struct.
func (s *Settings) check() []problem {
	var all []problem
	wrong := func(key, format string, args ...any) {
		all = append(all, problem{key, fmt.Sprintf(format, args...)})
	}
	address := func(key, value string) {
		host, port, err := net.SplitHostPort(value)
		if err != nil || port == "" || strings.Contains(host, "/") {
			wrong(key, "%q is not an address; write host:port, such as 127.0.0.1:8080, or :8080 for all interfaces", value)
		}
	}
	address("listen", s.Listen)
	if s.AdminListen != "" {
		address("admin_listen", s.AdminListen)
		if s.AdminListen == s.Listen && !strings.HasSuffix(s.Listen, ":0") {
			wrong("admin_listen", "is the same as listen; leave it out to have both on one port")
		}
	}
	if s.PublicURL != "" {
		u, err := url.Parse(s.PublicURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
			wrong("public_url", "%q is not the address of a server; write scheme and host, such as https://chat.example.com", s.PublicURL)
		}
	}
	if s.Data == "" {
		wrong("data", "is empty; name a folder")
	}
	if s.Database.Set() {
		u, err := url.Parse(s.Database.Reveal())
		if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
			wrong("database", "is not a PostgreSQL address; write postgres://user:password@host/name, or leave it out for SQLite")
		}
	}
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		wrong("tls", "needs both cert and key, or neither")
	}
	for _, f := range []struct{ key, path string }{{"tls.cert", s.TLS.Cert}, {"tls.key", s.TLS.Key}} {
		if f.path == "" {
			continue
		}
		if _, err := os.Stat(f.path); err != nil {
			wrong(f.key, "%s cannot be read", f.path)
		}
	}
	oneOf := func(key, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		wrong(key, "%q is not known; write one of %s", value, strings.Join(allowed, ", "))
	}
	oneOf("log.level", s.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", s.Log.Format, "text", "json")
	return all
}

// SlogLevel is the level in the logger's terms.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) != nil {
		return slog.LevelInfo
	}
	return level
}

type problem struct{ key, text string }
