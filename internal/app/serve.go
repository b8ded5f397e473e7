package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"

	"parley/internal/adminapi"
	"parley/internal/catalog"
	"parley/internal/channel"
	"parley/internal/channel/mattermost"
	"parley/internal/channel/mmwebhook"
	"parley/internal/channel/rtm"
	"parley/internal/chat"
	"parley/internal/doctor"
	"parley/internal/fault"
	"parley/internal/httpd"
	"parley/internal/telemetry"
	"parley/internal/webui"
)

// publicRoutes puts together what the public port answers. Unknown paths are
// the RTM driver's: its clients expect JSON there too. Slashes are collapsed
// before any mux sees the path: clients write "//api/rtm/start", and the mux's
// redirect would break their POST and preflight.
func (a *App) publicRoutes() http.Handler {
	mux := http.NewServeMux()
	webui.Register(mux, demoPage{a})
	sdk := a.rtm.Handler()
	mux.Handle("/", sdk)
	mux.Handle(mattermost.CallbackPath, a.mattermost.Handler())
	mux.Handle(mattermost.ProbePath, a.prober().Handler())
	mux.Handle(mmwebhook.CallbackPath, a.hooks.Handler())
	if a.Settings.AdminListen == "" {
		a.operatorRoutes(mux)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := rtm.CleanPath(r.URL.Path); path != r.URL.Path {
			r.URL.Path, r.URL.RawPath = path, ""
		}
		if rtm.Owns(r.URL.Path) && (r.URL.Path != webui.JWTPath || r.Method != http.MethodPost) {
			sdk.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// operatorRoutes are for whoever runs the process.
func (a *App) operatorRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", a.health.Live)
	mux.HandleFunc("GET /readyz", a.health.Ready)
	mux.Handle("GET /metrics", telemetry.MetricsHandler(a.metrics, a.Logger))
	mux.Handle(adminapi.Prefix+"/", adminapi.NewRemote(a.services()))
}

// serveInternal begins the admin socket and, if set, the admin port.
func (a *App) serveInternal() error {
	var err error
	a.owners, err = httpd.Start(httpd.Options{Listener: a.socket, Handler: adminapi.New(a.services()), Logger: a.Logger})
	if err != nil {
		return err
	}
	a.parts.onEnd("admin socket's server", partGrace, a.owners.Stop)
	if a.Settings.AdminListen == "" {
		return nil
	}
	mux := http.NewServeMux()
	a.operatorRoutes(mux)
	listener, err := httpd.Listen(a.Settings.AdminListen)
	if err != nil {
		return err
	}
	if a.admin, err = httpd.Start(httpd.Options{
		Listener: listener, CertFile: a.Settings.TLS.Cert, KeyFile: a.Settings.TLS.Key,
		Handler: a.requests.Wrap("admin", mux), Logger: a.Logger,
	}); err != nil {
		return err
	}
	a.parts.onEnd("admin listener", partGrace, a.admin.Stop)
	return nil
}

func (a *App) services() adminapi.Services {
	return adminapi.Services{
		Catalog: a.catalog, Conversations: a.store, Tracer: tracer{a}, Backup: a.store, Doctor: checks{a.doctor(true)},
		Tokens: a.store, Deliveries: a.store, DeliveriesChanged: a.deliveriesChanged, Client: a.address.Client, Now: a.Now,
		Build: build(a.Version, a.Settings), PublicURL: a.BaseURL(), Log: a.Logger, Stopping: a.stopping,
		Applied: func(r catalog.Result) {
			a.retryDeliveries()
			poke(a.deleted)
			if !r.DemoRemoved {
				return
			}
			if err := a.writeDemo(context.Background()); err != nil {
				a.Logger.Error("demo.json could not be brought up to date", "error", err)
			}
		},
	}
}

// catalogReady fails while no revision of the catalog is in force as a whole.
func (a *App) catalogReady(context.Context) error {
	if status := a.inForce.Status(); status != nil && status.Problem != "" && status.Revision == 0 {
		return errors.New(status.Problem)
	}
	return nil
}

// origin is the address under which the client of a request reaches us.
func (a *App) origin(r *http.Request) *url.URL { return a.address.Origin(r) }

// BaseURL is the configured public URL, or the address listened on.
func (a *App) BaseURL() string {
	if a.Settings.PublicURL != "" {
		return a.Settings.PublicURL
	}
	scheme := "http"
	if a.Settings.TLS.Cert != "" {
		scheme = "https"
	}
	listen := a.Settings.Listen
	if a.Listener != nil {
		listen = a.Listener.Addr().String()
	}
	return scheme + "://" + reachable(listen)
}

// reachable names an address that a program on this machine can connect to:
// "all interfaces" is none.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// demoPage gives the demo page what it may know.
type demoPage struct{ a *App }

func (d demoPage) App() (webui.DemoApp, bool) {
	now := d.a.demo.Load()
	if now == nil {
		return webui.DemoApp{}, false
	}
	return webui.DemoApp{ClientID: now.ClientID, BotID: now.BotID, BotName: now.BotName}, true
}

func (d demoPage) SignJWT(identity string) (string, error) {
	// A proxy that names no client looks like a program on this machine.
	if u, err := url.Parse(d.a.Settings.PublicURL); err != nil || d.a.Settings.PublicURL != "" && !loopback(u.Hostname()) {
		return "", fault.New(fault.Forbidden, "the demo's JWT service is off while public_url names a public address; your own back end signs JWTs for your apps")
	}
	now := d.a.demo.Load()
	if now == nil {
		return "", fault.New(fault.NotFound, "the demo is gone")
	}
	return rtm.SignJWT(rtm.UserJWT{App: now.ClientID, Secret: now.ClientSecret, Subject: identity, Now: d.a.Now()})
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tracer lets the admin API watch what goes over connections.
type tracer struct{ a *App }

func (t tracer) Tail(ctx context.Context, ch chat.ChannelID, user string, tell func(channel.TraceRecord)) error {
	records, _, stop := t.a.traces.Watch(ch, user)
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-records:
			tell(r)
		}
	}
}

// checks turns the doctor's findings into the admin API's form.
type checks struct{ *doctor.Doctor }

func (c checks) Checks(ctx context.Context) []adminapi.Check {
	var all []adminapi.Check
	for _, f := range c.Run(ctx) {
		all = append(all, adminapi.Check{Name: f.Name, Level: string(f.Level), Text: f.Text, Mend: f.Mend})
	}
	return all
}
