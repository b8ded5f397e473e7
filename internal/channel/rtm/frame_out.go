package rtm

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
)

// Frames are written by hand where every message passes, with [appendString]
// for everything that comes from outside. All are JSON text: a frame that is
// not throws in web clients.

var pongFrame = []byte(`{"type":"pong"}`)

// encodeTail gives the end of every frame that names the bot.
func encodeTail(b *bot) []byte {
	p := []byte(`,"botInfo":{"chatBot":`)
	p = appendString(p, b.name)
	p = append(p, `,"taskBotId":`...)
	p = appendString(p, b.id)
	return append(p, "}}"...)
}

// ackFrame acknowledges a stored frame. id is echoed with its JSON type. The
// documented message "delivered" is left out for Android, which reads message
// as an array in every frame and drops the ack otherwise.
func ackFrame(id json.RawMessage, android bool) []byte {
	p := make([]byte, 0, 64+len(id))
	p = append(p, `{"ok":true`...)
	if id != nil {
		p = append(p, `,"replyto":`...)
		p = append(p, id...)
	}
	if !android {
		p = append(p, `,"message":"delivered"`...)
	}
	return append(p, `,"type":"ack"}`...)
}

// said is something to show as a bot_response.
type said struct {
	id      string
	at      time.Time
	agent   bool
	content chat.Content
}

// responseFrame is the one form of bot_response that every client shows: one
// entry, of type text even for templates, always with a component (Android and
// iOS show nothing without it) and a readable cInfo.body for clients that lack
// the template.
func responseFrame(b *bot, s said) []byte {
	body := plainText(s.content)
	component, ok := componentOf(s.content)
	p := make([]byte, 0, 320+len(b.tail)+2*len(body)+len(component))
	p = append(p, `{"type":"bot_response","from":"bot","messageId":`...)
	p = appendString(p, s.id)
	p = append(p, `,"createdOn":"`...)
	p = s.at.UTC().AppendFormat(p, timeForm)
	p = append(p, `","timestamp":`...)
	p = strconv.AppendInt(p, s.at.UnixMilli(), 10)
	if b.icon != "" {
		p = append(p, `,"icon":`...)
		p = appendString(p, b.icon)
	}
	if s.agent {
		// Mobile SDKs enter agent mode by it.
		p = append(p, `,"fromAgent":true`...)
	}
	p = append(p, `,"message":[{"type":"text","component":`...)
	if ok {
		p = append(p, component...)
	} else {
		p = append(p, `{"type":"text","payload":{"text":`...)
		p = appendString(p, body)
		p = append(p, "}}"...)
	}
	p = append(p, `,"cInfo":{"body":`...)
	p = appendString(p, body)
	p = append(p, "}}]"...)
	return append(p, b.tail...)
}

// userFrame shows a person's message on their other sockets. Its id is a number
// even if the sender's was text: web uses it as the date, and Android drops
// the frame otherwise.
func userFrame(b *bot, at time.Time, c chat.Content) []byte {
	p := make([]byte, 0, 160+len(b.tail)+len(c.Text))
	p = append(p, `{"type":"user_message","from":"self","id":`...)
	p = strconv.AppendInt(p, at.UnixMilli(), 10)
	p = append(p, `,"message":{"body":`...)
	p = appendString(p, c.Input())
	if shown := c.Display(); shown != c.Input() {
		p = append(p, `,"renderMsg":`...)
		p = appendString(p, shown)
	}
	p = append(p, `,"attachments":[]}`...)
	return append(p, b.tail...)
}

// typingFrame says that an answer is being made, or no longer.
func typingFrame(b *bot, started bool, at time.Time) []byte {
	typ := "stoptyping"
	if started {
		typ = "typing"
	}
	p := make([]byte, 0, 160+len(b.tail))
	p = append(p, `{"type":"events","from":"bot","customEvent":"event","message":{"type":"`...)
	p = append(p, typ...)
	p = append(p, `","clientMessageId":`...)
	p = strconv.AppendInt(p, at.UnixMilli(), 10)
	p = append(p, `,"author":{"type":"AGENT"}}`...)
	return append(p, b.tail...)
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD, and
// the two separators that are line ends in JavaScript are escaped.
func appendString(p []byte, s string) []byte {
	p = append(p, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				continue
			}
			p = append(p, s[start:i]...)
			switch c {
			case '"', '\\':
				p = append(p, '\\', c)
			case '\n':
				p = append(p, '\\', 'n')
			case '\r':
				p = append(p, '\\', 'r')
			case '\t':
				p = append(p, '\\', 't')
			default:
				p = append(p, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			p = append(append(p, s[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			p = append(append(p, s[start:i]...), `\u202`...)
			p = append(p, hexDigits[r&15])
			start = i + size
		}
		i += size
	}
	p = append(p, s[start:]...)
	return append(p, '"')
}
