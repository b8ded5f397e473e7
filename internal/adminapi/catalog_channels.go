package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"parley/internal/catalog"
	"parley/internal/channel"
)

// Channels adds, tests and switches channels, and writes the catalog down.
type Channels interface {
	Types() []catalog.TypeView
	AddChannel(ctx context.Context, name string, spec catalog.ChannelSpec, o catalog.AddOptions) (catalog.Added, error)
	SetChannel(ctx context.Context, name string, changes []catalog.SettingChange, o catalog.AddOptions) (catalog.Added, error)
	TestChannel(ctx context.Context, name string) ([]channel.Finding, error)
	SetDisabled(ctx context.Context, name string, disabled bool, actor string) (catalog.Result, error)
	Export(ctx context.Context) (catalog.Exported, error)
}

// TypeList is all types of channel, by name.
type TypeList struct {
	Types []catalog.TypeView `json:"types"`
}

// AddChannelRequest describes a new channel.
type AddChannelRequest struct {
	Name    string              `json:"name" minLength:"1" maxLength:"63" doc:"A name that is still free."`
	Channel catalog.ChannelSpec `json:"channel"`
	Force   bool                `json:"force,omitempty" doc:"Store it although its test fails."`
}

// SetChannelRequest changes single settings of a channel.
type SetChannelRequest struct {
	Set   []catalog.SettingChange `json:"set" minItems:"1" maxItems:"100" doc:"What changes, in this order; all else stays as it is."`
	Force bool                    `json:"force,omitempty" doc:"Store it although its test fails."`
}

// TestAnswer is everything the test of a channel found.
type TestAnswer struct {
	Findings []channel.Finding `json:"findings"`
}

type (
	typesOutput     struct{ Body TypeList }
	addChannelInput struct{ Body AddChannelRequest }
	setChannelInput struct {
		Name string `path:"name" maxLength:"63" doc:"The channel's name."`
		Body SetChannelRequest
	}
	addedOutput  struct{ Body catalog.Added }
	testOutput   struct{ Body TestAnswer }
	exportOutput struct{ Body catalog.Exported }
)

func (a *api) registerChannels(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/channel-types", "list-channel-types", "List types of channel and what they ask", ScopeCatalogRead), a.listTypes)
	huma.Register(h, op(http.MethodPost, "/channels", "add-channel", "Test a new channel and store it when nothing fails", ScopeCatalogWrite), a.addChannel)
	huma.Register(h, op(http.MethodPatch, "/channels/{name}", "set-channel", "Change single settings of a channel, test it, and store it when nothing fails", ScopeCatalogWrite), a.setChannel)
	huma.Register(h, op(http.MethodPost, "/channels/{name}/test", "test-channel", "Test a channel; changes nothing", ScopeOperate), a.testChannel)
	huma.Register(h, op(http.MethodPost, "/channels/{name}/disable", "disable-channel", "Take a channel out of service", ScopeCatalogWrite), a.disableChannel)
	huma.Register(h, op(http.MethodPost, "/channels/{name}/enable", "enable-channel", "Put a channel back in service", ScopeCatalogWrite), a.enableChannel)
	huma.Register(h, op(http.MethodGet, "/catalog/export", "export-catalog", "Write down what is in force, without secrets", ScopeCatalogRead), a.exportCatalog)
}

func (a *api) listTypes(context.Context, *struct{}) (*typesOutput, error) {
	return &typesOutput{Body: TypeList{Types: a.Catalog.Types()}}, nil
}

func (a *api) addChannel(ctx context.Context, in *addChannelInput) (*addedOutput, error) {
	added, err := a.Catalog.AddChannel(ctx, in.Body.Name, in.Body.Channel, catalog.AddOptions{Force: in.Body.Force, Actor: actorOf(ctx)})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	a.applied(added.Result)
	return &addedOutput{Body: added}, nil
}

func (a *api) setChannel(ctx context.Context, in *setChannelInput) (*addedOutput, error) {
	done, err := a.Catalog.SetChannel(ctx, in.Name, in.Body.Set, catalog.AddOptions{Force: in.Body.Force, Actor: actorOf(ctx)})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	a.applied(done.Result)
	return &addedOutput{Body: done}, nil
}

func (a *api) testChannel(ctx context.Context, in *named) (*testOutput, error) {
	found, err := a.Catalog.TestChannel(ctx, in.Name)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &testOutput{Body: TestAnswer{Findings: found}}, nil
}

func (a *api) disableChannel(ctx context.Context, in *named) (*applyOutput, error) {
	return a.changed(ctx)(a.Catalog.SetDisabled(ctx, in.Name, true, actorOf(ctx)))
}

func (a *api) enableChannel(ctx context.Context, in *named) (*applyOutput, error) {
	return a.changed(ctx)(a.Catalog.SetDisabled(ctx, in.Name, false, actorOf(ctx)))
}

func (a *api) exportCatalog(ctx context.Context, _ *struct{}) (*exportOutput, error) {
	written, err := a.Catalog.Export(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &exportOutput{Body: written}, nil
}
