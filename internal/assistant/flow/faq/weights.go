package faq

// fitted are the numbers of the search. They were fitted to a file of
// questions and answers in English, German, Spanish and Russian by the command
// fit next to this file, which prints it: Rank so that the right entry comes
// first, Confidence so that it is the probability that the first entry is
// right. Both fits are pulled towards equal (Rank) and no (Confidence) weights.
// The evidence was chosen from a longer list by cross-validation on the same
// file, so cross-validated figures flatter a little. Change the numbers by
// running the command, and do so after any change to a feature.
var fitted = Model{
	Rank: [NumFeatures]float64{
		WordScore:    3.820,
		EntryShare:   3.738,
		PhraseShare:  2.614,
		ClauseFit:    2.152,
		TrigramScore: 5.040,
		TrigramFit:   2.186,
		SameLanguage: 4.283,
		WordOrder:    1.163,
	},
	Bias: -1.316,
	Confidence: [NumEvidence]float64{
		EvClauseFit:   3.913,
		EvTrigramFit:  -1.635,
		EvWordOrder:   -1.411,
		EvTrigramLead: 13.387,
		EvUnknown:     -1.223,
		EvWords:       2.466,
		EvPhrased:     -2.527,
		EvFound:       3.160,
		EvElsewhere:   -1.542,
		EvRarest:      -1.972,
		EvPhraseOdds:  0.406,
	},
}
