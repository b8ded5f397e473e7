package faq

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// library is a FAQ in English, German and Polish, the last of which has
// neither stemmer nor lists of small words.
var library = []Entry{
	{"loan", "en", []string{"How long can I borrow a book?", "What is the loan period?"}, "Four weeks, films one week."},
	{"renew", "en", []string{"How do I renew my books?", "Can I extend a loan?"}, "Press Renew in your account."},
	{"card-lost", "en", []string{"I lost my library card", "My card was stolen"}, "Call the desk; a new card costs five euros."},
	{"card-new", "en", []string{"How do I get a library card?", "Who can join?"}, "Bring a passport to the desk."},
	{"fines", "en", []string{"How much is the late fee?", "I returned a book too late"}, "Twenty cents a day."},
	{"rooms", "en", []string{"Can I reserve a study room?", "Where are the group rooms?"}, "Upstairs; reserve online."},
	{"printing", "en", []string{"Can I print or scan here?"}, "The copier is near the stairs."},
	{"oeffnung", "de", []string{"Wann habt ihr geöffnet?", "Wie sind die Öffnungszeiten?"}, "Täglich von neun bis acht."},
	{"gebuehren", "de", []string{"Was kosten die Mahngebühren?", "Muss ich Strafe zahlen?"}, "Zwanzig Cent am Tag."},
	{"fernleihe", "de", []string{"Könnt ihr ein Buch aus einer anderen Bücherei bestellen?", "Wie geht die Fernleihe?"}, "Für zwei Euro, es dauert zehn Tage."},
	{"kinder", "de", []string{"Gibt es Vorlesestunden für Kinder?", "Habt ihr Bilderbücher?"}, "Jeden Samstag im Lesesaal."},
	{"spende", "de", []string{"Nehmt ihr gebrauchte Bücher an?", "Ich möchte Bücher spenden"}, "Gern, bitte vorher anrufen."},
	{"katalog", "pl", []string{"Jak przeszukać katalog?", "Gdzie znajdę katalog online?"}, "Na stronie głównej."},
	{"parking", "pl", []string{"Czy jest parking dla rowerów?", "Gdzie mogę zaparkować rower?"}, "Przed wejściem."},
}

func TestSearchFinds(t *testing.T) {
	x := New(library)
	for _, c := range []struct{ name, text, want string }{
		{"as written", "How do I renew my books?", "renew"},
		{"capitals, no punctuation", "HOW DO I RENEW MY BOOKS", "renew"},
		{"typo", "can i resreve a study rom", "rooms"},
		{"typo in a long word", "wie sind die öffnugnszeiten", "oeffnung"},
		{"word order", "my library card, i have lost it", "card-lost"},
		{"inflection", "renewing a book", "renew"},
		{"inflection", "reserving study rooms", "rooms"},
		{"one word", "printing", "printing"},
		{"one word", "fernleihe", "fernleihe"},
		{"umlaut as ae", "wie sind die oeffnungszeiten", "oeffnung"},
		{"umlaut left out", "mahngebuhren", "gebuehren"},
		{"part of a compound", "was kosten die gebühren", "gebuehren"},
		{"other form", "bücherspende", "spende"},
		{"no accents, no stemmer", "jak przeszukac katalog", "katalog"},
		{"typo, no stemmer", "gdzie zaprkować rower", "parking"},
		{"question in a story", "hello, we were on holiday in spain with the whole family, it was lovely by the way, " +
			"and somewhere on the beach my library card was stolen, what now", "card-lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := x.Search(c.text, 3)
			if len(m) == 0 || m[0].ID != c.want || m[0].Confidence < Confident {
				t.Errorf("Search(%q) = %v, want %s, confident", c.text, m, c.want)
			}
		})
	}
}

func TestSearchAbstains(t *testing.T) {
	x := New(library)
	for _, text := range []string{
		"hello there", "thanks, that helped", "danke dir", "are you a robot?", // small talk
		"asdf qwer", "!!!", "12345", "purple window seven run", "ффыва", // nonsense
		"how do i do it", "wie geht das", // small words only
		"how do i renew my passport insurance in spain", "wie geht es deiner oma", // near misses
		"what is the meaning of life",
	} {
		if m := x.Search(text, 1); len(m) > 0 && m[0].Confidence >= Confident {
			t.Errorf("Search(%q) is confident of %v", text, m)
		}
	}
}

func TestCloseEntriesAreSuggested(t *testing.T) {
	x := New(library)
	m := x.Search("library card", 3)
	if len(m) < 2 || m[1].Confidence < Suggest || m[0].Confidence >= Confident {
		t.Fatalf("Search = %v, want two suggestions", m)
	}
	if got := []string{m[0].ID, m[1].ID}; !reflect.DeepEqual(got, []string{"card-lost", "card-new"}) &&
		!reflect.DeepEqual(got, []string{"card-new", "card-lost"}) {
		t.Errorf("suggested %v", got)
	}
}

func TestDuplicatePhrasing(t *testing.T) {
	twin := append([]Entry{{"loan-2", "en", library[0].Phrasings, "Ask the desk."}}, library...)
	m := New(twin).Search("What is the loan period?", 2)
	if len(m) != 2 || !strings.HasPrefix(m[0].ID, "loan") || !strings.HasPrefix(m[1].ID, "loan") {
		t.Fatalf("Search = %v, want both twins", m)
	}
	if m[1].Confidence < Suggest {
		t.Errorf("the second twin is no suggestion: %v", m)
	}
	repeated := []Entry{{"a", "en", []string{"Where is it?", "Where is it?"}, ""}, library[1]}
	if m := New(repeated).Search("where is it", 1); len(m) != 1 || m[0].ID != "a" {
		t.Errorf("Search with a repeated phrasing = %v", m)
	}
}

func TestSmallAndOddIndexes(t *testing.T) {
	for name, entries := range map[string][]Entry{
		"none":         nil,
		"empty entry":  {{}},
		"no phrasing":  {{ID: "a", Lang: "en", Answer: "We are open from nine to five."}},
		"no language":  {{ID: "a", Phrasings: []string{"When are you open?"}}},
		"odd language": {{ID: "a", Lang: "x-klingon", Phrasings: []string{"When are you open?"}}},
		"only signs":   {{ID: "a", Lang: "en", Phrasings: []string{"???", ""}}},
	} {
		m := New(entries).Search("when are you open", 3)
		if strings.HasPrefix(name, "no ") || name == "odd language" {
			if len(m) != 1 || m[0].ID != "a" {
				t.Errorf("%s: Search = %v", name, m)
			}
		}
	}
	one := New(library[1:2])
	if m := one.Search("how do i renew my books", 1); len(m) != 1 || m[0].Confidence < Confident {
		t.Errorf("FAQ of one entry: %v", m)
	}
	if m := one.Search("how do i roast my coffee", 1); len(m) > 0 && m[0].Confidence >= Confident {
		t.Errorf("FAQ of one entry answers anything: %v", m)
	}
}

func TestSearchLimit(t *testing.T) {
	x := New(library)
	for _, limit := range []int{-1, 0, 1, 3, 1000} {
		m := x.Search("library books", limit)
		if len(m) > max(limit, 0) {
			t.Errorf("limit %d: %d matches", limit, len(m))
		}
		for i := 1; i < len(m); i++ {
			if m[i].Confidence > m[i-1].Confidence {
				t.Errorf("confidence rises: %v", m)
			}
		}
	}
}

var hostile = []string{
	"", " ", "\x00", "\xff\xfe\xfd", "a\xffb", "é́́́́", "ﷺﷺﷺ", "한국어 질문", "图书馆几点开门", "🙂🙂", "-", "a-", "--x",
	strings.Repeat("a", 100_000), strings.Repeat("ß", 100_000), strings.Repeat("a ", 50_000),
	strings.Repeat("ﷺ", 30_000), strings.Repeat("library card ", 8_000), strings.Repeat("\xf0", 100_000),
	strings.Repeat("é.", 20_000), strings.Repeat("qjx", 30_000),
}

func TestHostileInput(t *testing.T) {
	x := New(library)
	for _, text := range hostile {
		checkMatches(t, x.Search(text, 3))
		New([]Entry{{ID: "h", Lang: "de", Phrasings: []string{text}, Answer: text}}).Search(text, 3)
	}
}

func checkMatches(t *testing.T, matches []Match) {
	t.Helper()
	for _, m := range matches {
		if !(m.Confidence >= 0 && m.Confidence <= 1) {
			t.Errorf("confidence of %v", m)
		}
	}
}

func TestSearchIsDeterministicAndConcurrent(t *testing.T) {
	x := New(library)
	want := x.Search("can i reserve a room", 5)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if got := x.Search("can i reserve a room", 5); !reflect.DeepEqual(got, want) {
					t.Errorf("Search = %v, before %v", got, want)
					return
				}
				x.Search("öffnugszeiten", 5)
			}
		})
	}
	wg.Wait()
	for range 5 {
		if got := New(library).Search("can i reserve a room", 5); !reflect.DeepEqual(got, want) {
			t.Errorf("a new index gives %v, before %v", got, want)
		}
	}
}

func FuzzSearch(f *testing.F) {
	for _, text := range append(hostile[:13:13], "my card, please", "Öffnungszeiten?") {
		f.Add(text, "How do I renew my books?")
	}
	x := New(library)
	f.Fuzz(func(t *testing.T, text, phrasing string) {
		checkMatches(t, x.Search(text, 3))
		y := New([]Entry{{ID: "a", Lang: "de", Phrasings: []string{phrasing}, Answer: text}})
		checkMatches(t, y.Search(text, 3))
		checkMatches(t, y.Search(phrasing, 3))
	})
}

// manyEntries makes n entries of different made-up words.
func manyEntries(n int) []Entry {
	syllables := strings.Fields("ka lo mi ter sen bur pal dro vin est gar hol")
	word := func(i int) string {
		return syllables[i%12] + syllables[i/12%12] + syllables[i/144%12] + syllables[i*7%12]
	}
	out := make([]Entry, n)
	for i := range out {
		e := library[i%len(library)]
		out[i] = Entry{ID: fmt.Sprint(i), Lang: e.Lang, Answer: e.Answer + " " + word(3*i) + " " + word(5*i+1) + " " + word(i*i)}
		for _, p := range e.Phrasings {
			out[i].Phrasings = append(out[i].Phrasings, p+" "+word(i)+" "+word(7*i+2))
		}
	}
	return out
}

const benchText = "hello, i wanted to ask how i can reserv a study room for our kalomi group tomorrow"

func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{35, 1000} {
		x := New(manyEntries(n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.Search(benchText, 3)
			}
		})
		b.Run(fmt.Sprint(n, "-hostile"), func(b *testing.B) {
			text := strings.Repeat("resrve stduy romo kalom öffnugszeit ", 200)
			for b.Loop() {
				x.Search(text, 3)
			}
		})
	}
}

func BenchmarkNew1000(b *testing.B) {
	entries := manyEntries(1000)
	b.ReportAllocs()
	for b.Loop() {
		New(entries)
	}
}

// What nobody knows stays unknown, however much of it there is.
func TestLongNonsenseIsNotAnswered(t *testing.T) {
	x := New([]Entry{
		{ID: "hours", Lang: "en", Phrasings: []string{"When are you open?", "opening hours"}, Answer: "Monday to Friday, 9 to 17."},
		{ID: "returns", Lang: "en", Phrasings: []string{"How do I return something?", "send back a parcel"}, Answer: "Print the label in your account and hand the parcel in."},
		{ID: "pay", Lang: "en", Phrasings: []string{"How can I pay", "payment methods"}, Answer: "By card or invoice."},
	})
	const nonsense = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua "
	for _, n := range []int{1, 5, 20} {
		for _, m := range x.Search(strings.Repeat(nonsense, n), 3) {
			if m.Confidence >= Suggest {
				t.Errorf("%d times: %v", n, m)
			}
		}
	}
}
