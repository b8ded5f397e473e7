package rtm

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"parley/internal/chat"
)

// MaxText is the longest message a person may send, in characters.
const MaxText = 16000

const maxClientID = 200

// frameKind is what a client frame turned out to be.
type frameKind uint8

const (
	// frameIgnored is a frame that asks for nothing.
	frameIgnored frameKind = iota
	framePing
	// frameMessage is something the person says.
	frameMessage
	// frameEvent is a fact for the assistant: a button of the window, or the
	// end of a talk with a person.
	frameEvent
	// frameClose ends the episode.
	frameClose
	// frameReceipt says what has been read or delivered.
	frameReceipt
	// frameTooLong is a message above [MaxText].
	frameTooLong
	// frameFile is a message with files and no text.
	frameFile
)

// frame is a client frame, understood.
type frame struct {
	kind frameKind
	// why says why a frame is ignored.
	why string
	// id is the client's id of the frame with its JSON type, or nil.
	id json.RawMessage
	// android is set for the client that drops acks with a string message.
	android bool
	content chat.Content
	lang    string
	// files is set when a message has attachments beside its text.
	files bool
	// receipt is the entry a receipt names, or empty; stamp is the timestamp
	// it echoes, or 0.
	receipt string
	stamp   int64
	raw     []byte
}

// wireFrame is a client frame as it comes; see section 4 of the sheet for who
// sends what. Fields that decide nothing are not read.
type wireFrame struct {
	ClientMessageID json.RawMessage `json:"clientMessageId"`
	ID              json.RawMessage `json:"id"`
	Type            ifText          `json:"type"`
	ResourceID      ifText          `json:"resourceid"`
	Event           ifText          `json:"event"`
	Client          ifText          `json:"client"`
	MessageID       ifText          `json:"messageId"`
	ReplyTo         json.RawMessage `json:"replyto"`
	Key             ifText          `json:"key"`
	Message         *wireMessage    `json:"message"`
	Meta            json.RawMessage `json:"meta"`
	CustomData      json.RawMessage `json:"customData"`
}

type wireMessage struct {
	Body        wireText        `json:"body"`
	RenderMsg   ifText          `json:"renderMsg"`
	Attachments json.RawMessage `json:"attachments"`
	CustomData  json.RawMessage `json:"customData"`
	Params      json.RawMessage `json:"params"`
}

// wireText is text that must be text where it is there at all.
type wireText struct {
	text  string
	wrong bool
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *wireText) UnmarshalJSON(b []byte) error {
	var s ifText
	err := s.UnmarshalJSON(b)
	t.text = string(s)
	t.wrong = b[0] != '"' && string(b) != "null"
	return err
}

var errNotObject = errors.New("the frame is not a JSON object")

// readFrame understands one client frame. The error says why it is none; such
// a frame is ignored and the socket stays open.
func readFrame(p []byte) (frame, error) {
	if trimmed := bytes.TrimLeft(p, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return frame{}, errNotObject
	}
	raw, err := stripTokens(p)
	if err != nil {
		return frame{}, errors.New("the frame is not valid JSON")
	}
	var w wireFrame
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal(raw, &w); err != nil && !errors.As(err, &wrong) {
		return frame{}, errors.New("the frame is not valid JSON")
	}
	f := frame{id: clientID(w.ClientMessageID, w.ID), android: w.Client == "Android", raw: raw}
	switch {
	case w.Type == "ping":
		// Its resourceid is "/bot.message" (W10), so it is looked at first.
		f.kind = framePing
	case w.Type == "ack":
		f.kind = frameReceipt
		f.receipt = string(w.Key)
		f.stamp = integer(w.ReplyTo)
	case w.ResourceID == "/bot.closeConversationSession":
		f.kind = frameClose
	case w.Event != "":
		f.event(&w)
	case w.ResourceID == "/bot.message" || w.ResourceID == "":
		if wrong != nil {
			return f, errors.New(wrong.Field + " is not an object")
		}
		err = f.message(&w)
	default:
		f.why = "its resourceid is not known"
	}
	return f, err
}

// clientID picks the id that acks echo: a number or a string, kept as written.
func clientID(candidates ...json.RawMessage) json.RawMessage {
	for _, id := range candidates {
		if len(id) == 0 || len(id) > maxClientID {
			continue
		}
		if c := id[0]; c == '"' && len(id) > 2 || c == '-' || (c >= '0' && c <= '9') {
			return bytes.Clone(id)
		}
	}
	return nil
}

func integer(raw json.RawMessage) int64 {
	var n int64
	if json.Unmarshal(raw, &n) != nil {
		return 0
	}
	return n
}

const maxEventName = 64

// event understands a frame with an event. Typing goes nowhere yet; what says
// that something was read confirms it; all others are facts for the assistant.
func (f *frame) event(w *wireFrame) {
	name := string(w.Event)
	switch name {
	case "typing", "stop_typing":
		f.why = "typing of the person is not shown anywhere"
		return
	case "message_delivered", "message_read":
		f.kind = frameReceipt
		f.receipt = string(w.MessageID)
		if f.receipt == "" {
			// Android and iOS put the server's messageId there.
			_ = json.Unmarshal(w.ID, &f.receipt)
		}
		return
	}
	if len(name) > maxEventName || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}) {
		f.why = "its event has no usable name"
		return
	}
	f.kind = frameEvent
	f.content = chat.EventContent(name)
	f.content.Custom = customOf(w, &wireMessage{})
	f.lang = metaLang(w.Meta)
}

func (f *frame) message(w *wireFrame) error {
	m := w.Message
	if m == nil {
		m = &wireMessage{}
	}
	if m.Body.wrong {
		return errors.New("message.body is not text")
	}
	body, shown := cleanText(m.Body.text), cleanText(string(m.RenderMsg))
	f.files = isFilled(m.Attachments)
	if strings.TrimSpace(body) == "" {
		body = shown
	}
	switch {
	case strings.TrimSpace(body) == "" && f.files:
		f.kind = frameFile
		return nil
	case strings.TrimSpace(body) == "":
		f.why = "it says nothing"
		return nil
	case utf8.RuneCountInString(body) > MaxText || utf8.RuneCountInString(shown) > MaxText:
		f.kind = frameTooLong
		return nil
	}
	f.kind = frameMessage
	f.content = chat.TextContent(body)
	if strings.TrimSpace(shown) != "" && shown != body {
		f.content = chat.ClickContent(body, shown)
	}
	f.content.Custom = customOf(w, m)
	f.lang = metaLang(w.Meta)
	return nil
}

// isFilled reports whether raw is an array or object with something in it.
func isFilled(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", "[]", "{}", `""`:
		return false
	}
	return true
}

// customOf keeps what the app sent beside its message for the assistant.
func customOf(w *wireFrame, m *wireMessage) json.RawMessage {
	custom := m.CustomData
	if !isFilled(custom) {
		custom = w.CustomData
	}
	// The parts are valid JSON already.
	var b []byte
	for _, part := range []struct {
		name string
		raw  json.RawMessage
	}{{`"customData":`, custom}, {`"params":`, m.Params}, {`"meta":`, w.Meta}} {
		if !isFilled(part.raw) {
			continue
		}
		if b == nil {
			b = make([]byte, 0, len(custom)+len(m.Params)+len(w.Meta)+40)
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = append(append(b, part.name...), part.raw...)
	}
	if b == nil {
		return nil
	}
	return append(b, '}')
}

func metaLang(meta json.RawMessage) string {
	if len(meta) == 0 {
		return ""
	}
	var m struct {
		Locale ifText `json:"locale"`
	}
	if json.Unmarshal(meta, &m) != nil {
		return ""
	}
	return cleanLang(string(m.Locale))
}
