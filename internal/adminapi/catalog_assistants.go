package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"parley/internal/catalog"
)

// Releases shows the versions of assistants and puts them in force.
type Releases interface {
	Assistant(ctx context.Context, name string, version int64) (catalog.AssistantDetails, error)
	Draft(ctx context.Context, name string) (catalog.AssistantDetails, error)
	Versions(ctx context.Context, name string) (catalog.Versions, error)
	Publish(ctx context.Context, name string, o catalog.PublishOptions) (catalog.Result, error)
	Rollback(ctx context.Context, name string, o catalog.RollbackOptions) (catalog.Result, error)
}

// PublishRequest says what is put in force, and where.
type PublishRequest struct {
	Version  int64    `json:"version,omitempty" minimum:"1" doc:"The version to put in force; left out, the draft."`
	Channels []string `json:"channels,omitempty" doc:"Channels to pin to that version; left out, it is in force for every channel that is not pinned."`
	Follow   bool     `json:"follow,omitempty" doc:"Publish nothing, but take the pins off the channels; with no channel named, off all of the assistant's."`
}

// RollbackRequest says how far back, and where.
type RollbackRequest struct {
	To       int64    `json:"to,omitempty" minimum:"1" doc:"A version that was in force before; left out, the last one."`
	Channels []string `json:"channels,omitempty" doc:"Channels that go back alone; left out, every channel that is not pinned does."`
}

type (
	assistantInput struct {
		Name    string `path:"name" maxLength:"63" doc:"The assistant's name."`
		Version int64  `query:"version" minimum:"1" doc:"Which version; left out, the one in force."`
		Draft   bool   `query:"draft" doc:"Show the draft."`
	}
	assistantOutput struct{ Body catalog.AssistantDetails }
	versionsOutput  struct{ Body catalog.Versions }
	publishInput    struct {
		Name string `path:"name" maxLength:"63" doc:"The assistant's name."`
		Body PublishRequest
	}
	rollbackInput struct {
		Name string `path:"name" maxLength:"63" doc:"The assistant's name."`
		Body RollbackRequest
	}
)

func (a *api) registerReleases(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/assistants/{name}", "get-assistant", "Show one version of an assistant", ScopeCatalogRead), a.getAssistant)
	huma.Register(h, op(http.MethodGet, "/assistants/{name}/versions", "list-versions", "List the versions of an assistant", ScopeCatalogRead), a.listVersions)
	huma.Register(h, op(http.MethodPost, "/assistants/{name}/publish", "publish-assistant", "Put a draft or a version in force", ScopeCatalogWrite), a.publish)
	huma.Register(h, op(http.MethodPost, "/assistants/{name}/rollback", "roll-back-assistant", "Put in force what was in force before", ScopeCatalogWrite), a.rollback)
}

func (a *api) getAssistant(ctx context.Context, in *assistantInput) (*assistantOutput, error) {
	var (
		details catalog.AssistantDetails
		err     error
	)
	if in.Draft {
		details, err = a.Catalog.Draft(ctx, in.Name)
	} else {
		details, err = a.Catalog.Assistant(ctx, in.Name, in.Version)
	}
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &assistantOutput{Body: details}, nil
}

func (a *api) listVersions(ctx context.Context, in *named) (*versionsOutput, error) {
	all, err := a.Catalog.Versions(ctx, in.Name)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &versionsOutput{Body: all}, nil
}

func (a *api) publish(ctx context.Context, in *publishInput) (*applyOutput, error) {
	return a.changed(ctx)(a.Catalog.Publish(ctx, in.Name, catalog.PublishOptions{
		Version: in.Body.Version, Channels: in.Body.Channels, Follow: in.Body.Follow, Actor: actorOf(ctx),
	}))
}

func (a *api) rollback(ctx context.Context, in *rollbackInput) (*applyOutput, error) {
	return a.changed(ctx)(a.Catalog.Rollback(ctx, in.Name, catalog.RollbackOptions{
		To: in.Body.To, Channels: in.Body.Channels, Actor: actorOf(ctx),
	}))
}

// changed answers with the outcome of a change.
func (a *api) changed(ctx context.Context) func(catalog.Result, error) (*applyOutput, error) {
	return func(result catalog.Result, err error) (*applyOutput, error) {
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		a.applied(result)
		return &applyOutput{Body: result}, nil
	}
}
