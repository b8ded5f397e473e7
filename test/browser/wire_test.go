package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"parley/internal/testkit/wait"
)

// visitor is one person on the wire, without a browser: it makes histories and
// tells what the server holds.
type visitor struct {
	t     *testing.T
	app   app
	base  string
	token string
}

// signJWT makes what a customer's back end makes.
func signJWT(t *testing.T, a app, identity string) string {
	t.Helper()
	now := time.Now()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": a.ClientID, "sub": identity, "aud": "https://idproxy.kore.com/authorize",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "isAnonymous": false,
	}).SignedString([]byte(a.ClientSecret))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// arrive grants a token. base may differ from the app's address, for a visitor
// who comes through a proxy.
func arrive(t *testing.T, a app, base, identity string) *visitor {
	t.Helper()
	v := &visitor{t: t, app: a, base: base}
	var granted struct {
		Authorization struct{ AccessToken string }
	}
	v.call(http.MethodPost, "/api/oAuth/token/jwtgrant", map[string]any{
		"assertion": signJWT(t, a, identity), "botInfo": v.botInfo(), "token": map[string]any{},
	}, &granted)
	v.token = granted.Authorization.AccessToken
	return v
}

func (v *visitor) botInfo() map[string]string {
	return map[string]string{"chatBot": v.app.BotName, "taskBotId": v.app.BotID}
}

// call asks and decodes the answer, which has to be 200.
func (v *visitor) call(method, path string, body, answer any) {
	v.t.Helper()
	resp := v.ask(method, path, body)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		v.t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		v.t.Fatalf("%s %s: %v", method, path, err)
	}
}

// status is the status of the answer to a GET.
func (v *visitor) status(path string) int {
	v.t.Helper()
	resp := v.ask(http.MethodGet, path, nil)
	defer resp.Body.Close()
	return resp.StatusCode
}

func (v *visitor) ask(method, path string, body any) *http.Response {
	v.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		v.t.Fatal(err)
	}
	req, err := http.NewRequest(method, v.base+path, bytes.NewReader(text))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Close = true // a kept connection may belong to a process before a restart
	req.Header.Set("Content-Type", "application/json")
	if v.token != "" {
		req.Header.Set("Authorization", "bearer "+v.token)
	}
	client := http.Client{Timeout: soon}
	resp, err := client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp
}

// said is one item of the history.
type said struct {
	ID         string `json:"_id"`
	Type       string
	Components []struct{ Data struct{ Text string } }
	Tags       struct{ AltText []struct{ Value string } }
}

func (s said) text() string {
	if len(s.Components) == 0 {
		return ""
	}
	return s.Components[0].Data.Text
}

// shown is what a person sees of it: of a click its title.
func (s said) shown() string {
	if len(s.Tags.AltText) > 0 {
		return s.Tags.AltText[0].Value
	}
	return s.text()
}

// history is everything that was said, oldest first.
func (v *visitor) history() []said {
	v.t.Helper()
	const limit = 50
	var all []said
	for offset := 0; ; offset += limit {
		var page struct {
			MoreAvailable bool
			Messages      []said
		}
		v.call(http.MethodGet, fmt.Sprintf("/api/botmessages/rtm?botId=%s&offset=%d&limit=%d", url.QueryEscape(v.app.BotID), offset, limit), nil, &page)
		all = append(page.Messages, all...)
		if !page.MoreAvailable {
			return all
		}
	}
}

// count tells how often a person said something, by the history.
func (v *visitor) count(text string) int {
	v.t.Helper()
	n := 0
	for _, s := range v.history() {
		if s.Type == "incoming" && s.text() == text {
			n++
		}
	}
	return n
}

// line is an open socket of a visitor.
type line struct {
	v    *visitor
	conn *websocket.Conn
	id   int64
}

func (v *visitor) connect() *line {
	v.t.Helper()
	var start struct{ URL string }
	v.call(http.MethodPost, "/api/rtm/start", map[string]any{"botInfo": v.botInfo(), "token": map[string]any{}}, &start)
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, start.URL, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	l := &line{v: v, conn: conn, id: time.Now().UnixMilli()}
	v.t.Cleanup(l.close)
	return l
}

// close may be called more than once.
func (l *line) close() { _ = l.conn.CloseNow() }

// say sends a text and returns when it is acknowledged and answered.
func (l *line) say(text string) {
	l.v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	l.id++
	frame, err := json.Marshal(map[string]any{
		"clientMessageId": l.id, "id": l.id, "resourceid": "/bot.message", "client": "sdk",
		"message": map[string]string{"body": text}, "botInfo": l.v.botInfo(),
	})
	if err != nil {
		l.v.t.Fatal(err)
	}
	if err := l.conn.Write(ctx, websocket.MessageText, frame); err != nil {
		l.v.t.Fatal(err)
	}
	for acked := false; ; {
		_, p, err := l.conn.Read(ctx)
		if err != nil {
			l.v.t.Fatalf("waiting for the answer to %q: %v", text, err)
		}
		var got struct {
			Type    string
			ReplyTo int64
		}
		if err := json.Unmarshal(p, &got); err != nil {
			l.v.t.Fatalf("frame %s: %v", p, err)
		}
		switch {
		case got.Type == "ack" && got.ReplyTo == l.id:
			acked = true
		case got.Type == "bot_response" && acked:
			return
		}
	}
}

// sayAll makes a history, each text with its answer.
func (v *visitor) sayAll(texts ...string) {
	v.t.Helper()
	l := v.connect()
	defer l.close()
	for _, text := range texts {
		l.say(text)
	}
}

// numbered gives n different texts that the demo takes as they are.
func numbered(n int, word string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s number %03d", word, i+1)
	}
	return all
}

// texts are what a person sees of a history, one a line.
func texts(all []said) string {
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "%s: %s\n", s.Type, s.shown())
	}
	return b.String()
}

// plain is the text that web SDK 10.1.12 draws: that of a template, without the
// marks of Markdown. It does not read altText.
func (s said) plain() string {
	text := s.text()
	var t struct {
		Payload struct{ Text string }
	}
	if s.Type == "outgoing" && strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &t) == nil && t.Payload.Text != "" {
		text = t.Payload.Text
	}
	return strings.ReplaceAll(text, "*", "")
}

// quiet fails the test when ok becomes false within a time in which nothing
// should happen.
func quiet(t *testing.T, within time.Duration, ok func() bool, otherwise string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := wait.Poll(ctx, func() error {
		if ok() {
			return errStillQuiet
		}
		return nil
	}); err == nil {
		t.Error(otherwise)
	}
}

var errStillQuiet = errors.New("still quiet")

type linesError []shownLine

func (e linesError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d messages are shown:", len(e))
	for _, l := range e {
		fmt.Fprintf(&b, "\n  mine %v: %s", l.Mine, l.Text)
	}
	return b.String()
}
