package mattermost

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	mm "parley/internal/mattermost"
)

// oneRoom is a server with one room, of which more is told with each question.
type oneRoom struct {
	api
	info  mm.Channel
	posts [][]mm.Post
	asked int
}

func (o *oneRoom) PostsBefore(context.Context, string, string, int) (mm.PostPage, error) {
	o.asked++
	return mm.PostPage{Posts: o.posts[min(o.asked, len(o.posts))-1]}, nil
}

// testRoom is a room of a link that is not running, on such a server.
func testRoom(t *testing.T, server *oneRoom) *room {
	t.Helper()
	d, err := New(Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.halt)
	set, err := newSettings("chat", Body{MaxAnswerAge: "1h"})
	if err != nil {
		t.Fatal(err)
	}
	l := newLink(d, account{channel: "c"}, set, server)
	l.me = mm.User{ID: "me", Username: "bot"}
	h := &hold{l: l, ctx: l.ctx, rooms: map[string]*room{}, alive: d.Now()}
	r := newRoom(h, "room")
	r.info = server.info
	return r
}

func word(kind string, at int64) mm.Post {
	return mm.Post{ID: kind + time.UnixMilli(at).Format(".000"), CreateAt: at, Type: "system_" + kind + "_channel", Props: map[string]any{"addedUserId": "me", "removedUserId": "me"}}
}

// The server is late to say that we are in a room again.
func TestBeginningOfAReturn(t *testing.T) {
	public := mm.Channel{Type: mm.Public}
	for name, test := range map[string]struct {
		info    mm.Channel
		unheard bool
		known   bool
		posts   func(now int64) [][]mm.Post
		want    func(now int64) cursor
		asked   int
	}{
		"the word is there": {
			info: public, known: true, asked: 1,
			posts: func(now int64) [][]mm.Post {
				return [][]mm.Post{{word("remove_from", now-500), word("add_to", now)}}
			},
			want: func(now int64) cursor { return cursor{ID: word("add_to", now).ID, At: now} },
		},
		"after a while, behind the word of the removal": {
			info: public, known: true, asked: 4,
			posts: func(now int64) [][]mm.Post {
				before := []mm.Post{word("add_to", now-9000), word("remove_from", now-500), post("away", now-10)}
				return [][]mm.Post{before, before, before, append(before, word("add_to", now))}
			},
			want: func(now int64) cursor { return cursor{ID: word("add_to", now).ID, At: now} },
		},
		"after a while, and the word of the removal is late as well": {
			info: public, known: true, asked: 2,
			posts: func(now int64) [][]mm.Post {
				before := []mm.Post{word("add_to", now-9000), post("away", now-10)}
				return [][]mm.Post{before, append(before, word("add_to", now))}
			},
			want: func(now int64) cursor { return cursor{ID: word("add_to", now).ID, At: now} },
		},
		"never": {
			info: public, known: true, asked: 21,
			posts: func(now int64) [][]mm.Post {
				return [][]mm.Post{{word("add_to", now-9000), word("remove_from", now-500)}}
			},
			want: func(now int64) cursor { return cursor{ID: "last", At: now - 5000, From: "before"} },
		},
		"new to us, and removed and added at once": {
			info: public, asked: 3,
			posts: func(now int64) [][]mm.Post {
				before := []mm.Post{word("add_to", now-900), word("remove_from", now-500)}
				return [][]mm.Post{before, before, append(before, word("add_to", now))}
			},
			want: func(now int64) cursor { return cursor{ID: word("add_to", now).ID, At: now} },
		},
		"not heard of": {
			info: public, known: true, unheard: true, asked: 1,
			posts: func(now int64) [][]mm.Post { return [][]mm.Post{{word("remove_from", now-500)}} },
			want:  func(now int64) cursor { return cursor{ID: "last", At: now - 5000, From: "before"} },
		},
		"a direct message": {
			info: mm.Channel{Type: mm.DM}, asked: 1,
			posts: func(int64) [][]mm.Post { return [][]mm.Post{nil} },
			want:  func(now int64) cursor { return cursor{At: now - clockSlack.Milliseconds()} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now().UnixMilli()
				server := &oneRoom{info: test.info, posts: test.posts(now)}
				r := testRoom(t, server)
				if test.known {
					r.cursor = cursor{ID: "last", At: now - 5000, From: "before"}
					r.out, r.rejoin, r.changed = true, true, time.UnixMilli(now-500)
				}
				r.heardBack = !test.unheard
				began := time.Now()
				at, err := r.beginning(t.Context(), false)
				if diff := cmp.Diff(test.want(now), at); diff != "" || err != nil {
					t.Errorf("%v\n%s", err, diff)
				}
				if took := time.Since(began); took > joinBlur || server.asked != test.asked {
					t.Errorf("asked %d times in %v, want %d", server.asked, took, test.asked)
				}
			})
		})
	}
}

// What was said before we came into a room is not read again.
func TestCursorBeginsAnewWithAJoining(t *testing.T) {
	in := word("add_to", 20000)
	for name, later := range map[string][]mm.Post{"in order": nil, "late": {post("heard", 20300), post("more", 21900)}} {
		c, tr := cursor{ID: "before", At: 5000, From: "long before"}, trail{{"long before", 4000}, {"before", 5000}}
		for _, p := range append([]mm.Post{post("away", 15000)}, later...) {
			c, tr = c.move(tr, p)
		}
		c, tr = c.joined(tr, in)
		if c.anchor() != in.ID || c.At < in.CreateAt {
			t.Errorf("%s: %+v", name, c)
		}
		c, tr = c.move(tr, post("next", 22000))
		if c.anchor() != in.ID || c.ID != "next" {
			t.Errorf("%s: then %+v", name, c)
		}
		if c, _ = c.move(tr, post("long after", 60000)); c.anchor() == in.ID {
			t.Errorf("%s: it stays there: %+v", name, c)
		}
	}
}
