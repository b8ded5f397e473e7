package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"parley/internal/catalog"
	"parley/internal/store"
)

// maxManifest bounds an apply request in bytes: definitions travel inside.
const maxManifest = 64 << 20

// ApplyRequest asks for a manifest to be put in place.
type ApplyRequest struct {
	Manifest catalog.Manifest `json:"manifest"`
	DryRun   bool             `json:"dry_run,omitempty" doc:"Check everything and store nothing."`
	Draft    bool             `json:"draft,omitempty" doc:"Store assistants as drafts, which answer nobody until they are published; channels must be in place as they are."`
}

// ChannelList is all channels, by name.
type ChannelList struct {
	Channels []catalog.Channel `json:"channels"`
}

// ChannelAnswer is one channel with what waits for it.
type ChannelAnswer struct {
	catalog.ChannelDetails
	OpenDeliveries int64 `json:"open_deliveries,omitempty" doc:"Deliveries that wait or are under way; deleting the channel drops them."`
}

// AssistantList is all assistants, by name.
type AssistantList struct {
	Assistants []catalog.AssistantView `json:"assistants"`
}

type (
	applyInput  struct{ Body ApplyRequest }
	applyOutput struct{ Body catalog.Result }
	named       struct {
		Name string `path:"name" maxLength:"63" doc:"The item's name in the catalog."`
	}
	channelsOutput   struct{ Body ChannelList }
	channelOutput    struct{ Body ChannelAnswer }
	assistantsOutput struct{ Body AssistantList }
)

func (a *api) registerCatalog(h huma.API) {
	apply := op(http.MethodPost, "/apply", "apply", "Put a manifest in place", ScopeCatalogWrite)
	apply.MaxBodyBytes = maxManifest
	apply.BodyReadTimeout = -1
	huma.Register(h, apply, a.apply)
	huma.Register(h, op(http.MethodGet, "/channels", "list-channels", "List channels", ScopeCatalogRead), a.listChannels)
	huma.Register(h, op(http.MethodGet, "/channels/{name}", "get-channel", "Show a channel and what to paste where", ScopeCatalogRead), a.getChannel)
	huma.Register(h, op(http.MethodDelete, "/channels/{name}", "delete-channel", "Delete a channel and drop what waits for it", ScopeCatalogWrite), a.deleteChannel)
	huma.Register(h, op(http.MethodGet, "/assistants", "list-assistants", "List assistants", ScopeCatalogRead), a.listAssistants)
	huma.Register(h, op(http.MethodDelete, "/assistants/{name}", "delete-assistant", "Delete an assistant no channel uses", ScopeCatalogWrite), a.deleteAssistant)
	a.registerReleases(h)
	a.registerChannels(h)
}

func (a *api) apply(ctx context.Context, in *applyInput) (*applyOutput, error) {
	return a.changed(ctx)(a.Catalog.Apply(ctx, in.Body.Manifest, catalog.ApplyOptions{DryRun: in.Body.DryRun, Draft: in.Body.Draft, Actor: actorOf(ctx)}))
}

func (a *api) applied(result catalog.Result) {
	if a.Applied != nil && !result.DryRun && result.Changed() {
		a.Applied(result)
	}
}

func (a *api) listChannels(ctx context.Context, _ *struct{}) (*channelsOutput, error) {
	all, err := a.Catalog.Channels(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &channelsOutput{Body: ChannelList{Channels: all}}, nil
}

func (a *api) getChannel(ctx context.Context, in *named) (*channelOutput, error) {
	details, err := a.Catalog.Channel(ctx, in.Name, a.PublicURL)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	counts, err := a.Deliveries.DeliveryCounts(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	answer := ChannelAnswer{ChannelDetails: details}
	for _, c := range counts {
		if c.Channel == details.ID {
			answer.OpenDeliveries = c.Open
		}
	}
	return &channelOutput{Body: answer}, nil
}

func (a *api) listAssistants(ctx context.Context, _ *struct{}) (*assistantsOutput, error) {
	all, err := a.Catalog.Assistants(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &assistantsOutput{Body: AssistantList{Assistants: all}}, nil
}

func (a *api) deleteChannel(ctx context.Context, in *named) (*applyOutput, error) {
	return a.remove(ctx, store.ItemChannel, in.Name)
}

func (a *api) deleteAssistant(ctx context.Context, in *named) (*applyOutput, error) {
	return a.remove(ctx, store.ItemAssistant, in.Name)
}

func (a *api) remove(ctx context.Context, kind store.ItemKind, name string) (*applyOutput, error) {
	return a.changed(ctx)(a.Catalog.Delete(ctx, kind, name, actorOf(ctx)))
}
