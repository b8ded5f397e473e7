package rtm_test

import (
	"testing"

	"parley/internal/chat"
	"parley/internal/testkit/wait"
)

func TestPongConfirms(t *testing.T) {
	k := start(t, nil)
	s, token := k.login("ann")
	k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
	k.add("ann", by(chat.ByAgent, "one"), by(chat.ByAgent, "two"))
	k.must(s.ExpectText(k.ctx, "bot_response", "two"))
	wait.For(t, patience, func() bool { k.ahead.Add(int64(5e9)); return k.Position(botID, place("ann")) == 3 }, "the pong to confirm what came before the ping")
	_ = s.Drop()
	wait.For(t, patience, func() bool { return k.Subscribers() == 0 }, "the socket to end")
	again := k.connect("ann", token, "isReconnect=true")
	if got := k.answers(again); len(got) != 0 {
		t.Errorf("confirmed entries were sent again: %v", got)
	}
}
