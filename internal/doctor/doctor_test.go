package doctor_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/catalog"
	"parley/internal/channel"
	"parley/internal/config"
	"parley/internal/doctor"
	"parley/internal/fault"
	"parley/internal/store"
)

// patient is an installation in good health.
type patient struct {
	ping, statsErr, channelsErr, secretsErr error
	stats                                   store.Stats
	channels                                []catalog.Channel
	advice                                  []string
	status                                  catalog.Status
	settings                                config.Settings
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func healthy(t *testing.T) *patient {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte("k"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &patient{
		stats:    store.Stats{Engine: "SQLite", SchemaVersion: 1, Bytes: 5 << 20, DatabaseTime: now},
		channels: []catalog.Channel{{Name: "site"}},
		status:   catalog.Status{Revision: 4, Stored: 4},
		settings: config.Settings{Listen: "127.0.0.1:8080", Data: dir, KeyFile: key},
	}
}

func (p *patient) Ping(context.Context) error                 { return p.ping }
func (p *patient) Stats(context.Context) (store.Stats, error) { return p.stats, p.statsErr }
func (p *patient) Channels(context.Context) ([]catalog.Channel, error) {
	return p.channels, p.channelsErr
}
func (p *patient) Advice(context.Context) ([]string, error)                { return p.advice, nil }
func (p *patient) CheckSecrets(context.Context) (checked int, wrong error) { return 2, p.secretsErr }
func (*patient) TestChannel(context.Context, string) ([]channel.Finding, error) {
	return []channel.Finding{{Level: channel.LevelOK, Name: "settings", Text: "in order"}}, nil
}

func (p *patient) examine() []doctor.Finding {
	return doctor.New(doctor.Options{
		Settings: p.settings, Database: p, Catalog: p, Now: func() time.Time { return now },
		Status: func() *catalog.Status { return &p.status },
	}).Run(context.Background())
}

func TestHealthy(t *testing.T) {
	for _, f := range healthy(t).examine() {
		if f.Level != doctor.OK && f.Name != "disk" {
			t.Errorf("%+v", f)
		}
		if f.Text == "" || (f.Level == doctor.OK) != (f.Mend == "") {
			t.Errorf("a finding needs a text, and a mend when it is not ok: %+v", f)
		}
	}
}

func TestFindings(t *testing.T) {
	network := func(text string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(text)} }
	for _, test := range []struct {
		name  string
		hurt  func(p *patient)
		check string
		level doctor.Level
		says  string
		mend  string
	}{
		{"database gone", func(p *patient) { p.ping = fault.New(fault.Unavailable, "no answer") }, "database", doctor.Fail, "no answer", "log"},
		{"statistics fail", func(p *patient) { p.statsErr = errors.New("password=x") }, "database", doctor.Fail, "something went wrong", "log"},
		{"clock off", func(p *patient) { p.stats.DatabaseTime = now.Add(-5 * time.Second) }, "clock", doctor.Warn, "5s", "NTP"},
		{"clock far off", func(p *patient) { p.stats.DatabaseTime = now.Add(time.Hour) }, "clock", doctor.Fail, "1h", "NTP"},
		{"failed turns", func(p *patient) { p.stats.FailedTurns = 3 }, "turns", doctor.Warn, "3 answers", "parley turn list --failed"},
		{"catalog of a newer parley", func(p *patient) { p.channelsErr = fault.New(fault.Conflict, "stored by a newer parley") }, "catalog", doctor.Fail, "newer parley", "newer"},
		{"unreadable revision", func(p *patient) { p.status = catalog.Status{Revision: 4, Stored: 5, Problem: "desk is broken"} }, "catalog", doctor.Fail, "revision 4 is in force, 5 is stored: desk is broken", "apply again"},
		{"demo", func(p *patient) { p.channels = []catalog.Channel{{Name: "demo", Demo: true}} }, "channels", doctor.Warn, "only the demo", "parley apply"},
		{"no channel", func(p *patient) { p.channels = nil }, "channels", doctor.Warn, "no channel", "parley apply"},
		{"wrong key", func(p *patient) { p.secretsErr = fault.New(fault.Unavailable, "secret x does not open") }, "secrets", doctor.Fail, "secret x", "key file"},
		{"short secret", func(p *patient) { p.advice = []string{"channel site: secret has 12 bytes"} }, "advice", doctor.Warn, "12 bytes", "apply it again"},
		{"open folder", func(p *patient) { _ = os.Chmod(p.settings.Data, 0o755) }, "data", doctor.Warn, "0755", "chmod 700"},
		{"no folder", func(p *patient) { p.settings.Data += "/none" }, "data", doctor.Warn, "does not exist", "parley serve"},
		{"file as folder", func(p *patient) { p.settings.Data = p.settings.KeyFile }, "data", doctor.Fail, "not a folder", "--data"},
		{"open key", func(p *patient) { _ = os.Chmod(p.settings.KeyFile, 0o640) }, "key", doctor.Fail, "0640", "chmod 600"},
		{"lost key", func(p *patient) { _ = os.Remove(p.settings.KeyFile) }, "key", doctor.Fail, "missing", "backup"},
		{"listens for all", func(p *patient) { p.settings.Listen = ":8080" }, "listen", doctor.Warn, "/metrics", "admin_listen"},
		{"no address", func(p *patient) { p.settings.Listen = "8080" }, "listen", doctor.Fail, "not an address", "HOST:PORT"},
		{"public without a name", func(p *patient) { p.settings.Listen, p.settings.AdminListen = "0.0.0.0:80", "127.0.0.1:81" }, "public_url", doctor.Warn, "no public_url", "https://"},
		{"plain text in public", func(p *patient) { p.settings.PublicURL = "http://chat.example.com" }, "public_url", doctor.Warn, "not encrypted", "TLS"},
		{"proxy not trusted", func(p *patient) { p.settings.PublicURL = "https://chat.example.com" }, "public_url", doctor.Warn, "trusted_proxies is empty", "trusted_proxies"},
		{"no web address", func(p *patient) { p.settings.PublicURL = "chat.example.com" }, "public_url", doctor.Fail, "not a web address", "https://"},
		{"everybody trusted", func(p *patient) { p.settings.TrustedProxies = network("0.0.0.0/0") }, "trusted_proxies", doctor.Fail, "anybody", "your own"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := healthy(t)
			test.hurt(p)
			found := p.examine()
			for _, f := range found {
				if f.Name == test.check && f.Level == test.level && strings.Contains(f.Text, test.says) && strings.Contains(f.Mend, test.mend) {
					if strings.Contains(f.Text, "password") {
						t.Errorf("the cause is shown: %+v", f)
					}
					if worst := doctor.Worst(found); test.level == doctor.Fail && worst != doctor.Fail {
						t.Errorf("worst is %s", worst)
					}
					return
				}
			}
			t.Errorf("not found: %s %s with %q and mend %q in\n%+v", test.level, test.check, test.says, test.mend, found)
		})
	}
}

// The demo beside a channel is nothing to mend.
func TestDemoBesideAChannel(t *testing.T) {
	p := healthy(t)
	p.channels = append(p.channels, catalog.Channel{Name: "demo", Demo: true})
	for _, f := range p.examine() {
		if f.Name == "channels" && f.Level != doctor.OK {
			t.Errorf("%+v", f)
		}
	}
}

func TestTLSWithoutProxyIsFine(t *testing.T) {
	p := healthy(t)
	p.settings.PublicURL, p.settings.TLS.Cert = "https://chat.example.com", "cert.pem"
	for _, f := range p.examine() {
		if f.Name == "public_url" && f.Level != doctor.OK {
			t.Errorf("%+v", f)
		}
	}
}

func TestLimitsOfARunningServer(t *testing.T) {
	p := healthy(t)
	o := doctor.Options{Settings: p.settings, Database: p, Catalog: p, Running: true}
	var names []string
	for _, f := range doctor.New(o).Run(context.Background()) {
		names = append(names, f.Name)
	}
	if !strings.Contains(strings.Join(names, " "), "open_files") {
		t.Errorf("checks %v lack open_files", names)
	}
}

// Before the first start there is nothing, and that is not broken.
func TestNothingYet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	found := doctor.Offline(config.Settings{Listen: "127.0.0.1:8080", Data: dir, KeyFile: filepath.Join(dir, "key")})
	if worst := doctor.Worst(found); worst == doctor.Fail {
		t.Errorf("%+v", found)
	}
}
