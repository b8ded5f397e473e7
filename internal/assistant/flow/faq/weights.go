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
	Bias: -1.506,
	Confidence: [NumEvidence]float64{
		EvClauseFit:   4.219,
		EvTrigramFit:  -1.464,
		EvWordOrder:   -1.381,
		EvTrigramLead: 13.882,
		EvUnknown:     -4.206,
		EvWords:       2.501,
		EvPhrased:     -2.825,
		EvFound:       3.192,
		EvElsewhere:   -1.539,
		EvRarest:      -1.763,
		EvPhraseOdds:  0.349,
	},
}
