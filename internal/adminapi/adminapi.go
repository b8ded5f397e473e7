package adminapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"parley/internal/catalog"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// Prefix is the path all operations stand under.
const Prefix = "/api/v1"

// Catalog changes and shows what is in place.
type Catalog interface {
	Releases
	Channels
	Apply(ctx context.Context, m catalog.Manifest, o catalog.ApplyOptions) (catalog.Result, error)
	Delete(ctx context.Context, kind store.ItemKind, name, actor string) (catalog.Result, error)
	Channels(ctx context.Context) ([]catalog.Channel, error)
	Channel(ctx context.Context, name, publicURL string) (catalog.ChannelDetails, error)
	Assistants(ctx context.Context) ([]catalog.AssistantView, error)
	TestToken(ctx context.Context, name, app, user string, life time.Duration) (string, error)
}

// Conversations reads conversations.
type Conversations interface {
	Conversation(ctx context.Context, key chat.ConversationKey) (chat.Conversation, error)
	ConversationByID(ctx context.Context, id chat.ConversationID) (chat.Conversation, error)
	ListConversations(ctx context.Context, f store.ConversationFilter) ([]chat.Conversation, error)
	Handling(ctx context.Context, key chat.ConversationKey) (store.Handling, error)
	Entries(ctx context.Context, key chat.ConversationKey, after int64, limit int) ([]chat.Entry, error)
	Turns(ctx context.Context, f store.TurnFilter) ([]chat.Turn, error)
	Person(ctx context.Context, contact chat.ContactKey, channel chat.ChannelID) (chat.Person, error)
}

// Tracer shows what goes over the connections of one person.
type Tracer interface {
	// Tail calls tell for every record of places on the channel that belong to
	// user, until the context ends. An empty channel means all. tell must not
	// block.
	Tail(ctx context.Context, channel chat.ChannelID, user string, tell func(channel.TraceRecord)) error
}

// Backuper writes a consistent copy of the data to a new folder.
type Backuper interface {
	Backup(ctx context.Context, dir string) error
}

// Check is one finding of the doctor.
type Check struct {
	// Name is short and stable, such as "disk".
	Name string `json:"name" doc:"Short and stable, for scripts."`
	// Level is "ok", "warn" or "fail".
	Level string `json:"level" enum:"ok,warn,fail"`
	Text  string `json:"text" doc:"What was found."`
	Mend  string `json:"mend,omitempty" doc:"What to do about it."`
}

// Doctor looks the whole installation over.
type Doctor interface {
	Checks(ctx context.Context) []Check
}

// Build says what is running.
type Build struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	// Engine is the kind of database.
	Engine string `json:"engine,omitempty"`
}

// Services are what the operations work with.
type Services struct {
	Catalog       Catalog
	Conversations Conversations
	Deliveries    Deliveries
	// Tracer is nil when no server runs; then there is nothing to watch.
	Tracer Tracer
	Backup Backuper
	Doctor Doctor
	Tokens Tokens
	Build  Build
	// PublicURL is the address clients use, for what to paste where.
	PublicURL string
	Log       *slog.Logger
	// Stopping, if set, is closed when the server begins to stop: watchers are
	// then sent away, so that the stop need not wait for them.
	Stopping <-chan struct{}
	// Applied, if set, is called after each change of the catalog.
	Applied func(catalog.Result)
	// DeliveriesChanged, if set, is called after a delivery was sent again or
	// dropped.
	DeliveriesChanged func()
	// Client, if set, names the address a request came from, seen past trusted
	// proxies; [NewRemote] counts failures by it.
	Client func(*http.Request) string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// api holds the operations.
type api struct{ Services }

// New returns the API for the socket: whoever reaches it may do everything.
// Everything outside [Prefix] is not found.
func New(s Services) http.Handler {
	mux, _ := build(s, false)
	return mux
}

// NewRemote returns the same API for a network: every operation asks for an API
// token that has its scope. It sends no CORS headers, so that no page of another
// origin can use it.
func NewRemote(s Services) http.Handler {
	mux, _ := build(s, true)
	return mux
}

// Document returns the OpenAPI 3.1 document, with a line break at the end.
func Document() ([]byte, error) {
	_, h := build(Services{}, false)
	return document(h)
}

func document(h huma.API) ([]byte, error) {
	b, err := h.OpenAPI().MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	return indentJSON(b)
}

func build(s Services, remote bool) (http.Handler, huma.API) {
	replaceErrors()
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Client == nil {
		s.Client = func(r *http.Request) string { return r.RemoteAddr }
	}
	config := huma.DefaultConfig("Parley administration", "1")
	config.Info.Description = "Operations for the owner of this installation. Over a network each asks for an API token with the scope " +
		"it names; through the socket parley.sock in the data folder none is asked for."
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		securityScheme: {Type: "http", Scheme: "bearer", Description: "An API token, pat_...; `parley token create` makes one."},
	}
	// We serve the document ourselves, see below.
	config.OpenAPIPath = ""
	// The stock documentation page loads its script from a foreign server.
	config.DocsPath = ""
	config.SchemasPath = ""
	config.CreateHooks = nil
	config.RejectUnknownQueryParameters = true
	mux := http.NewServeMux()
	h := humago.New(mux, config)
	if remote {
		h.UseMiddleware(newGate(s).check)
	}
	a := &api{Services: s}
	a.registerCatalog(h)
	a.registerConversations(h)
	a.registerDeliveries(h)
	a.registerTools(h)
	a.registerTokens(h)
	a.serveDocument(mux, h)
	return a.guarded(mux), h
}

// serveDocument answers with the OpenAPI document, which is the same everywhere
// and needs no token. The HTTP library's own handler makes it on the first
// request, without a lock.
func (a *api) serveDocument(mux *http.ServeMux, h huma.API) {
	text := sync.OnceValues(func() ([]byte, error) { return document(h) })
	mux.HandleFunc("GET "+Prefix+"/openapi.json", func(w http.ResponseWriter, r *http.Request) {
		b, err := text()
		if err != nil {
			a.Log.Error("the OpenAPI document cannot be written", "error", err)
			writeFailure(w, newFailure(fault.Internal, http.StatusInternalServerError, fault.Message(err)))
			return
		}
		w.Header().Set("Content-Type", "application/openapi+json")
		// The client may be gone; there is nobody left to tell.
		_, _ = w.Write(b)
	})
}

// op fills in what all operations share. The scope is what a token needs.
func op(method, path, id, summary string, scope Scope) huma.Operation {
	o := huma.Operation{
		OperationID: id, Method: method, Path: Prefix + path, Summary: summary,
		Errors: []int{
			http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
			http.StatusTooManyRequests,
		},
	}
	requires(&o, scope)
	return o
}
