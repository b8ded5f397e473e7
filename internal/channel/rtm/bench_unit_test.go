package rtm

import (
	"testing"
	"unsafe"

	"parley/internal/chat"
)

func BenchmarkReadFrame(b *testing.B) {
	p := []byte(`{"clientMessageId":1795185860008,"resourceid":"/bot.message","message":{"body":"Hi, what are your opening hours on Sunday?"},` +
		`"botInfo":{"chatBot":"Demo Bot","taskBotId":"st-f74a3430-3b19-55a3-be41-1ab1a35c4685"},"client":"sdk",` +
		`"meta":{"timezone":"Etc/UTC","locale":"en-US"},"id":1795185860008}`)
	b.ReportAllocs()
	for b.Loop() {
		if f, err := readFrame(p); err != nil || f.kind != frameMessage {
			b.Fatal(err)
		}
	}
}

func BenchmarkResponseFrame(b *testing.B) {
	bot := testBot()
	c := chat.TextContent("Monday to Friday, 9 to 17.")
	b.ReportAllocs()
	for b.Loop() {
		if len(responseFrame(bot, said{id: "ms-1", at: testNow, content: c})) == 0 {
			b.Fatal("empty")
		}
	}
}

// TestSessionIsSmall keeps an eye on what 100,000 idle sockets cost.
func TestSessionIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(session{}) + unsafe.Sizeof(user{}); size > 800 {
		t.Errorf("session and user take %d bytes", size)
	}
}
