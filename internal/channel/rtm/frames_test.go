package rtm

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/fault"
)

func testBot() *bot {
	b := &bot{id: "st-1", name: `Demo "Bot"`}
	b.tail = encodeTail(b)
	return b
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "plain", `"\`, "a\nb\tc\r", "\x00\x1f", "é😀", "\u2028\u2029", "</script>", "bad\xffutf", "\xe2\x80", strings.Repeat("x", 1000)} {
		var got, want string
		p := appendString(nil, s)
		std, _ := json.Marshal(s)
		_ = json.Unmarshal(std, &want)
		if err := json.Unmarshal(p, &got); err != nil || got != want {
			t.Errorf("%q became %s: %q, %v", s, p, got, err)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\u2028\xff")
	f.Fuzz(func(t *testing.T, s string) {
		var got, want string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		std, _ := json.Marshal(s)
		_ = json.Unmarshal(std, &want)
		if got != want {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

func TestResponseFrame(t *testing.T) {
	at := time.Date(2026, 11, 20, 15, 44, 20, 118e6, time.FixedZone("x", 3600))
	got := string(responseFrame(testBot(), said{id: "ms-1", at: at, agent: true, content: chat.TextContent("Hi")}))
	want := `{"type":"bot_response","from":"bot","messageId":"ms-1","createdOn":"2026-11-20T14:44:20.118Z","timestamp":1795185860118,"fromAgent":true,` +
		`"message":[{"type":"text","component":{"type":"text","payload":{"text":"Hi"}},"cInfo":{"body":"Hi"}}],` +
		`"botInfo":{"chatBot":"Demo \"Bot\"","taskBotId":"st-1"}}`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestTemplates(t *testing.T) {
	tests := []struct {
		name    string
		content chat.Content
		want    string // component, or the fall-back text
		body    string
	}{
		{"buttons", chat.ChoicesContent("Choose one", chat.StyleButtons,
			chat.Option{Title: "Balance", Value: "check balance"}, chat.Option{Title: "Site", URL: "https://a.example"}),
			`{"type":"template","payload":{"type":"template","payload":{"template_type":"button","text":"Choose one","buttons":[` +
				`{"type":"postback","title":"Balance","payload":"check balance"},{"type":"web_url","title":"Site","url":"https://a.example"}]}}}`, "Choose one"},
		{"quick replies", chat.ChoicesContent("Choose", chat.StyleQuickReplies, chat.Option{Title: "A", Value: "a"}),
			`{"type":"template","payload":{"type":"template","payload":{"template_type":"quick_replies","text":"Choose","quick_replies":[{"content_type":"text","title":"A","payload":"a"}]}}}`, "Choose"},
		{"quick replies with an address", chat.ChoicesContent("Choose", chat.StyleQuickReplies, chat.Option{Title: "A", URL: "https://a.example"}),
			`{"type":"template","payload":{"type":"template","payload":{"template_type":"button","text":"Choose","buttons":[{"type":"web_url","title":"A","url":"https://a.example"}]}}}`, "Choose"},
		{"cards", chat.Content{Version: 1, Type: chat.TypeCards, Text: "Offers", Cards: []chat.Card{{Title: "One"}, {Title: "Two", Subtitle: "s", ImageURL: "https://a.example/2.png", Options: []chat.Option{{Title: "Buy", Value: "buy 2"}}}}},
			`{"type":"template","payload":{"type":"template","payload":{"template_type":"carousel","text":"Offers","elements":[{"title":"One","subtitle":"","buttons":[]},` +
				`{"title":"Two","subtitle":"s","image_url":"https://a.example/2.png","buttons":[{"type":"postback","title":"Buy","payload":"buy 2"}]}]}}}`, "Offers"},
		{"image", chat.Content{Version: 1, Type: chat.TypeFile, File: &chat.File{URL: "https://a.example/x.png", Name: "x.png", MIME: "image/png"}},
			`{"type":"image","payload":{"type":"image","payload":{"url":"https://a.example/x.png"}}}`, "x.png"},
		{"document", chat.Content{Version: 1, Type: chat.TypeFile, Text: "Here:", File: &chat.File{URL: "https://a.example/x.pdf", Name: "x.pdf", MIME: "application/pdf"}},
			`{"type":"text","payload":{"text":"Here:\n\n[x.pdf](https://a.example/x.pdf)"}}`, "Here:\n\n[x.pdf](https://a.example/x.pdf)"},
		{"own form", chat.Content{Version: 1, Type: chat.TypeText, Text: "A notice", Native: map[string]json.RawMessage{"rtm": json.RawMessage(`{"template_type":"SYSTEM","text":"A notice"}`)}},
			`{"type":"template","payload":{"type":"template","payload":{"template_type":"SYSTEM","text":"A notice"}}}`, "A notice"},
		{"own form, wrapped", chat.Content{Version: 1, Type: chat.TypeText, Text: "oh", Native: map[string]json.RawMessage{"rtm": json.RawMessage(`{"type":"error","payload":{"color":"#F00","text":"oh"}}`)}},
			`{"type":"error","payload":{"type":"error","payload":{"color":"#F00","text":"oh"}}}`, "oh"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := Validate(tt.content); err != nil {
				t.Fatalf("refused: %v", err)
			}
			var f struct {
				Message []struct {
					Type      string          `json:"type"`
					Component json.RawMessage `json:"component"`
					CInfo     struct {
						Body string `json:"body"`
					} `json:"cInfo"`
				} `json:"message"`
			}
			if err := json.Unmarshal(responseFrame(testBot(), said{id: "ms-1", at: testNow, content: tt.content}), &f); err != nil {
				t.Fatal(err)
			}
			if len(f.Message) != 1 || f.Message[0].Type != "text" {
				t.Fatalf("message %+v", f.Message)
			}
			if string(f.Message[0].Component) != tt.want || f.Message[0].CInfo.Body != tt.body {
				t.Errorf("component\n got %s\nwant %s\nbody %q", f.Message[0].Component, tt.want, f.Message[0].CInfo.Body)
			}
		})
	}
}

func TestValidateNative(t *testing.T) {
	element := `{"title":"A","subtitle":"","value":"1","default_action":{"type":"postback","title":"A","payload":"a"}}`
	tests := []struct{ native, field string }{
		{`{"template_type":"listView","text":"x","heading":"h","elements":[` + element + `]}`, ""},
		{`{"template_type":"listView","text":"x","heading":"h","elements":[{"title":"A","subtitle":"","value":"1"}]}`, "native.rtm.elements[0].default_action"},
		{`{"template_type":"listView","text":"x","heading":"h","elements":[]}`, "native.rtm.elements"},
		{`{"template_type":"listView","text":"x","elements":[` + element + `]}`, "native.rtm.heading"},
		{`{"type":"template","payload":{"template_type":"button","text":"x","buttons":[{"type":"postback","title":"A","payload":"a"}]}}`, ""},
		{`{"type":"template","payload":{"template_type":"button","text":"x","buttons":[{"type":"postback","title":"A"}]}}`, "native.rtm.payload.buttons[0].payload"},
		{`{"type":"template","payload":{"template_type":"button","text":"x","buttons":[{"type":"web_url","title":"A","url":"javascript:x"}]}}`, "native.rtm.payload.buttons[0].url"},
		{`{"type":"template","payload":{"template_type":"button","buttons":[]}}`, "native.rtm.payload.text"},
		{`{"type":"template","payload":"{\"template_type\":\"button\"}"}`, "native.rtm.payload"},
		{`{"type":"template","payload":{}}`, "native.rtm.payload.template_type"},
		{`{"type":"image","payload":{"url":"https://a.example/x.png"}}`, ""},
		{`{"type":"image","payload":{}}`, "native.rtm.payload.url"},
		{`{"type":"hologram","payload":{}}`, "native.rtm.type"},
		{`{"template_type":"barchart"}`, "native.rtm.template_type"},
		{`{"template_type":"barchart","text":"x"}`, ""},
		{`{"template_type":"wait_for_response","text":"x"}`, "native.rtm.template_type"},
		{`{"template_type":"SYSTEM","text":"x","renderDelay":"5"}`, "native.rtm.renderDelay"},
		{`{"template_type":"table","text":"x","columns":[["A","left"]],"table_design":"regular","elements":[{"Values":["1",2]}]}`, ""},
		{`{"template_type":"table","text":"x","columns":["A"],"table_design":"regular","elements":[{"Values":["1"]}]}`, "native.rtm.columns[0]"},
		{`{"template_type":"carousel","elements":[{"title":"A","subtitle":"b"}]}`, ""},
		{`{"template_type":"list","text":"x","elements":[{"title":"A","subtitle":"b"}],"buttons":[]}`, "native.rtm.elements[0].image_url"},
		{`{"template_type":"quick_replies","text":"x","quick_replies":[{"content_type":"text","title":"A"}]}`, "native.rtm.quick_replies[0].payload"},
		{`{"template_type":"mini_table","text":"x","layout":"l","elements":[{"primary":[["a"]]}]}`, "native.rtm.elements[0].additional"},
		{`{"template_type":"form_template","heading":"h","formFields":[{}]}`, "native.rtm.fieldButton"},
		{`[1]`, "native.rtm"}, {`"x"`, "native.rtm"}, {`{`, "native.rtm"}, {`{}`, "native.rtm.template_type"},
		{`{"template_type":"SYSTEM","text":"` + strings.Repeat("x", maxNative) + `"}`, "native.rtm"},
	}
	for _, tt := range tests {
		c := chat.TextContent("fall-back")
		c.Native = map[string]json.RawMessage{"rtm": json.RawMessage(tt.native)}
		checkField(t, tt.native, Validate(c), tt.field)
	}
	c := chat.TextContent(" ")
	c.Native = map[string]json.RawMessage{"rtm": json.RawMessage(tests[0].native)}
	checkField(t, "without text", Validate(c), "text")
}

func TestValidateContent(t *testing.T) {
	cards := func(c ...chat.Card) chat.Content {
		return chat.Content{Version: 1, Type: chat.TypeCards, Text: "x", Cards: c}
	}
	for _, tt := range []struct {
		name    string
		content chat.Content
		field   string
	}{
		{"text", chat.TextContent("x"), ""},
		{"other channels' form", chat.Content{Version: 1, Type: chat.TypeText, Text: "x", Native: map[string]json.RawMessage{"mattermost": json.RawMessage(`5`)}}, ""},
		{"no title", chat.ChoicesContent("x", chat.StyleButtons, chat.Option{Value: "a"}), "choices.options[0].title"},
		{"script address", chat.ChoicesContent("x", chat.StyleButtons, chat.Option{Title: "a", URL: "javascript:alert(1)"}), "choices.options[0].url"},
		{"neither", chat.ChoicesContent("x", chat.StyleButtons, chat.Option{Title: "a"}), "choices.options[0]"},
		{"mail", chat.ChoicesContent("x", chat.StyleButtons, chat.Option{Title: "a", URL: "mailto:a@b.example"}), ""},
		{"card without title", cards(chat.Card{Subtitle: "s"}), "cards[0].title"},
		{"card with a script", cards(chat.Card{Title: "t", ImageURL: "data:x"}), "cards[0].image_url"},
		{"card with a bad button", cards(chat.Card{Title: "t"}, chat.Card{Title: "t", Options: []chat.Option{{Title: "x"}}}), "cards[1].options[0]"},
		{"file", chat.Content{Version: 1, Type: chat.TypeFile, File: &chat.File{URL: "file:///etc/passwd"}}, "file.url"},
		{"missing choices", chat.Content{Version: 1, Type: chat.TypeChoices, Text: "x"}, "choices"},
	} {
		checkField(t, tt.name, Validate(tt.content), tt.field)
	}
}

func checkField(t *testing.T, name string, err error, field string) {
	t.Helper()
	f, _ := err.(*fault.Error)
	switch {
	case field == "" && err != nil:
		t.Errorf("%s: refused: %v", name, err)
	case field != "" && (f == nil || f.Field != field || f.Kind != fault.Invalid):
		t.Errorf("%s: %v, want a refusal of %s", name, err, field)
	}
}

func TestHistoryItems(t *testing.T) {
	conv := chat.Conversation{ID: "cv-1"}
	entry := func(by chat.AuthorKind, c chat.Content) *chat.Entry {
		return &chat.Entry{Draft: chat.Draft{Author: chat.Author{Kind: by}, Content: c}, Seq: 3, CreatedAt: testNow}
	}
	deleted := entry(chat.ByAssistant, chat.Content{})
	deleted.Deleted = true
	for _, tt := range []struct {
		name, typ, text, alt string
		entry                *chat.Entry
		skip                 bool
	}{
		{name: "contact", typ: "incoming", text: "Hi", entry: entry(chat.ByContact, chat.TextContent("Hi"))},
		{name: "click", typ: "incoming", text: "Balance", alt: "Balance", entry: entry(chat.ByContact, chat.ClickContent("check balance", "Balance"))},
		{name: "assistant", typ: "outgoing", text: "Hello", entry: entry(chat.ByAssistant, chat.TextContent("Hello"))},
		{name: "template", typ: "outgoing", entry: entry(chat.ByAssistant, chat.ChoicesContent("C", chat.StyleButtons, chat.Option{Title: "A", Value: "a"})),
			text: `{"type":"template","payload":{"template_type":"button","text":"C","buttons":[{"type":"postback","title":"A","payload":"a"}]}}`},
		{name: "deleted", typ: "outgoing", text: deletedText, entry: deleted},
		{name: "empty", entry: entry(chat.ByAssistant, chat.TextContent(" ")), skip: true},
	} {
		item, ok := itemOf(conv, testBot(), "u-1", tt.entry)
		if ok == tt.skip {
			t.Errorf("%s: shown %v", tt.name, ok)
		}
		if tt.skip {
			continue
		}
		if item.ID != "ms-1-3" || item.Type != tt.typ || item.Components[0].Data.Text != tt.text || item.CreatedOn != "2026-11-20T14:44:00.000Z" {
			t.Errorf("%s: %+v", tt.name, item)
		}
		raw, _ := json.Marshal(item)
		if !strings.Contains(string(raw), `"altText":[`) {
			t.Errorf("%s: altText is no array: %s", tt.name, raw)
		}
		if alt := item.Tags.AltText; (tt.alt == "") != (len(alt) == 0) || (len(alt) == 1 && alt[0].Value != tt.alt) {
			t.Errorf("%s: altText %v", tt.name, alt)
		}
	}
}

func TestPageOf(t *testing.T) {
	for _, tt := range []struct {
		offset, skip, limit string
		want                chat.Page
	}{
		{"", "", "", chat.Page{Limit: 10}},
		{"10", "", "10", chat.Page{Offset: 10, Limit: 10}},
		{"", "20", "5", chat.Page{Offset: 20, Limit: 5}},
		{"-1", "", "0", chat.Page{Limit: 10}},
		{"x", "", "-5", chat.Page{Limit: 10}},
		{"99999999999999999999", "", "1000000", chat.Page{Limit: 100}},
	} {
		if diff := cmp.Diff(tt.want, pageOf(tt.offset, tt.skip, tt.limit)); diff != "" {
			t.Errorf("%+v:\n%s", tt, diff)
		}
	}
}

func TestStripTokens(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{"a":1}`, `{"a":1}`},
		{`{"botToken":"x","a":1.50}`, `{"a":1.50}`},
		{`{"m":{"customData":{"BOTTOKEN":"x","kmtoken":["y"],"deep":[{"kmToken":{"a":1}}]}}}`, `{"m":{"customData":{"deep":[{}]}}}`},
		{`{"bot\u0054oken":"x","id":1795185860008}`, `{"id":1795185860008}`},
		{`{"bot\u0000Token":"x"}`, `{}`},
		{`{"text":"my token is lost"}`, `{"text":"my token is lost"}`},
		{`{"json":"{\"botToken\":\"x\",\"a\":1}"}`, `{"json":"{\"a\":1}"}`},
		{`{"big":123456789012345678901234567890,"a":"\u0041<b>"}`, `{"a":"A<b>","big":123456789012345678901234567890}`},
	} {
		got, err := stripTokens([]byte(tt.in))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s\n got %s, %v\nwant %s", tt.in, got, err, tt.want)
		}
	}
}

func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		`{"clientMessageId":1,"resourceid":"/bot.message","message":{"body":"Hi","renderMsg":null},"meta":{"locale":"en"}}`,
		`{"event":"message_read","messageId":"ms-1-2"}`, `{"type":"ack","replyto":5}`, `{"type":"ping"}`,
		`{"message":{"customData":{"botToken":"secret-value","x":"{\"kmToken\":\"secret-value\"}"},"body":"b\u0000"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		fr, err := readFrame(p)
		if err != nil {
			return
		}
		if !json.Valid(fr.raw) {
			t.Fatalf("raw is not JSON: %q", fr.raw)
		}
		if fr.id != nil && !json.Valid(ackFrame(fr.id, false)) {
			t.Fatalf("the ack of id %q is not JSON", fr.id)
		}
		if strings.ContainsRune(fr.content.Text, 0) || strings.Contains(string(fr.raw), `\u0000`) && !strings.Contains(string(fr.raw), `\\u0000`) {
			t.Fatalf("NUL is left: %q", fr.raw)
		}
		var tree any
		if json.Unmarshal(fr.raw, &tree) == nil && holdsBearer(tree) {
			t.Fatalf("a bearer token is left: %q", fr.raw)
		}
		switch fr.kind {
		case frameMessage, frameEvent:
			if err := fr.content.Validate(); err != nil {
				t.Fatal(err)
			}
			if _, err := chat.EncodeContent(fr.content); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func holdsBearer(v any) bool {
	switch t := v.(type) {
	case map[string]any:
		for k, inner := range t {
			if isBearerKey(k) || holdsBearer(inner) {
				return true
			}
		}
	case []any:
		for _, inner := range t {
			if holdsBearer(inner) {
				return true
			}
		}
	}
	return false
}

func FuzzBody(f *testing.F) {
	f.Add("application/x-www-form-urlencoded; charset=UTF-8", []byte("assertion=a.b.c&botInfo[chatBot]=x&botInfo[taskBotId]=st-1"))
	f.Add("application/json", []byte(`{"assertion":"a.b.c","botInfo":{"taskBotId":"st-1","customData":{"a":[]}},"token":{}}`))
	f.Add("", []byte(`{"assertion":{"issuer":"cs"}}`))
	f.Fuzz(func(t *testing.T, contentType string, raw []byte) {
		if _, err := parseBody(contentType, raw); err != nil {
			if kind := fault.KindOf(err); kind != fault.Invalid && kind != fault.TooLarge {
				t.Fatalf("refused as %s: %v", kind, err)
			}
		}
	})
}
