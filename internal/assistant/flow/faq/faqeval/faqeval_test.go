package faqeval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The figures the package must reach on faq-dev.jsonl, as built and by numbers
// fitted on other queries.
const (
	minRight    = 0.62
	maxWrong    = 0.02
	maxAnswered = 0.12
	minTop3     = 0.93
)

func TestFigures(t *testing.T) {
	dir := os.Getenv("PARLEY_TEST_DATA")
	if dir == "" {
		t.Skip("PARLEY_TEST_DATA does not name the folder with faq-dev.jsonl")
	}
	f, err := os.Open(filepath.Join(dir, "faq-dev.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rep, err := Run(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []struct {
		name string
		Breakdown
	}{{"as built", rep.Built}, {"cross-validated", rep.CrossFit}, {"fitted on the other set", rep.OtherSets}} {
		t.Logf("%s:\n%v", b.name, b.Breakdown)
		c := b.All
		if c.RightShare() < minRight || c.WrongShare() > maxWrong || c.AnsweredShare() > maxAnswered || c.Top3Share() < minTop3 {
			t.Errorf("%s: below the required figures: %v", b.name, c)
		}
	}
}

const small = `{"type":"entry","set":"s","lang":"en","id":"pay","phrasings":["How can I pay?","Which cards do you take?"],"answer":"By card."}
{"type":"entry","set":"s","lang":"en","id":"open","phrasings":["When are you open?","Opening hours"],"answer":"From nine to five."}
{"type":"query","set":"s","lang":"en","text":"opening hours","kind":"short","expect":"open"}
{"type":"query","set":"s","lang":"en","text":"how can i pay, which cards","kind":"long","expect":["pay","open"]}
{"type":"query","set":"s","lang":"en","text":"zzz","kind":"nonsense","expect":null}
`

func TestRunCounts(t *testing.T) {
	rep, err := Run(strings.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	c := rep.Built.All
	if c.In != 2 || c.Out != 1 || c.Top1 != 2 || c.Top3 != 2 || c.Wrong != 0 || c.Answered != 0 {
		t.Errorf("counts are %+v", c)
	}
	if k := rep.Built.Kind["nonsense"]; k.In != 0 || k.Out != 1 {
		t.Errorf("counts of kind nonsense are %+v", k)
	}
	if rep.OtherSets.All.In != 0 {
		t.Error("one set was judged by another")
	}
}

func TestLoadRejects(t *testing.T) {
	for _, bad := range []string{`{`, `{"type":"question"}`, `{"type":"query","expect":5}`} {
		if _, err := Load(strings.NewReader(bad)); err == nil {
			t.Errorf("no error for %s", bad)
		}
	}
}
