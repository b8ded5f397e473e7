package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/testkit/program"
)

// TestHostileFrames sends what no client sends. Each costs at most the socket
// it came over.
func TestHostileFrames(t *testing.T) {
	server := serve(t, program.Options{Env: quiet()})
	app := demo(t, server)
	bystander, _ := login(t, app.Client("bystander", nil))
	before := memory(t, server.PID())
	deep := strings.Repeat(`{"a":`, 50_000) + "1" + strings.Repeat("}", 50_000)
	message := func(body string) []byte {
		return []byte(`{"clientMessageId":7,"resourceid":"/bot.message","message":{"body":` + body + `},"client":"sdk","id":7}`)
	}
	for i, test := range []struct {
		name  string
		frame []byte
		// closed is the close code, or 0 for a socket that stays.
		closed websocket.StatusCode
	}{
		{"10 MB of text", message(`"` + strings.Repeat("a", 10<<20) + `"`), websocket.StatusMessageTooBig},
		{"10 MB of brackets", []byte(strings.Repeat("[", 10<<20)), websocket.StatusMessageTooBig},
		{"deep object", []byte(deep[:200_000]), 0},
		{"deep custom data", []byte(`{"id":7,"resourceid":"/bot.message","message":{"body":"","customData":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}}`), 0},
		{"not UTF-8", []byte("{\"id\":7,\"message\":{\"body\":\"\xff\xfe\"}}"), websocket.StatusInvalidFramePayloadData},
		{"half a surrogate", message(`"\ud800"`), 0},
		{"NUL", message(`"\u0000"`), 0},
		{"not JSON", []byte("hello"), 0},
		{"nothing", nil, 0},
		{"a list", []byte(`[{"type":"ping"}]`), 0},
		{"numbers for texts", []byte(`{"type":7,"resourceid":[],"message":{"body":{}},"id":{}}`), 0},
		{"a huge number", []byte(`{"resourceid":"/bot.message","message":{"body":""},"id":1e999999}`), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, _ := login(t, app.Client(fmt.Sprintf("hostile-%d", i), nil))
			ctx := within(t, aWhile)
			err := s.Send(ctx, test.frame)
			if test.closed == 0 {
				if err != nil {
					t.Fatalf("send: %v", err)
				}
				exchange(t, s, 99, "Hi") // goes on
				return
			}
			// The server may close before it has read all; then sending fails.
			ended := s.Ended(ctx)
			var closed websocket.CloseError
			if !errors.As(ended, &closed) || closed.Code != test.closed {
				t.Errorf("the socket ended with %v (send: %v), want close code %d", ended, err, test.closed)
			}
		})
	}
	exchange(t, bystander, 1, "Hi")
	if grown := memory(t, server.PID()) - before; grown > 100<<20 {
		t.Errorf("the server has grown by %d MB", grown>>20)
	}
	if !server.Running() {
		t.Fatal("the server is gone")
	}
}

// TestHostileRequests sends bodies that no client sends to the endpoints that
// take some without a token.
func TestHostileRequests(t *testing.T) {
	server := serve(t, program.Options{Env: quiet()})
	client := demo(t, server).Client("hostile", nil)
	for name, body := range map[string]string{
		"nothing":   "",
		"not JSON":  "assertion",
		"deep":      strings.Repeat("[", 1_000_000),
		"10 MB":     `{"assertion":"` + strings.Repeat("a", 10<<20) + `"}`,
		"many dots": `{"assertion":"` + strings.Repeat(".", 10_000) + `","botInfo":{"taskBotId":"st-x"}}`,
		"not UTF-8": "{\"assertion\":\"\xff\"}",
	} {
		for _, path := range []string{"/api/oAuth/token/jwtgrant", "/api/rtm/start"} {
			t.Run(name+" to "+path, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), aWhile)
				defer cancel()
				err := client.Post(ctx, path, "", "application/json", []byte(body), nil)
				var refusal *rtmtest.Refusal
				if !errors.As(err, &refusal) {
					// A body that is cut off may cost the connection.
					if name != "10 MB" {
						t.Errorf("the answer is %v, want a refusal", err)
					}
					return
				}
				if refusal.Status < 400 || refusal.Status >= 500 || refusal.Status == 429 || len(refusal.Errors) == 0 {
					t.Errorf("the answer is %v, want a 4xx with an errors array", err)
				}
			})
		}
	}
	s, _ := login(t, client)
	exchange(t, s, 1, "Hi")
}
