package mattermost

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	mm "parley/internal/mattermost"
)

// settings are the parts of a channel's settings that can change while its
// link goes on. They are replaced as a whole.
type settings struct {
	name   string
	body   Body
	maxAge time.Duration
	follow time.Duration
	// patterns are the keys of body.Rooms, the most telling first.
	patterns []string
}

func newSettings(name string, b Body) (*settings, error) {
	s := &settings{name: name, body: b, follow: time.Duration(b.FollowThreadDays) * 24 * time.Hour}
	var err error
	if s.maxAge, err = time.ParseDuration(b.MaxAnswerAge); err != nil {
		return nil, fmt.Errorf("max_answer_age: %w", err)
	}
	s.patterns = slices.Sorted(maps.Keys(b.Rooms))
	// A name beats a pattern, a longer pattern a shorter one.
	slices.SortStableFunc(s.patterns, func(a, b string) int {
		if p, q := strings.ContainsAny(a, `*?[\`), strings.ContainsAny(b, `*?[\`); p != q {
			if p {
				return 1
			}
			return -1
		}
		return len(b) - len(a)
	})
	return s, nil
}

// answerIn says when a room is answered. A room matches by the name in its
// address, its display name or its id.
func (s *settings) answerIn(room mm.Channel) string {
	for _, pattern := range s.patterns {
		for _, name := range []string{room.Name, room.DisplayName, room.ID} {
			if ok, err := path.Match(pattern, name); ok && err == nil && name != "" {
				return s.body.Rooms[pattern].Answer
			}
		}
	}
	return s.body.Answer
}

// isDirect reports whether everything said in a room is said to us.
func isDirect(room mm.Channel) bool { return room.Type == mm.DM }
