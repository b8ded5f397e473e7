package flow_test

import (
	"fmt"
	"strings"
	"testing"

	"parley/internal/assistant"
	"parley/internal/assistant/flow"
	"parley/internal/assistant/flow/demo"
	"parley/internal/chat"
)

// large is a definition of n entries in two languages whose words are spread
// as in real FAQs: a few common ones, many rare ones.
func large(n int) []byte {
	things := strings.Fields("order parcel invoice account password delivery return printer laptop refund voucher address size colour warranty battery screen licence course ticket")
	verbs := strings.Fields("change cancel find print track pay move reset open close")
	var b strings.Builder
	b.WriteString("flow: 1\nlanguages: [en, de]\nfaq:\n")
	for i := range n {
		thing, verb := things[i%len(things)], verbs[i/len(things)%len(verbs)]
		fmt.Fprintf(&b, "- id: e%d\n  ask: {en: [How do I %s my %s x%d, %s the %s x%d], de: Wie geht das mit x%d %s}\n  say: {en: Do it with x%d., de: Mach es mit x%d.}\n",
			i, verb, thing, i, verb, thing, i, i, thing, i, i)
	}
	return []byte(b.String())
}

func BenchmarkAnswer(b *testing.B) {
	for _, size := range []struct {
		name       string
		definition []byte
	}{{"demo", demo.Definition()}, {"400", large(400)}, {"5000", large(5000)}} {
		a, err := flow.Compile("f", size.definition)
		if err != nil {
			b.Fatal(err)
		}
		for _, text := range []struct{ name, text string }{
			{"phrasing", "How do I change my order x0"}, {"search", "how can i cancel my order please"},
			{"typo", "cancle teh oder plaese"}, {"300bytes", strings.Repeat("how can i cancel my order ", 11)},
			{"4KB", strings.Repeat("how can i cancel my order ", 150)},
		} {
			turn := assistant.Turn{Input: assistant.Input{Entries: []chat.Entry{message(chat.TextContent(text.text))}}}
			_, instant := a.Instant(turn.Input)
			b.Run(fmt.Sprintf("%s/%s/instant=%v", size.name, text.name, instant), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := a.Answer(b.Context(), turn); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{50, 5000} {
		definition := large(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := flow.Compile("f", definition); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
