// Package httpd is the edge of HTTP: listeners with sane limits, certificate
// files, health answers, and a stop that lets requests finish.
package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"parley/internal/fault"
)

// Limits of every server here. Handlers that read bodies bound them
// themselves; a WebSocket leaves these limits with its upgrade.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
)

// Server serves one handler on one listener.
type Server struct {
	http     *http.Server
	listener net.Listener
	logger   *slog.Logger
	unused   unused
	// done is closed when serving has ended, for the reason in err.
	done chan struct{}
	err  error
}

// Options say where and how to serve.
type Options struct {
	// Listener is closed by Stop, and by a Start that fails.
	Listener net.Listener
	// CertFile and KeyFile turn on TLS. The files are read again when they
	// change, so that a renewed certificate needs no restart.
	CertFile, KeyFile string
	Handler           http.Handler
	Logger            *slog.Logger
}

// Listen opens a TCP address such as "127.0.0.1:8080". It returns a
// fault.Conflict when the address is taken.
func Listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fault.Wrap(err, fault.Conflict, "cannot listen on %s; is another program using the address?", address)
	}
	return l, nil
}

// Start serves in the background.
func Start(o Options) (*Server, error) {
	listener := o.Listener
	if o.CertFile != "" {
		certs, err := newCertificates(o.CertFile, o.KeyFile, o.Logger)
		if err != nil {
			return nil, errors.Join(err, listener.Close())
		}
		listener = tls.NewListener(listener, &tls.Config{
			GetCertificate: certs.get,
			// Without ALPN for HTTP/2, which has no WebSocket upgrade here.
			NextProtos: []string{"http/1.1"},
		})
	}
	s := &Server{
		listener: listener,
		logger:   o.Logger,
		done:     make(chan struct{}),
		http: &http.Server{
			Handler:           o.Handler,
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       bodyTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeader,
			ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		},
	}
	s.http.ConnState = s.unused.state
	go func() {
		defer close(s.done)
		s.err = s.http.Serve(listener)
	}()
	return s, nil
}

// Addr is the address listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Done is closed when serving has ended, by Stop or by a failure.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err waits for the end of serving and returns its reason, nil after Stop.
func (s *Server) Err() error {
	<-s.done
	if errors.Is(s.err, http.ErrServerClosed) {
		return nil
	}
	return s.err
}

// Stop refuses new connections and waits for running requests until ctx ends;
// then it cuts them, which is no error: somebody may read as slowly as he likes.
// Upgraded connections are not its business.
func (s *Server) Stop(ctx context.Context) error {
	s.unused.close()
	err := s.http.Shutdown(ctx)
	if err != nil && ctx.Err() != nil {
		s.logger.Warn("requests were cut off by the stop", "address", s.Addr().String())
		err = s.http.Close()
	}
	return errors.Join(err, s.Err())
}

// unused are connections over which nothing was asked yet. Browsers open some
// in advance, and Shutdown would wait for each until it is five seconds old.
type unused struct {
	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	closing bool
}

// state implements the hook of http.Server.
func (u *unused) state(c net.Conn, now http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case now != http.StateNew:
		delete(u.conns, c)
	case u.closing:
		_ = c.Close() // it was accepted while the listener closed
	default:
		if u.conns == nil {
			u.conns = make(map[net.Conn]struct{})
		}
		u.conns[c] = struct{}{}
	}
}

func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closing = true
	for c := range u.conns {
		_ = c.Close() // nobody waits for an answer over it
	}
}

// certificates reads a certificate again when its file has changed.
type certificates struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	checked time.Time
	stamp   time.Time
}

// certificateCheck is how often the file's time is looked at.
const certificateCheck = time.Minute

func newCertificates(certFile, keyFile string, logger *slog.Logger) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile, logger: logger}
	if err := c.load(); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the certificate in %s and %s cannot be used; both must be PEM and belong together", certFile, keyFile)
	}
	return c, nil
}

func (c *certificates) load() error {
	stamp, err := modified(c.certFile)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current, c.stamp, c.checked = &pair, stamp, time.Now()
	return nil
}

func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < certificateCheck {
		return c.current, nil
	}
	c.checked = time.Now()
	if stamp, err := modified(c.certFile); err == nil && !stamp.Equal(c.stamp) {
		if err := c.load(); err != nil {
			c.logger.Error("the changed certificate cannot be used; the old one stays", "error", err)
		}
	}
	return c.current, nil
}
