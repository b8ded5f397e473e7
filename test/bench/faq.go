package main

import (
	"fmt"
	"os"
	"path/filepath"

	"parley/internal/assistant/flow/faq/faqeval"
)

// faq measures the retrieval of FAQ entries on data that is not part of the
// repository.
func (b *bench) faq() error {
	dir := os.Getenv("PARLEY_TEST_DATA")
	if dir == "" {
		b.table.note("FAQ retrieval", "left out: PARLEY_TEST_DATA is not set", "", "")
		return nil
	}
	file, err := os.Open(filepath.Join(dir, "faq-dev.jsonl"))
	if err != nil {
		return err
	}
	defer file.Close()
	report, err := faqeval.Run(file)
	if err != nil {
		return err
	}
	all := report.Built.All
	for _, f := range []struct {
		name           string
		share          float64
		must, moonshot goal
	}{
		{"answered right", all.RightShare(), atLeast(62), atLeast(80)},
		{"answered wrong", all.WrongShare(), atMost(2), atMost(2)},
		{"out of scope, answered", all.AnsweredShare(), atMost(12), atMost(6)},
		{"right one among the first three", all.Top3Share(), atLeast(93), atLeast(97)},
	} {
		b.table.add("FAQ: "+f.name, fmt.Sprintf("%.1f %%", 100*f.share), "", 100*f.share, f.must, f.moonshot)
	}
	b.table.note("FAQ, cross-validated", report.CrossFit.All.String(), "", "")
	return nil
}
