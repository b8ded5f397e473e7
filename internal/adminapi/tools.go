package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
)

// TokenRequest asks for a test token.
type TokenRequest struct {
	Channel string `json:"channel,omitempty" doc:"The channel's name; may be left out when the app says it or there is only one."`
	App     string `json:"app,omitempty" doc:"The app's id; may be left out when the channel has one."`
	User    string `json:"user" minLength:"1" maxLength:"250" doc:"Who the token is for."`
	Minutes int    `json:"minutes,omitempty" minimum:"1" maximum:"1440" default:"60" doc:"How long it is good for."`
}

// TokenAnswer is a signed test token.
type TokenAnswer struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// BackupRequest names the new folder, as the server sees it.
type BackupRequest struct {
	Dir string `json:"dir" minLength:"1" doc:"An absolute path to a folder that does not exist yet."`
}

// BackupAnswer says what was written.
type BackupAnswer struct {
	Dir string `json:"dir"`
}

// DoctorAnswer is everything the doctor found.
type DoctorAnswer struct {
	Checks []Check `json:"checks"`
}

type (
	tokenInput   struct{ Body TokenRequest }
	tokenOutput  struct{ Body TokenAnswer }
	backupInput  struct{ Body BackupRequest }
	backupOutput struct{ Body BackupAnswer }
	doctorOutput struct{ Body DoctorAnswer }
	buildOutput  struct{ Body Build }
	tailInput    struct {
		User    string `query:"user" required:"true" minLength:"1" doc:"The person's id on the channel."`
		Channel string `query:"channel" doc:"A channel's name or id; all when left out."`
	}
)

func (a *api) registerTools(h huma.API) {
	huma.Register(h, op(http.MethodPost, "/jwt", "sign-test-token", "Sign a token to try a channel with", ScopeConversationsWrite), a.token)
	backup := op(http.MethodPost, "/backup", "backup", "Write a consistent copy to a new folder", ScopeOperate)
	huma.Register(h, backup, a.backup)
	huma.Register(h, op(http.MethodGet, "/doctor", "doctor", "Check the whole installation", ScopeOperate), a.doctor)
	huma.Register(h, op(http.MethodGet, "/version", "version", "What is running", ScopeOperate), a.version)
	tail := op(http.MethodGet, "/tail", "tail", "Watch one person's connections; one JSON record a line until the caller leaves", ScopeOperate)
	tail.Metadata = map[string]any{endlessKey: true}
	huma.Register(h, tail, a.tail)
}

func (a *api) token(ctx context.Context, in *tokenInput) (*tokenOutput, error) {
	life := time.Duration(in.Body.Minutes) * time.Minute
	expires := time.Now().Add(life).Truncate(time.Second)
	token, err := a.Catalog.TestToken(ctx, in.Body.Channel, in.Body.App, in.Body.User, life)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &tokenOutput{Body: TokenAnswer{Token: token, ExpiresAt: expires}}, nil
}

func (a *api) backup(ctx context.Context, in *backupInput) (*backupOutput, error) {
	if !filepath.IsAbs(in.Body.Dir) {
		return nil, a.fail(ctx, fault.Field("dir", "must be an absolute path, because the server may run elsewhere"))
	}
	if err := a.Backup.Backup(ctx, in.Body.Dir); err != nil {
		return nil, a.fail(ctx, err)
	}
	return &backupOutput{Body: BackupAnswer{Dir: in.Body.Dir}}, nil
}

func (a *api) doctor(ctx context.Context, _ *struct{}) (*doctorOutput, error) {
	return &doctorOutput{Body: DoctorAnswer{Checks: a.Doctor.Checks(ctx)}}, nil
}

func (a *api) version(context.Context, *struct{}) (*buildOutput, error) {
	return &buildOutput{Body: a.Build}, nil
}

// tailBuffer is how many records wait for a slow watcher before some are left
// out: watching must never slow the watched down.
const tailBuffer = 256

func (a *api) tail(ctx context.Context, in *tailInput) (*huma.StreamResponse, error) {
	if a.Tracer == nil {
		return nil, a.fail(ctx, fault.New(fault.Conflict, "there is nothing to watch: no server is running"))
	}
	var id chat.ChannelID
	if in.Channel != "" {
		names, err := a.channelNames(ctx)
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		if id, err = a.channelOf(ctx, names, in.Channel); err != nil {
			return nil, a.fail(ctx, err)
		}
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/x-ndjson")
		hc.SetHeader("X-Accel-Buffering", "no") // nginx would collect lines
		hc.SetStatus(http.StatusOK)
		a.stream(hc, id, in.User)
	}}, nil
}

// calmEvery is how long a stream may be silent: proxies cut silent answers off,
// often after a minute. A blank line then tells that it goes on.
const calmEvery = 20 * time.Second

// stream writes records until the watcher leaves or the server stops. The first
// line says that watching has begun.
func (a *api) stream(hc huma.Context, id chat.ChannelID, user string) {
	ctx, cancel := context.WithCancel(hc.Context())
	defer cancel()
	records := make(chan channel.TraceRecord, tailBuffer)
	var missed atomic.Int64
	done := make(chan error, 1)
	go func() {
		done <- a.Tracer.Tail(ctx, id, user, func(r channel.TraceRecord) {
			select {
			case records <- r:
			default:
				missed.Add(1)
			}
		})
	}()
	line := newLineWriter(hc)
	defer line.done()
	calm := time.NewTicker(calmEvery)
	defer calm.Stop()
	ok := line.write(channel.TraceRecord{At: time.Now(), Direction: "note", Kind: "watching"})
	for ok {
		select {
		case <-a.Stopping:
			ok = false
		case <-calm.C:
			ok = line.blank()
		case r := <-records:
			ok = line.write(r)
			if n := missed.Swap(0); n > 0 && ok {
				ok = line.write(channel.TraceRecord{At: time.Now(), Direction: "note", Kind: "missed", Reason: strconv.FormatInt(n, 10) + " records left out"})
			}
		case err := <-done:
			if err != nil && ctx.Err() == nil {
				a.Log.Error("tail ended", "err", err)
			}
			if errors.Is(context.Cause(ctx), errTokenEnded) {
				line.write(channel.TraceRecord{At: time.Now(), Direction: "note", Kind: "ended", Reason: errTokenEnded.Error()})
			}
			return
		}
	}
	cancel()
	<-done
}

// lineWait bounds the time one line may take: a watcher who does not read is
// sent away, and never holds up the server's stop.
const lineWait = 10 * time.Second

type lineWriter struct {
	body io.Writer
	enc  *json.Encoder
	// conn is nil where an answer has no connection.
	conn *http.ResponseController
}

func newLineWriter(hc huma.Context) lineWriter {
	w := hc.BodyWriter()
	l := lineWriter{body: w, enc: json.NewEncoder(w)}
	l.enc.SetEscapeHTML(false)
	if rw, ok := w.(http.ResponseWriter); ok {
		l.conn = http.NewResponseController(rw)
	}
	return l
}

// write reports whether the watcher is still there.
func (l lineWriter) write(r channel.TraceRecord) bool {
	return l.within(func() error { return l.enc.Encode(r) })
}

// blank is write for an empty line.
func (l lineWriter) blank() bool {
	return l.within(func() error {
		_, err := io.WriteString(l.body, "\n")
		return err
	})
}

func (l lineWriter) within(write func() error) bool {
	if l.conn == nil {
		return write() == nil
	}
	// Writers that know no deadline belong to tests.
	_ = l.conn.SetWriteDeadline(time.Now().Add(lineWait))
	return write() == nil && l.conn.Flush() == nil
}

// done gives the connection back for the next request.
func (l lineWriter) done() {
	if l.conn != nil {
		_ = l.conn.SetWriteDeadline(time.Time{})
	}
}
