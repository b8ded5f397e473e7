package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

// Scratch measures claims beside backlogs.
func Scratch(t *testing.T, s store.Store, exec func(string), legs, perLeg int) {
	k := &kit{TB: t, Store: s, now: time.Now()}
	k.lease()
	live := k.pushed("live", "x")
	dead := k.pushed("dead", "d")
	cycle := func(n int, what string, limits map[chat.ChannelID]int) {
		var tc, tr, ts, ta []time.Duration
		for range n {
			b := time.Now()
			k.says(live, "x")
			ta = append(ta, time.Since(b))
			b = time.Now()
			step := k.claims()
			step.PerEndpoint = 8
			step.Limits = limits
			out := do(k, step)
			tc = append(tc, time.Since(b))
			for _, d := range out.Deliveries {
				b = time.Now()
				k.render(d, "x")
				tr = append(tr, time.Since(b))
				b = time.Now()
				if d.Channel == "live" {
					k.sent(d, 1, fmt.Sprint("e", d.Key), true)
				} else {
					k.end(d, chat.DeliveryWaiting, k.now.Add(time.Hour))
				}
				ts = append(ts, time.Since(b))
			}
		}
		med := func(a []time.Duration) string {
			slices.Sort(a)
			if len(a) == 0 {
				return "-"
			}
			return fmt.Sprintf("%v/%v", a[len(a)/2].Round(time.Microsecond), a[len(a)-1].Round(time.Microsecond))
		}
		t.Logf("%s: append %s claim %s render %s sent %s (%d)", what, med(ta), med(tc), med(tr), med(ts), len(tr))
	}
	cycle(50, "empty", nil)
	exec("ANALYZE")
	cycle(50, "empty analyzed", nil)
	ch := fmt.Sprintf("(SELECT key FROM channel WHERE id = 'dead')")
	n := legs * perLeg
	exec(fmt.Sprintf(`INSERT INTO leg (key, conversation, episode, kind, mode, channel, place, thread, created_at)
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d) SELECT 100000000 + i, %d, 0, 1, 2, %s, 'z', '', 1 FROM n`, legs, dead.Key, ch))
	exec(fmt.Sprintf(`INSERT INTO entry (conversation, seq, visible_seq, episode, origin, author_kind, author_id, visibility, purpose, target, content, created_at, edited_at, deleted, turn, raw)
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d) SELECT %d, 1000000 + i, 1, 0, 0, 2, '', 1, 1, 0, '{"v":1,"type":"text","text":"changed"}', 1, 0, 0, 0, 0 FROM n`, n, dead.Key))
	exec(fmt.Sprintf(`INSERT INTO delivery (key, conversation, seq, leg, channel, status, attempts, due_at, owner, boot, last_error, created_at, ended_at)
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d)
		SELECT 200000000 + i, %d, 1000000 + i, 100000000 + i %% %d, %s, 1, 0, %d, '', 0, '', 1, 0 FROM n`, n, dead.Key, legs, ch, k.now.UnixMilli()))
	cycle(100, "backlog, dead probed", map[chat.ChannelID]int{"dead": 1})
	cycle(100, "backlog, dead 8", nil)
	exec("ANALYZE")
	cycle(100, "backlog, analyzed", nil)
	b := time.Now()
	counts := must[[]store.DeliveryCount](k)(k.DeliveryCounts(context.Background()))
	t.Log("counts", time.Since(b), counts)
	b = time.Now()
	l := must[[]chat.Delivery](k)(k.Deliveries(context.Background(), store.DeliveryFilter{}))
	t.Log("list", time.Since(b), len(l))
	b = time.Now()
	_ = must[store.Stats](k)(k.Stats(context.Background()))
	t.Log("stats", time.Since(b))
	exec(fmt.Sprintf("UPDATE delivery SET due_at = %d WHERE status = 1 AND channel = %s", k.now.Add(time.Hour).UnixMilli(), ch))
	cycle(100, "backlog, not due", nil)
	b = time.Now()
	m := do(k, store.MakeEndpointDue{Channel: "dead", Now: k.now})
	t.Log("make due", time.Since(b), m)
	cycle(100, "backlog, due again", nil)
}
