package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"parley/internal/testkit/crowd"
	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

// complete says what is missing, too much or in the wrong order among the
// answers, all of which begin with word.
func (d *desk) complete(words ...string) error {
	d.mu.Lock()
	want := map[spot][]int{}
	rooms := map[string]bool{}
	for at, list := range d.asked {
		want[at] = slices.Clone(list)
		rooms[at.room] = true
	}
	d.mu.Unlock()
	if len(words) == 0 {
		words = []string{"answer"}
	}
	got := map[spot][]string{}
	for room := range rooms {
		posts, err := readAll(d.readerOf(room), room)
		if err != nil {
			return err
		}
		for _, p := range posts {
			if p.UserID == d.bot.ID {
				at := spot{room, p.RootID}
				got[at] = append(got[at], p.Message)
			}
		}
	}
	var wrong []string
	for at, list := range want {
		if why := differ(list, got[at], words); why != "" {
			wrong = append(wrong, fmt.Sprintf("in %v %s", at, why))
		}
		delete(got, at)
	}
	for at, list := range got {
		wrong = append(wrong, fmt.Sprintf("in %v there are answers to nothing: %q", at, list))
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return fmt.Errorf("%d threads are not right: %s", len(wrong), strings.Join(wrong[:min(3, len(wrong))], "; "))
}

// differ says where the answers are not those to the questions; empty when they
// are.
func differ(asked []int, got, words []string) string {
	for i, n := range asked {
		switch {
		case i >= len(got):
			return fmt.Sprintf("there are %d answers, the one to question %d is missing", len(got), n)
		case !slices.ContainsFunc(words, func(w string) bool { return got[i] == fmt.Sprintf("%s %d", w, n) }):
			return fmt.Sprintf("answer %d of %d is %q, want the one to question %d; around it are %q", i+1, len(got), got[i], n, got[max(0, i-3):min(len(got), i+4)])
		}
	}
	if len(got) > len(asked) {
		return fmt.Sprintf("there are %d answers to %d questions: %q", len(got), len(asked), got[len(asked):])
	}
	return ""
}

var errComplete = errors.New("complete")

// newest names the newest posts of all rooms.
func (d *desk) newest() (string, error) {
	d.mu.Lock()
	rooms := map[string]bool{}
	for at := range d.asked {
		rooms[at.room] = true
	}
	d.mu.Unlock()
	var all []string
	for _, room := range slices.Sorted(maps.Keys(rooms)) {
		var list struct {
			Order []string `json:"order"`
		}
		if err := d.readerOf(room).Do(context.Background(), http.MethodGet, "/channels/"+room+"/posts?per_page=1", nil, &list); err != nil {
			return "", err
		}
		all = append(all, list.Order...)
	}
	return strings.Join(all, " "), nil
}

// readerOf is somebody who can read a room.
func (d *desk) readerOf(room string) *mmtest.User {
	if room == d.direct[d.mm.Bob.ID] {
		return d.mm.Bob
	}
	return d.mm.Alice
}

func readAll(who *mmtest.User, room string) (posts []mmtest.Post, err error) {
	err = mmtest.Try(func(t mmtest.T) { posts = who.Posts(t, room) })
	return posts, err
}

// settle waits until every question has its one answer, and nothing is left
// that could still say anything.
func (d *desk) settle(t *testing.T, words ...string) {
	t.Helper()
	var last string
	var verdict error
	wait.Succeed(t, settleWithin, func() error {
		newest, err := d.newest()
		if err != nil {
			return err
		}
		// All posts are read only when no more are coming.
		switch {
		case newest != last:
			last, verdict = newest, nil
			return errors.New("posts are still coming")
		case verdict == nil:
			verdict = cmp.Or(d.complete(words...), errComplete)
		}
		if verdict == errComplete {
			return nil
		}
		return verdict
	}, "one answer to each question, in order, in its thread")
	wait.Succeed(t, settleWithin, d.idle(t), "nothing to be on its way")
	if err := d.complete(words...); err != nil {
		t.Fatalf("after all was quiet: %v", err)
	}
}

type listedDelivery struct {
	ID        int64  `json:"id"`
	Status    string `json:"status"`
	Attempts  int    `json:"attempts"`
	LastError string `json:"last_error"`
}

func (d *desk) deliveries(t *testing.T) []listedDelivery {
	t.Helper()
	var list struct {
		Deliveries []listedDelivery `json:"deliveries"`
	}
	d.admin().Run(t, &list, "delivery", "list", "--limit", "500")
	return list.Deliveries
}

// nothingGivenUp checks that no delivery has failed for good.
func (d *desk) nothingGivenUp(t *testing.T) {
	t.Helper()
	for _, l := range d.deliveries(t) {
		id := fmt.Sprint(l.ID)
		conversation := struct {
			Delivery struct {
				Conversation string `json:"conversation"`
			} `json:"delivery"`
		}{}
		d.admin().Run(t, &conversation, "delivery", "show", id)
		t.Errorf("a delivery was given up:\n%s\nin\n%s", d.mustRun(t, "delivery", "show", id),
			d.mustRun(t, "conversation", "show", conversation.Delivery.Conversation))
	}
}

// idle reports what is still on its way.
func (d *desk) idle(t *testing.T) func() error {
	return func() error {
		t.Helper()
		for _, l := range d.deliveries(t) {
			if l.Status == "waiting" || l.Status == "claimed" {
				return fmt.Errorf("a delivery is %s after %d failed attempts: %s", l.Status, l.Attempts, l.LastError)
			}
		}
		var turns struct {
			Turns []crowd.Turn `json:"turns"`
		}
		d.admin().Run(t, &turns, "turn", "list", "--limit", "500")
		for _, turn := range turns.Turns {
			if turn.Status != "done" {
				return fmt.Errorf("a turn is %s after %d attempts: %s", turn.Status, turn.Attempts, turn.LastError)
			}
		}
		return nil
	}
}

// oneTurnEach reads the log: each question is there once and in exactly one
// turn.
func (d *desk) oneTurnEach(t *testing.T) {
	t.Helper()
	admin := d.admin()
	d.mu.Lock()
	want, spots := d.count, len(d.asked)
	d.mu.Unlock()
	conversations := d.conversations(t)
	if len(conversations) != spots {
		t.Errorf("there are %d conversations, want %d", len(conversations), spots)
	}
	asked := 0
	for _, c := range conversations {
		turns := admin.Turns(t, c.ID)
		first := int64(0) // questions before the turns that are listed
		if len(turns) == crowd.MaxTurns {
			first = turns[len(turns)-1].FirstSeq
		}
		for _, e := range admin.Entries(t, c.ID) {
			if e.Author.Kind != "contact" || e.Purpose != "message" {
				continue
			}
			asked++
			in := 0
			for _, turn := range turns {
				if turn.FirstSeq <= e.Seq && e.Seq <= turn.LastSeq {
					in++
				}
			}
			if in != 1 && e.Seq >= first {
				t.Errorf("%q is in %d turns", e.Content.Text, in)
			}
		}
	}
	if asked != want {
		t.Errorf("%d questions are in the log, want %d", asked, want)
	}
}

// conversations lists all of the channel.
func (d *desk) conversations(t *testing.T) (all []crowd.Conversation) {
	t.Helper()
	for before := ""; ; {
		var page struct {
			Conversations []crowd.Conversation `json:"conversations"`
			Next          string               `json:"next"`
		}
		args := []string{"conversation", "list", "--limit", "500", "--channel", deskChannel}
		if before != "" {
			args = append(args, "--before", before)
		}
		d.admin().Run(t, &page, args...)
		all = append(all, page.Conversations...)
		if before = page.Next; before == "" {
			return all
		}
	}
}
