package cli_test

import (
	"time"

	"parley/internal/adminapi/adminapitest"
	"parley/internal/chat"
)

// newPost is one delivery of each sort, with what a far side may put into its
// words.
func newPost() *adminapitest.Deliveries {
	p := &adminapitest.Deliveries{}
	p.Add(chat.Delivery{Key: 11, Conversation: 1, Seq: 1, Channel: "st-1", Status: chat.DeliverySent, CreatedAt: at, EndedAt: at})
	p.Add(chat.Delivery{Key: 12, Conversation: 1, Seq: 2, Channel: "st-1", Status: chat.DeliveryFailed, Attempts: 3,
		LastError: "permanent: \x1b[2Jthe channel is archived, and so on and so on and so on and so on and so on and so on", CreatedAt: at, EndedAt: at},
		chat.Part{Number: 1, ID: "aaaaaaaaaaaaaaaaaaaaaaaaaa", Body: []byte("hi"), External: "post\n1", SentAt: at},
		chat.Part{Number: 2, ID: "bbbbbbbbbbbbbbbbbbbbbbbbbb", Body: []byte("there")})
	p.Add(chat.Delivery{Key: 13, Conversation: 1, Seq: 3, Channel: "st-1", Status: chat.DeliveryWaiting, DueAt: at.Add(time.Minute), CreatedAt: at})
	return p
}
