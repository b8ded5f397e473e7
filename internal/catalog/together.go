package catalog

import (
	"context"
	"fmt"

	"parley/internal/channel"
)

// together asks the types of channel whether all their channels can be in force
// beside each other. It needs the secrets, old and new.
func (p *plan) together(ctx context.Context) error {
	if p.empty() {
		return nil
	}
	asked := map[string]bool{}
	for _, next := range p.nextChannels {
		if _, asks := p.service.types[next.Type].(channel.Together); asks {
			asked[next.Type] = true
		}
	}
	if len(asked) == 0 {
		return nil
	}
	sealed, err := contents{channels: p.nextChannels}.readSecrets(ctx, p.service.store)
	if err != nil {
		return fmt.Errorf("read secrets: %w", err)
	}
	all := make(map[string][]byte, len(sealed)+len(p.sealed))
	for id, value := range sealed {
		all[id] = value
	}
	for _, s := range p.sealed {
		all[s.ID] = s.Sealed
	}
	for _, typ := range keys(asked) {
		var mine []channel.Configured
		for _, name := range keys(p.nextChannels) {
			if c := p.nextChannels[name]; c.Type == typ {
				mine = append(mine, c.configured(name, p.service.sealer, all))
			}
		}
		if err := p.service.types[typ].(channel.Together).Together(mine); err != nil {
			return err
		}
	}
	return nil
}
