// Command fit prints the Go file with the fitted numbers of package faq, from
// faq-dev.jsonl in the folder PARLEY_TEST_DATA names:
//
//	PARLEY_TEST_DATA=... go run ./internal/assistant/flow/faq/fit > weights.go
//
// The same data gives the same numbers.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"parley/internal/assistant/flow/faq"
	"parley/internal/assistant/flow/faq/faqeval"
)

// The names of the constants the numbers stand for, in their order.
var (
	features = [faq.NumFeatures]string{"WordScore", "EntryShare", "PhraseShare", "ClauseFit", "TrigramScore",
		"TrigramFit", "SameLanguage", "WordOrder"}
	evidence = [faq.NumEvidence]string{"EvClauseFit", "EvTrigramFit", "EvWordOrder", "EvTrigramLead", "EvUnknown",
		"EvWords", "EvPhrased", "EvFound", "EvElsewhere", "EvRarest", "EvPhraseOdds"}
)

const header = `package faq

// fitted are the numbers of the search. They were fitted to a file of
// questions and answers in English, German, Spanish and Russian by the command
// fit next to this file, which prints it: Rank so that the right entry comes
// first, Confidence so that it is the probability that the first entry is
// right. Both fits are pulled towards equal (Rank) and no (Confidence) weights.
// The evidence was chosen from a longer list by cross-validation on the same
// file, so cross-validated figures flatter a little. Change the numbers by
// running the command, and do so after any change to a feature.
var fitted = Model{
`

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "fit:", err)
		os.Exit(1)
	}
}

func run() error {
	f, err := os.Open(filepath.Join(os.Getenv("PARLEY_TEST_DATA"), "faq-dev.jsonl"))
	if err != nil {
		return err
	}
	defer f.Close()
	d, err := faqeval.Load(f)
	if err != nil {
		return err
	}
	m := faqeval.Fit(d)
	fmt.Print(header, "\tRank: [NumFeatures]float64{\n")
	for i, w := range m.Rank {
		fmt.Printf("\t\t%-13s %.3f,\n", features[i]+":", w)
	}
	fmt.Printf("\t},\n\tBias: %.3f,\n\tConfidence: [NumEvidence]float64{\n", m.Bias)
	for i, w := range m.Confidence {
		fmt.Printf("\t\t%-14s %.3f,\n", evidence[i]+":", w)
	}
	fmt.Print("\t},\n}\n")
	return nil
}
