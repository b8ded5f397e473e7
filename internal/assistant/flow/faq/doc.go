// Package faq finds the entry of a FAQ that answers a question, by its words
// alone, and says how sure it is.
//
// The pipeline of a search:
//
//  1. The text is cut into words, folded (case, accents, umlauts, ё) and
//     stemmed in the languages of the FAQ; small words are told by lists.
//  2. The languages of the FAQ are rated by how well the words fit them.
//  3. Each word is linked to the stems it may stand for: itself, other forms,
//     parts of compounds and, if the FAQ does not know it, a misspelling.
//  4. All entries are scored by words (BM25) and by trigrams; the best of them
//     are compared closely, phrasing by phrasing, with the text.
//  5. A linear score orders them, see Model.
//  6. A logistic function of the evidence - what was found, how rare it is,
//     what was not found, how far the next entry is behind - becomes the
//     confidence. What it rests on was fitted once, see weights.go.
//
// Nothing is read, learned or stored at run time; the same entries and text
// give the same matches.
package faq
