package faq

import (
	"math"
	"slices"
)

// trigrams ranks entries by the three-letter pieces they share with a query.
// It needs no knowledge of any language and forgives typos and endings.
type trigrams struct {
	ids      map[uint64]int32
	idf      []float64
	unknown  float64 // idf of a trigram no entry has
	postings [][]posting
	length   []float64 // number of trigrams in each entry
	mean     float64   // of length
}

// count is a term or trigram with the number of its occurrences.
type count struct {
	id int32
	n  float32
}

// mergeCounts sorts counts by id and adds up those of one id.
func mergeCounts(counts []count) []count {
	slices.SortFunc(counts, func(a, b count) int { return int(a.id - b.id) })
	out := counts[:0]
	for _, c := range counts {
		if n := len(out); n > 0 && out[n-1].id == c.id {
			out[n-1].n += c.n
		} else {
			out = append(out, c)
		}
	}
	return out
}

// eachTrigram calls f with the trigrams of w, both ends of the word marked.
func eachTrigram(w string, f func(uint64)) {
	const lastTwo = 1<<42 - 1 // a rune takes 21 bits
	g, n := uint64(' '), 1
	add := func(r rune) {
		g = (g&lastTwo)<<21 | uint64(r)
		if n++; n >= 3 {
			f(g)
		}
	}
	for _, r := range w {
		add(r)
	}
	add(' ')
}

// count returns the trigrams of words, each occurrence counting weight,
// sorted by id. Those no entry has all get id -1.
func (t *trigrams) count(words []word, weight float32) []count {
	var out []count
	for _, w := range words {
		eachTrigram(w.folded, func(g uint64) {
			id, ok := t.ids[g]
			if !ok {
				id = -1
			}
			out = append(out, count{id, weight})
		})
	}
	return mergeCounts(out)
}

// learn gives the trigrams of words an id.
func (t *trigrams) learn(words []word) {
	for _, w := range words {
		eachTrigram(w.folded, func(g uint64) {
			if _, ok := t.ids[g]; !ok {
				t.ids[g] = int32(len(t.postings))
				t.postings = append(t.postings, nil)
			}
		})
	}
}

// addEntry adds the trigrams of the next entry.
func (t *trigrams) addEntry(counts []count) {
	entry := int32(len(t.length))
	total := 0.0
	for _, c := range counts {
		t.postings[c.id] = append(t.postings[c.id], posting{entry, c.n})
		total += float64(c.n)
	}
	t.length = append(t.length, total)
}

// finish computes what depends on all entries.
func (t *trigrams) finish() {
	n := float64(len(t.length))
	idf := func(df float64) float64 { return math.Log(1 + (n-df+0.5)/(df+0.5)) }
	t.unknown = idf(0)
	t.idf = make([]float64, len(t.postings))
	for i, p := range t.postings {
		t.idf[i] = idf(float64(len(p)))
	}
	for _, l := range t.length {
		t.mean += l / n
	}
}

// score adds to scores, one number an entry, the BM25 of the query as a share
// of the best score any entry could have.
func (t *trigrams) score(query []count, scores []float64) {
	const k, b = 1.2, 0.75
	best := 0.0
	for _, q := range query {
		if q.id < 0 {
			best += float64(q.n) * t.unknown
			continue
		}
		idf := t.idf[q.id]
		best += idf
		for _, p := range t.postings[q.id] {
			tf := float64(p.n)
			scores[p.entry] += idf * tf / (tf + k*(1-b+b*t.length[p.entry]/t.mean))
		}
	}
	if best > 0 {
		for i := range scores {
			scores[i] /= best
		}
	}
}

// cosine returns how alike, in [0,1], two texts are by their trigrams, rare
// ones counting more.
func (t *trigrams) cosine(a, b []count) float64 {
	dot, i, j := 0.0, 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i].id < b[j].id:
			i++
		case a[i].id > b[j].id:
			j++
		default:
			idf := t.rarity(a[i].id)
			dot += idf * idf * float64(a[i].n*b[j].n)
			i++
			j++
		}
	}
	if dot == 0 {
		return 0
	}
	return dot / math.Sqrt(t.square(a)*t.square(b))
}

// square returns the square of the length of the vector of a text.
func (t *trigrams) square(a []count) float64 {
	s := 0.0
	for _, c := range a {
		idf := t.rarity(c.id)
		s += idf * idf * float64(c.n*c.n)
	}
	return s
}

func (t *trigrams) rarity(id int32) float64 {
	if id < 0 {
		return t.unknown
	}
	return t.idf[id]
}
