package catalog

import (
	"sync"

	"parley/internal/assistant"
)

// keepVersions is how many older versions stay compiled. Episodes end after a
// day of silence, so more than a few per assistant are rarely in use.
const keepVersions = 64

// versions keeps assistants that are no longer in force but still have open
// episodes; the least recently used goes first.
type versions struct {
	mu   sync.Mutex
	all  map[versionKey]*usedVersion
	tick int64
}

type versionKey struct {
	name    string
	version int64
}

type usedVersion struct {
	instance assistant.Assistant
	used     int64
}

func (v *versions) get(name string, version int64) (assistant.Assistant, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	got, ok := v.all[versionKey{name, version}]
	if !ok {
		return nil, false
	}
	v.tick++
	got.used = v.tick
	return got.instance, true
}

func (v *versions) put(name string, version int64, a assistant.Assistant) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.putLocked(versionKey{name, version}, a)
}

// keep takes what goes out of force: its episodes are still open.
func (v *versions) keep(before, after *state) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name, c := range before.assistants {
		if _, still := after.at(name, c.version); !still {
			v.putLocked(versionKey{name, c.version}, c.instance)
		}
	}
	for key, c := range before.pinned {
		if _, still := after.at(key.name, key.version); !still {
			v.putLocked(key, c.instance)
		}
	}
}

func (v *versions) putLocked(key versionKey, a assistant.Assistant) {
	if v.all == nil {
		v.all = map[versionKey]*usedVersion{}
	}
	v.tick++
	v.all[key] = &usedVersion{instance: a, used: v.tick}
	if len(v.all) <= keepVersions {
		return
	}
	oldest := key
	for k, u := range v.all {
		if u.used < v.all[oldest].used {
			oldest = k
		}
	}
	delete(v.all, oldest)
}
