package setting_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/fault"
	"parley/internal/setting"
)

type room struct {
	Answer string `json:"answer"`
}

type given struct {
	Name   string          `json:"name"`
	Limit  *int            `json:"limit,omitempty"`
	Depth  int             `json:"depth"`
	Once   bool            `json:"once"`
	Words  []string        `json:"words"`
	Rooms  map[string]room `json:"rooms"`
	Apps   []room          `json:"apps"`
	Lobby  room            `json:"lobby"`
	Inside string          `json:"-"`
	Plain  string
}

func TestDecode(t *testing.T) {
	seven := 7
	for raw, want := range map[string]given{
		"":     {},
		" \n":  {},
		"null": {},
		"{}":   {},
		`{"name":null,"limit":null,"rooms":null,"apps":[null],"words":[null],"lobby":{"answer":null}}`: {Apps: []room{{}}, Words: []string{""}},
		`{"name":"n","limit":7,"depth":-2,"once":true,"words":["a","b"],"rooms":{"x y":{"answer":"z"}},"apps":[{"answer":"q"},{}],"lobby":{"answer":"l"}}`: {
			Name: "n", Limit: &seven, Depth: -2, Once: true, Words: []string{"a", "b"},
			Rooms: map[string]room{"x y": {"z"}}, Apps: []room{{"q"}, {}}, Lobby: room{"l"},
		},
	} {
		var got given
		if err := (setting.Form{}).Decode([]byte(raw), &got); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", raw, diff)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		`{`:                               "the settings are not JSON",
		`{}{}`:                            "the settings are not JSON",
		`[]`:                              "the settings should be a group of keys",
		`"x"`:                             "the settings should be a group of keys",
		`{"name":1}`:                      "name: should be text",
		`{"limit":1.5}`:                   "limit: should be a whole number",
		`{"limit":"1"}`:                   "limit: should be a whole number",
		`{"depth":1e99}`:                  "depth: should be a whole number",
		`{"depth":1e3}`:                   "the settings cannot be read",
		`{"once":"yes"}`:                  "once: should be true or false",
		`{"words":"a"}`:                   "words: should be a list",
		`{"words":["a",5]}`:               "words[1]: should be text",
		`{"rooms":[]}`:                    "rooms: should be a group of keys",
		`{"rooms":{"a":"always"}}`:        "rooms.a: should be a group of keys",
		`{"rooms":{"a":{"anser":"x"}}}`:   `rooms.a.anser: is not a known key; did you mean "answer"?`,
		`{"apps":[{},{"answer":true}]}`:   "apps[1].answer: should be text",
		`{"lobby":{"colour":1}}`:          "lobby.colour: is not a known key; known are answer",
		`{"Name":"n"}`:                    `Name: is not a known key; did you mean "name"?`,
		`{"colour":"red","name":1}`:       "colour: is not a known key; known are apps, depth, limit, lobby, name, once, rooms, words",
		`{"Inside":"x"}`:                  "Inside: is not a known key; known are apps, depth, limit, lobby, name, once, rooms, words",
		`{"Plain":"x"}`:                   "Plain: is not a known key; known are apps, depth, limit, lobby, name, once, rooms, words",
		`{"-":"x"}`:                       "-: is not a known key; known are apps, depth, limit, lobby, name, once, rooms, words",
		`{"words":[["a"]],"apps":"last"}`: "apps: should be a list",
	} {
		err := setting.Form{}.Decode([]byte(raw), new(given))
		if !fault.Is(err, fault.Invalid) || fault.Message(err) != want {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
}

func TestFormWords(t *testing.T) {
	own := errors.New("own words")
	f := setting.Form{Whole: "write keys", Unknown: func(path, key string, known []string) error {
		if path != "lobby.anser" || key != "anser" || !slices.Equal(known, []string{"answer"}) {
			t.Errorf("path %s, key %s, known %v", path, key, known)
		}
		return own
	}}
	if err := f.Decode([]byte(`{"lobby":{"anser":1}}`), new(given)); !errors.Is(err, own) {
		t.Errorf("unknown key: %v", err)
	}
	if err := f.Decode([]byte(`7`), new(given)); !fault.Is(err, fault.Invalid) || fault.Message(err) != "write keys" {
		t.Errorf("a number: %v", err)
	}
}

func TestGroup(t *testing.T) {
	for _, raw := range []string{"", " ", "null"} {
		if group, err := setting.Group([]byte(raw)); group != nil || err != nil {
			t.Errorf("%q: %v %v", raw, group, err)
		}
	}
	group, err := setting.Group([]byte(`{"a":[1,"b"],"c":null}`))
	if diff := cmp.Diff(map[string]any{"a": []any{1.0, "b"}, "c": nil}, group); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for raw, want := range map[string]string{"{": "the settings are not JSON", "[]": "the settings should be a group of keys", "1": "the settings should be a group of keys"} {
		if _, err := setting.Group([]byte(raw)); !fault.Is(err, fault.Invalid) || fault.Message(err) != want {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
}

func TestStored(t *testing.T) {
	type body struct {
		Z string `json:"z"`
		N int64  `json:"n"`
		A struct {
			Y int `json:"y"`
			B int `json:"b"`
		} `json:"a"`
	}
	in := body{Z: "<&>", N: 9007199254740993}
	got, err := setting.Encode("kind", in)
	// Another number than a float64 can hold, and keys in order.
	if want := `{"a":{"b":0,"y":0},"n":9007199254740993,"z":"<&>"}`; err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	back, err := setting.Stored[body]("kind", got)
	if err != nil || back != in {
		t.Errorf("read again: %+v %v", back, err)
	}
	if _, err := setting.Encode("kind", func() {}); err == nil || !strings.HasPrefix(err.Error(), "encode kind settings: ") {
		t.Errorf("a function: %v", err)
	}
	torn, err := setting.Stored[body]("kind", []byte(`{"z":"read before the fault","n":"x"}`))
	if err == nil || !strings.HasPrefix(err.Error(), "read kind settings: ") || torn != (body{}) || fault.KindOf(err) != fault.Internal {
		t.Errorf("a torn body: %+v %v", torn, err)
	}
}

// Whatever an owner writes is decoded, or refused as the owner's mistake; and
// what is decoded and written again is decoded to the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"n","limit":7,"words":["a"],"rooms":{"x":{"answer":"z"}},"apps":[{"answer":"q"},null]}`))
	f.Add([]byte(`{"depth":1e99,"once":[],"":{"":0}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got, again given
		err := setting.Form{}.Decode(raw, &got)
		group, groupErr := setting.Group(raw)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		if groupErr != nil {
			t.Errorf("%q is decoded and is no group: %v", raw, groupErr)
		}
		for key := range group {
			if !slices.Contains([]string{"name", "limit", "depth", "once", "words", "rooms", "apps", "lobby"}, key) {
				t.Errorf("%q: key %q was let through", raw, key)
			}
		}
		tree, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(tree, &group); err != nil {
			t.Fatal(err)
		}
		delete(group, "Plain") // it has no key, so only Go writes it
		body, err := setting.Encode("fuzz", group)
		if err != nil {
			t.Fatal(err)
		}
		if err := (setting.Form{}).Decode(body, &again); err != nil {
			t.Fatalf("%q: written again as %s: %v", raw, body, err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("%q (-first +again):\n%s", raw, diff)
		}
	})
}
