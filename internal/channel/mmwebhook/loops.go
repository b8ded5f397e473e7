package mmwebhook

import (
	"sync"
	"time"
)

const (
	// loopWindow is the time in which messages are counted.
	loopWindow = time.Minute
	// loopPause is for how long a speaker is not answered after a loop.
	loopPause = 10 * time.Minute
	// maxSpeakers bounds what is remembered.
	maxSpeakers = 10000
)

// loops stops programs that answer our answers. The payload does not say
// whether a bot wrote, so it goes by speed: nobody writes as fast as two
// programs that answer each other.
type loops struct {
	mu       sync.Mutex
	speakers map[string]*speaker
}

// speaker is one account in one room of one channel of ours.
type speaker struct {
	// said are the messages of the last minute, oldest first.
	said   []saying
	paused time.Time
}

type saying struct {
	post string
	at   time.Time
}

func newLoops() *loops { return &loops{speakers: map[string]*speaker{}} }

// judge counts a post that is about to be answered; one that another hook has
// brought counts once. silent is set when it must not be answered, tripped when
// that begins with it.
func (l *loops) judge(key, post string, limit int, now time.Time) (tripped, silent bool) {
	if limit == 0 {
		return false, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.speakers[key]
	if s == nil {
		l.makeRoom(now)
		s = &speaker{}
		l.speakers[key] = s
	}
	if now.Before(s.paused) {
		return false, true
	}
	s.forget(now)
	for _, m := range s.said {
		if m.post == post {
			return false, false
		}
	}
	if len(s.said) < limit {
		s.said = append(s.said, saying{post, now})
		return false, false
	}
	s.said, s.paused = nil, now.Add(loopPause)
	return true, true
}

func (s *speaker) forget(now time.Time) {
	for len(s.said) > 0 && now.Sub(s.said[0].at) >= loopWindow {
		s.said = s.said[1:]
	}
}

// makeRoom forgets speakers that are quiet, and all of them when none is: more
// people than that do not loop at once.
func (l *loops) makeRoom(now time.Time) {
	if len(l.speakers) < maxSpeakers {
		return
	}
	for key, s := range l.speakers {
		if s.forget(now); len(s.said) == 0 && !now.Before(s.paused) {
			delete(l.speakers, key)
		}
	}
	if len(l.speakers) >= maxSpeakers {
		clear(l.speakers)
	}
}
