package rtm_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/chat"
)

var (
	messageID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	createdOn = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	integer   = regexp.MustCompile(`^\d{13}$`)
)

// checkResponse holds a bot_response against the form every client shows.
func checkResponse(t *testing.T, f rtmtest.Frame) {
	t.Helper()
	parts, err := f.Parts()
	switch {
	case err != nil || len(parts) != 1:
		t.Errorf("message is not an array of one: %s", f.Message)
	case parts[0].Type != "text" || parts[0].Component == nil || len(parts[0].Component.Payload) == 0 || parts[0].CInfo.Body == "":
		t.Errorf("message[0] lacks what a client needs: %s", f.Message)
	}
	if f.Type != "bot_response" || f.From != "bot" {
		t.Errorf("type %q from %q", f.Type, f.From)
	}
	if !messageID.MatchString(f.MessageID) {
		t.Errorf("messageId %q would freeze the web window", f.MessageID)
	}
	if !createdOn.MatchString(f.CreatedOn) || !integer.MatchString(string(f.Timestamp)) {
		t.Errorf("createdOn %q, timestamp %s: Android drops the frame", f.CreatedOn, f.Timestamp)
	}
	if f.BotInfo != (rtmtest.BotInfo{ChatBot: "Demo Bot", TaskBotID: botID}) {
		t.Errorf("botInfo %+v", f.BotInfo)
	}
}

func TestWebTranscript(t *testing.T) {
	k := start(t, nil)
	s, token := k.login("ann@example.com")
	welcome := k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
	checkResponse(t, welcome)

	k.send(s, `{"clientMessageId":1795185860008,"resourceid":"/bot.message","message":{"body":"Hi"},
 "botInfo":{"chatBot":"Demo Bot","taskBotId":"`+botID+`"},"client":"sdk",
 "meta":{"timezone":"Etc/UTC","locale":"en-US"},"id":1795185860008}`)
	ack := k.must(s.ExpectType(k.ctx, "ack"))
	want := `{"ok":true,"replyto":1795185860008,"message":"delivered","type":"ack"}`
	if string(ack.Raw) != want {
		t.Errorf("ack\n got %s\nwant %s", ack.Raw, want)
	}
	answer := k.must(s.ExpectType(k.ctx, "bot_response"))
	checkResponse(t, answer)
	if answer.At.Before(ack.At) {
		t.Error("the answer came before the ack")
	}
	if answer.Text() != "You said: Hi" || answer.Icon != "https://host.example/bot.png" {
		t.Errorf("answer %s", answer.Raw)
	}

	k.send(s, `{"clientMessageId":1795185861390,"resourceid":"/bot.message","message":{"body":"check balance","renderMsg":"Balance"},"id":1795185861390,"client":"sdk"}`)
	k.must(s.ExpectAck(k.ctx, "1795185861390"))
	k.must(s.ExpectText(k.ctx, "bot_response", "You said: check balance"))

	k.send(s, `{"type":"ping","resourceid":"/bot.message","botInfo":{},"client":"sdk","meta":{},"id":1}`)
	k.must(s.ExpectType(k.ctx, "pong"))

	got := k.Inbound()
	if len(got) != 2 {
		t.Fatalf("%d messages were accepted; a ping is none", len(got))
	}
	if got[0].Lang != "en-US" || !strings.Contains(string(got[0].Content.Custom), "Etc/UTC") {
		t.Errorf("lang %q custom %s", got[0].Lang, got[0].Content.Custom)
	}
	if diff := cmp.Diff(&chat.Click{Value: "check balance", Display: "Balance"}, got[1].Content.Click); diff != "" {
		t.Errorf("click (-want +got):\n%s", diff)
	}

	page, err := k.client("ann@example.com").History(k.ctx, token, "limit=10")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, m := range page.Messages {
		if m.Tags == nil || m.Tags.AltText == nil {
			t.Errorf("%s has no tags.altText; Android drops it", m.ID)
		}
		lines = append(lines, m.Type+" "+m.Text())
	}
	wantLines := []string{"outgoing Hello!", "incoming Hi", "outgoing You said: Hi", "incoming Balance", "outgoing You said: check balance"}
	if diff := cmp.Diff(wantLines, lines); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if page.Messages[0].ID != welcome.MessageID || page.Messages[2].ID != answer.MessageID {
		t.Error("history ids differ from the live messageIds; web would show messages twice")
	}
	if alt := page.Messages[3].Tags.AltText; len(alt) != 1 || alt[0].Value != "Balance" {
		t.Errorf("altText of the click: %+v", alt)
	}
}

func TestAndroidTranscript(t *testing.T) {
	k := start(t, nil)
	s, token := k.login("phone-1")
	k.send(s, fmt.Sprintf(`{"clientMessageId":1795186469100,"resourceid":"/bot.message","id":1795186469100,"client":"Android",
 "botInfo":{"chatBot":"Demo Bot","taskBotId":%q},
 "message":{"body":"Hi","attachments":[],"customData":{"botToken":%q,"kmToken":"%s","plan":"gold"},"params":{"a":1}}}`, botID, token, token))
	ack := k.must(s.ExpectAck(k.ctx, "1795186469100"))
	if want := `{"ok":true,"replyto":1795186469100,"type":"ack"}`; string(ack.Raw) != want {
		t.Errorf("ack\n got %s\nwant %s (Android drops the documented string)", ack.Raw, want)
	}
	in := k.Inbound()[0]
	if !strings.Contains(string(in.Content.Custom), `"plan":"gold"`) || !strings.Contains(string(in.Content.Custom), `"params":{"a":1}`) {
		t.Errorf("custom data was lost: %s", in.Content.Custom)
	}
	seen := string(in.Raw) + string(in.Content.Custom)
	for _, r := range k.trace.Records() {
		seen += r.Body + r.Reason
	}
	if strings.Contains(seen, token) || strings.Contains(seen, "botToken") {
		t.Errorf("the bearer token went on: %s", seen)
	}
	// Receipts and typing are no messages.
	answer := k.must(s.ExpectText(k.ctx, "bot_response", "You said: Hi"))
	k.send(s, fmt.Sprintf(`{"event":"message_read","resourceid":"/bot.message","message":{"body":""},"id":%q,"client":"Android"}`, answer.MessageID))
	k.send(s, `{"event":"typing","resourceid":"/bot.message","message":{"body":""},"id":1795186469102,"client":"Android"}`)
	k.settle(s)
	if got := k.Inbound(); len(got) != 2 {
		t.Errorf("%d messages were accepted, want Hi and the barrier", len(got))
	}
}

func TestIOSTranscript(t *testing.T) {
	k := start(t, nil)
	c := k.client("iphone")
	signed, err := c.JWT(nil)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"assertion": {signed}, "botInfo[chatBot]": {"Demo Bot"}, "botInfo[taskBotId]": {botID}}
	var g rtmtest.Granted
	if err := c.Post(k.ctx, "/api/1.1/oAuth/token/jwtgrant", "", "application/x-www-form-urlencoded; charset=UTF-8", []byte(form.Encode()), &g); err != nil {
		t.Fatal(err)
	}
	token := g.Authorization.AccessToken
	form = url.Values{"botInfo[chatBot]": {"Demo Bot"}, "botInfo[taskBotId]": {botID}, "authorization": {"bearer " + token}}
	var at struct{ URL string }
	if err := c.Post(k.ctx, "/api/rtm/start", token, "application/x-www-form-urlencoded", []byte(form.Encode()), &at); err != nil {
		t.Fatal(err)
	}
	s, err := rtmtest.Dial(k.ctx, at.URL, rtmtest.DialOptions{Binary: true, HTTP: c.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	k.listen(s)
	id := `"6E1A7B3C-6C0B-4E8C-9D32-0B6E7A1F2C11-1795186469"`
	k.send(s, `{"clientMessageId":`+id+`,"id":`+id+`,"resourceid":"/bot.message","client":"iOS","message":{"body":"Hi","attachments":[],"customData":{"botToken":"x"}},"botInfo":{}}`)
	ack := k.must(s.ExpectType(k.ctx, "ack"))
	if string(ack.ReplyTo) != id {
		t.Errorf("replyto %s, want %s as text", ack.ReplyTo, id)
	}
	k.must(s.ExpectText(k.ctx, "bot_response", "You said: Hi"))
	k.send(s, `{"event":"close_agent_chat","resourceid":"/bot.clientEvent","message":{"body":"close_agent_chat"},"id":"x-1","client":"iOS"}`)
	k.must(s.ExpectAck(k.ctx, `"x-1"`))
	in := k.Inbound()
	if last := in[len(in)-1]; last.Purpose != chat.Event || last.Content.Event.Name != "close_agent_chat" {
		t.Errorf("close_agent_chat became %+v", last.Content)
	}
	if err := s.Ping(k.ctx); err != nil {
		t.Errorf("a protocol-level ping was not answered: %v", err)
	}
}

func TestReactNativeTranscript(t *testing.T) {
	k := start(t, nil)
	s, _ := k.login("rn")
	k.send(s, `{"type":"ping"}`)
	k.must(s.ExpectType(k.ctx, "pong"))
	k.send(s, `{"clientMessageId":1795186469100,"id":1795186469100,"resourceid":"/bot.message","client":"ios","message":{"body":"Hi","renderMsg":null,"customData":{"kmToken":"t"}}}`)
	k.must(s.ExpectAck(k.ctx, "1795186469100"))
	k.must(s.ExpectText(k.ctx, "bot_response", "You said: Hi"))
	if in := k.Inbound(); len(in) != 1 || in[0].Content.Click != nil {
		t.Errorf("accepted %+v", in)
	}
}

func TestCloseConversation(t *testing.T) {
	k := start(t, nil)
	s, _ := k.login("ann")
	k.send(s, `{"clientMessageId":5,"id":5,"resourceid":"/bot.closeConversationSession","botInfo":{}}`)
	k.must(s.ExpectAck(k.ctx, "5"))
	if got := k.Finished(); len(got) != 1 {
		t.Errorf("finished %v", got)
	}
}

func TestFramesToOtherSockets(t *testing.T) {
	k := start(t, nil)
	one, token := k.login("ann")
	two := k.connect("ann", token, "")
	k.settle(two)
	k.send(one, `{"clientMessageId":"A-1","id":"A-1","client":"iOS","resourceid":"/bot.message","message":{"body":"check balance","renderMsg":"Balance"}}`)
	f := k.must(two.ExpectText(k.ctx, "user_message", "check balance"))
	if f.From != "self" || !integer.MatchString(string(f.ID)) {
		t.Errorf("user_message from %q with id %s; web needs a number", f.From, f.ID)
	}
	var m struct{ RenderMsg string }
	if json.Unmarshal(f.Message, &m) != nil || m.RenderMsg != "Balance" {
		t.Errorf("message %s", f.Message)
	}
	k.must(two.ExpectText(k.ctx, "bot_response", "You said: check balance"))
	for _, f := range k.settle(one) {
		if f.Type == "user_message" && f.Text() == "check balance" {
			t.Errorf("the sender was shown its own message: %s", f.Raw)
		}
	}
}
