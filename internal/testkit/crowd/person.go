package crowd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/channel/rtm/rtmtest"
)

// Person is one member of a crowd.
type Person struct {
	// Name is the person's id in the app.
	Name   string
	crowd  *Crowd
	client *rtmtest.Client
	// checked is how many acknowledged messages were looked up in the history.
	checked int

	mu sync.Mutex
	// said are the messages in the order in which they were first sent.
	said []*message
	// acked counts the messages with an ack.
	acked int
	// seen counts over all sockets how often an entry was shown.
	seen map[string]int
	// token is the access token, kept over reconnects as web clients do.
	token   string
	tokens  []string
	notices []Notice
	odd     []string
	ends    []error
}

type message struct {
	text    string
	id      int64
	sent    bool // over the present socket
	at      time.Time
	ackedAt time.Time
}

// Notice is a bot_response that is no entry: what the server says to the
// person beside the conversation.
type Notice struct {
	At   time.Time
	Text string
}

// Acked returns the texts that were acknowledged so far, in the order they were
// said.
func (p *Person) Acked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var texts []string
	for _, m := range p.said {
		if !m.ackedAt.IsZero() {
			texts = append(texts, m.text)
		}
	}
	return texts
}

// AckedBetween counts acks that arrived in a span of time.
func (p *Person) AckedBetween(from, to time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, m := range p.said {
		if m.ackedAt.After(from) && m.ackedAt.Before(to) {
			n++
		}
	}
	return n
}

// Notices returns what the server told the person beside the conversation.
func (p *Person) Notices() []Notice {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.notices)
}

// Seen returns how often each entry was shown to the person, by messageId.
func (p *Person) Seen() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.seen)
}

// Ends returns how the person's sockets ended.
func (p *Person) Ends() []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ends)
}

// Token returns the person's access token.
func (p *Person) Token() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.token
}

// live keeps a socket open, and opens a new one when it ends, until ctx does.
func (p *Person) live(ctx context.Context) {
	for again := false; ctx.Err() == nil; again = true {
		s, err := p.open(ctx, again)
		if err != nil {
			pause(ctx, p.crowd.Reconnect)
			continue
		}
		err = p.talk(ctx, s)
		_ = s.Drop() // it has ended, or is about to be replaced
		if ctx.Err() == nil {
			p.mu.Lock()
			p.ends = append(p.ends, err)
			p.mu.Unlock()
		}
	}
}

func (p *Person) open(ctx context.Context, again bool) (*rtmtest.Socket, error) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	if p.Token() == "" {
		granted, err := p.client.Grant(ctx)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		p.token = granted.Authorization.AccessToken
		p.tokens = append(p.tokens, p.token)
		p.mu.Unlock()
	}
	flags := ""
	if again {
		flags = "isReconnect=true"
	}
	s, err := p.client.Connect(ctx, p.Token(), flags)
	if rtmtest.Status(err) == 401 {
		// Once more may cure it: the sid may have aged while we waited.
		s, err = p.client.Connect(ctx, p.Token(), flags)
	}
	if err != nil && rtmtest.Status(err) == 429 {
		p.note("the server answered 429, which stops web clients for good")
	}
	return s, err
}

// talk reads and writes one socket until it ends, and returns why it did.
func (p *Person) talk(ctx context.Context, s *rtmtest.Socket) error {
	ctx, cancel := context.WithCancel(ctx)
	wrote := make(chan struct{})
	p.unsend()
	go func() {
		defer close(wrote)
		p.write(ctx, s)
	}()
	defer func() {
		cancel()
		<-wrote
	}()
	shown := map[string]bool{}
	for {
		f, err := s.Read(ctx)
		if err != nil {
			return err
		}
		p.take(f, shown)
	}
}

// unsend forgets what went over the last socket, so that it goes over the next.
func (p *Person) unsend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.said[p.firstOpen():] {
		m.sent = false
	}
}

// firstOpen is the index of the first message without an ack.
func (p *Person) firstOpen() int {
	i := slices.IndexFunc(p.said, func(m *message) bool { return m.ackedAt.IsZero() })
	if i < 0 {
		return len(p.said)
	}
	return i
}

// write sends what is due until ctx or the socket ends.
func (p *Person) write(ctx context.Context, s *rtmtest.Socket) {
	for pause(ctx, p.crowd.Pause) {
		for _, m := range p.due() {
			if s.Say(ctx, m.id, m.text) != nil {
				return // the reader hears of it too
			}
		}
	}
}

// due returns what to send now, in order: open messages that were not sent over
// this socket, all open ones when one has waited too long, or a new one.
func (p *Person) due() []*message {
	p.mu.Lock()
	defer p.mu.Unlock()
	open := p.said[p.firstOpen():]
	for _, m := range open {
		if m.ackedAt.IsZero() && m.sent && time.Since(m.at) > p.crowd.Patience {
			for _, m := range open {
				m.sent = false
			}
			break
		}
	}
	var now []*message
	waiting := 0
	for _, m := range open {
		if !m.ackedAt.IsZero() {
			continue
		}
		waiting++
		if !m.sent {
			m.sent, m.at = true, time.Now()
			now = append(now, m)
		}
	}
	if len(now) > 0 || waiting >= p.crowd.Window || !p.crowd.talking.Load() || p.crowd.Messages > 0 && len(p.said) >= p.crowd.Messages {
		return now
	}
	n := len(p.said) + 1
	m := &message{text: fmt.Sprintf("%s says %d", p.Name, n), id: p.crowd.began.UnixMilli() + int64(n), sent: true, at: time.Now()}
	p.said = append(p.said, m)
	return []*message{m}
}

// take enters a frame into the book. shown are the entries of this socket.
func (p *Person) take(f rtmtest.Frame, shown map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch f.Type {
	case "ack":
		for _, m := range p.said {
			if string(f.ReplyTo) == fmt.Sprint(m.id) && m.ackedAt.IsZero() {
				m.ackedAt = f.At
				p.acked++
			}
		}
	case "bot_response":
		// An entry's id ends in its number; a notice has none.
		if strings.Count(f.MessageID, "-") < 6 {
			p.notices = append(p.notices, Notice{f.At, f.Text()})
			return
		}
		if shown[f.MessageID] {
			p.odd = append(p.odd, fmt.Sprintf("entry %s came twice over one socket", f.MessageID))
		}
		shown[f.MessageID] = true
		p.seen[f.MessageID]++
	}
}

func (p *Person) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.odd = append(p.odd, text)
}

// pause waits; it reports false when ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
