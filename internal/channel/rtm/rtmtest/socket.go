package rtmtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// Socket is one open WebSocket. It is used either with [Socket.Read] by one
// goroutine, or with [Socket.Listen] and the Expect methods; not both.
type Socket struct {
	conn   *websocket.Conn
	bot    BotInfo
	binary bool
	opened time.Time
	frames *frames
}

// DialOptions are how to open a socket.
type DialOptions struct {
	HTTP *http.Client
	// Bot is named in the frames that [Socket.Say] sends.
	Bot BotInfo
	// Binary sends binary frames, as iOS does.
	Binary bool
	// Header is sent with the upgrade, such as Origin.
	Header http.Header
	// Subprotocols are offered.
	Subprotocols []string
	// NoPong leaves protocol-level pings unanswered, so that nothing the
	// server sends is confirmed.
	NoPong bool
}

// Dial opens the socket at address. A refused upgrade is a [*Refusal].
func Dial(ctx context.Context, address string, o DialOptions) (*Socket, error) {
	options := &websocket.DialOptions{HTTPClient: o.HTTP, HTTPHeader: o.Header, Subprotocols: o.Subprotocols}
	if o.NoPong {
		options.OnPingReceived = func(context.Context, []byte) bool { return false }
	}
	conn, resp, err := websocket.Dial(ctx, address, options)
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			r := &Refusal{Status: resp.StatusCode}
			// The library keeps the first KB of the body.
			_ = json.NewDecoder(resp.Body).Decode(r)
			return nil, r
		}
		return nil, err
	}
	conn.SetReadLimit(16 << 20)
	return &Socket{conn: conn, bot: o.Bot, binary: o.Binary, opened: time.Now()}, nil
}

// Opened is when the upgrade was answered.
func (s *Socket) Opened() time.Time { return s.opened }

// Frame is a server frame, as far as any client reads it.
type Frame struct {
	Type      string          `json:"type"`
	From      string          `json:"from"`
	OK        bool            `json:"ok"`
	ReplyTo   json.RawMessage `json:"replyto"`
	ID        json.RawMessage `json:"id"`
	MessageID string          `json:"messageId"`
	CreatedOn string          `json:"createdOn"`
	Timestamp json.RawMessage `json:"timestamp"`
	Icon      string          `json:"icon"`
	FromAgent bool            `json:"fromAgent"`
	BotInfo   BotInfo         `json:"botInfo"`
	Message   json.RawMessage `json:"message"`
	// Raw is the whole frame, At when it arrived.
	Raw []byte    `json:"-"`
	At  time.Time `json:"-"`
}

// Part is message[0] of a bot_response.
type Part struct {
	Type      string `json:"type"`
	Component *struct {
		Type    string          `json:"type"`
		Payload json.RawMessage `json:"payload"`
	} `json:"component"`
	CInfo struct {
		Body string `json:"body"`
	} `json:"cInfo"`
}

// Parts reads the entries of a bot_response.
func (f Frame) Parts() ([]Part, error) {
	var parts []Part
	err := json.Unmarshal(f.Message, &parts)
	return parts, err
}

// Text is what a bot_response says, or the body of a user_message.
func (f Frame) Text() string {
	if f.Type == "user_message" {
		var m struct {
			Body string `json:"body"`
		}
		_ = json.Unmarshal(f.Message, &m)
		return m.Body
	}
	parts, err := f.Parts()
	if err != nil || len(parts) == 0 {
		return ""
	}
	return parts[0].CInfo.Body
}

// Read waits for the next frame. When ctx ends the connection is closed.
func (s *Socket) Read(ctx context.Context) (Frame, error) {
	typ, p, err := s.conn.Read(ctx)
	if err != nil {
		return Frame{}, err
	}
	f := Frame{Raw: p, At: time.Now()}
	if typ != websocket.MessageText {
		return f, fmt.Errorf("the server sent a binary frame of %d bytes", len(p))
	}
	if err := json.Unmarshal(p, &f); err != nil {
		return f, fmt.Errorf("the server sent a frame that is not JSON: %w", err)
	}
	return f, nil
}

// Send writes one frame of JSON: v is marshalled, unless it is []byte.
func (s *Socket) Send(ctx context.Context, v any) error {
	p, ok := v.([]byte)
	if !ok {
		var err error
		if p, err = json.Marshal(v); err != nil {
			return err
		}
	}
	typ := websocket.MessageText
	if s.binary {
		typ = websocket.MessageBinary
	}
	return s.conn.Write(ctx, typ, p)
}

// Message is a client frame as web SDK 10.1.12 sends it.
type Message struct {
	ClientMessageID any     `json:"clientMessageId"`
	ResourceID      string  `json:"resourceid"`
	Message         Body    `json:"message"`
	BotInfo         BotInfo `json:"botInfo"`
	Client          string  `json:"client"`
	Meta            Meta    `json:"meta"`
	ID              any     `json:"id"`
}

// Body is the message of a client frame.
type Body struct {
	Body      string `json:"body"`
	RenderMsg string `json:"renderMsg,omitempty"`
}

// Meta is what web clients say about themselves.
type Meta struct {
	Timezone string `json:"timezone"`
	Locale   string `json:"locale"`
}

// Say sends a message as web SDK 10.1.12 does.
func (s *Socket) Say(ctx context.Context, id int64, text string) error {
	return s.Send(ctx, Message{
		ClientMessageID: id, ResourceID: "/bot.message", Message: Body{Body: text},
		BotInfo: s.bot, Client: "sdk", Meta: Meta{"Etc/UTC", "en-US"}, ID: id,
	})
}

// Ping writes a protocol-level ping and waits for its pong; a reader must be
// at work.
func (s *Socket) Ping(ctx context.Context) error { return s.conn.Ping(ctx) }

// Close ends the socket with a close frame.
func (s *Socket) Close() error { return s.conn.Close(websocket.StatusNormalClosure, "") }

// Drop ends the TCP connection without a close frame.
func (s *Socket) Drop() error { return s.conn.CloseNow() }
