package catalog_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"parley/internal/catalog"
)

var update = flag.Bool("update", false, "write what mistakes are answered with into testdata")

// folder is an environment made of named texts.
type folder struct {
	files map[string]string
	env   map[string]string
}

func (f folder) Lookup(name string) (string, bool) {
	value, ok := f.env[name]
	return value, ok
}

func (f folder) ReadFile(path string) ([]byte, error) {
	if text, ok := f.files[path]; ok {
		return []byte(text), nil
	}
	return nil, errors.New("does not exist")
}

func (f folder) List(path string) ([]string, bool, error) {
	if _, ok := f.files[path]; ok {
		return nil, false, nil
	}
	var names []string
	for file := range f.files {
		if filepath.Dir(file) == filepath.Clean(path) {
			names = append(names, filepath.Base(file))
		}
	}
	if len(names) == 0 {
		return nil, false, errors.New("does not exist")
	}
	slices.Sort(names)
	return names, true, nil
}

// TestMistakes reads one archive for each mistake. An archive without a file
// catalog.yaml is read as a folder.
func TestMistakes(t *testing.T) {
	archives, err := filepath.Glob("testdata/mistakes/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, want := folder{files: map[string]string{}, env: map[string]string{}}, ""
			var catalogs []string
			for _, file := range archive.Files {
				switch text := string(file.Data); {
				case file.Name == "want":
					want = text
				case file.Name == "env":
					for line := range strings.Lines(text) {
						name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
						f.env[name] = value
					}
				default:
					f.files[file.Name] = text
					if strings.HasSuffix(file.Name, ".yaml") && !strings.Contains(file.Name, ".flow.") {
						catalogs = append(catalogs, file.Name)
					}
				}
			}
			if len(catalogs) == 0 {
				catalogs = []string{"."}
			}
			_, err = catalog.Read(f, catalogs...)
			if err == nil {
				t.Fatal("nothing was found wrong")
			}
			got := err.Error() + "\n"
			if *update {
				setWant(t, path, archive, got)
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			for _, value := range f.env {
				if value != "" && strings.Contains(got, value) {
					t.Errorf("the answer shows the value %q", value)
				}
			}
		})
	}
}

func setWant(t *testing.T, path string, archive *txtar.Archive, want string) {
	t.Helper()
	archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
	archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(want)})
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	f := folder{
		files: map[string]string{
			"conf/catalog.yaml": `
assistants:
  front-desk: { kind: flow, definition: flows/front.flow.yaml }
  inline:
    kind: flow
    definition: |
      flow: 1
      say: ${env:NOT_TOUCHED}
channels:
  website:
    type: rtm
    assistant: front-desk
    bot: { id: st-1, name: Front Desk }
    apps:
      - id: cs-1
        secret: ${env:WEBSITE_SECRET}
        origins: ["https://${env:HOST}.example.com", "$${literal}"]
        token_life: 1h
        since: 2026-01-02
        count: 9007199254740993
        share: 0.5
        on: true
        none:
      - secret: ${file:secret.txt}
`,
			"conf/flows/front.flow.yaml": "flow: 1\n",
			"conf/front.test.yaml":       "- name: x\n",
			"conf/secret.txt":            "from-a-file\n",
			"conf/server.yaml":           "listen: 127.0.0.1:8080\n",
		},
		env: map[string]string{"WEBSITE_SECRET": "from-the-environment", "HOST": "www"},
	}
	got, err := catalog.Read(f, "conf")
	if err != nil {
		t.Fatal(err)
	}
	want := catalog.Manifest{
		Assistants: map[string]catalog.AssistantSpec{
			"front-desk": {Kind: "flow", File: "flows/front.flow.yaml", Path: "conf/flows/front.flow.yaml", Definition: "flow: 1\n"},
			"inline":     {Kind: "flow", Definition: "flow: 1\nsay: ${env:NOT_TOUCHED}\n"},
		},
		Channels: map[string]catalog.ChannelSpec{"website": {
			Type: "rtm", Assistant: "front-desk",
			Settings: []byte(`{"apps":[{"count":9007199254740993,"id":"cs-1","none":null,"on":true,` +
				`"origins":["https://www.example.com","${literal}"],"secret":"from-the-environment","share":0.5,` +
				`"since":"2026-01-02","token_life":"1h"},{"secret":"from-a-file"}],"bot":{"id":"st-1","name":"Front Desk"}}`),
		}},
	}
	if diff := cmp.Diff(want, got.Manifest); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"conf/server.yaml"}, got.Skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	located := got.Locate(catalog.Problems{
		{Path: "channels.website.apps[1].secret", Text: "a"},
		{Path: "channels.website.apps[0].made_up.deeper", Text: "b"},
		{Path: "assistants.inline.definition", Position: catalog.Position{Line: 2, Col: 3}, Text: "c"},
		{Path: "assistants.front-desk.definition", Position: catalog.Position{File: "conf/flows/front.flow.yaml", Line: 1, Col: 1}, Text: "d"},
		{Path: "channels.nowhere", Text: "e"},
	})
	wantProblems := "conf/catalog.yaml:24:17: channels.website.apps[1].secret: a\n" +
		"conf/catalog.yaml:15:9: channels.website.apps[0].made_up.deeper: b\n" +
		"conf/catalog.yaml:8: assistants.inline.definition: c\n" +
		"conf/flows/front.flow.yaml:1:1: assistants.front-desk.definition: d\n" +
		"channels.nowhere: e"
	if diff := cmp.Diff(wantProblems, located.Error()); diff != "" {
		t.Errorf("located (-want +got):\n%s", diff)
	}
	if got := got.Redact("x from-the-environment y from-a-file"); got != "x [hidden] y [hidden]" {
		t.Errorf("redacted %q", got)
	}
}

// A folder is read whole: *.yml too, in order of names, and a definition is not
// taken for a catalog that was overlooked, whatever it is called.
func TestReadFolder(t *testing.T) {
	f := folder{files: map[string]string{
		"conf/b.yml":          "channels: { shop: { type: rtm, assistant: desk } }\n",
		"conf/a.yaml":         "assistants: { desk: { kind: flow, definition: ./desk.yaml } }\n",
		"conf/desk.yaml":      "flow: 1\n",
		"conf/other.yaml":     "listen: x\n",
		"conf/x.flow.yml":     "assistants: [not a catalog]\n",
		"conf/.hidden.yaml":   "assistants: [not a catalog]\n",
		"conf/notes.txt":      "assistants: [not a catalog]\n",
		"conf/deep/more.yaml": "assistants: [not read]\n",
	}}
	got, err := catalog.Read(f, "conf")
	if err != nil {
		t.Fatal(err)
	}
	if a, c := got.Manifest.Assistants["desk"], got.Manifest.Channels["shop"]; a.Path != "conf/desk.yaml" || a.Definition != "flow: 1\n" || c.Assistant != "desk" {
		t.Errorf("read %+v", got.Manifest)
	}
	if diff := cmp.Diff([]string{"conf/other.yaml"}, got.Skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
}

// FuzzRead finds files that make reading fall over, or say something it was
// told to hide.
func FuzzRead(f *testing.F) {
	archives, err := filepath.Glob("testdata/mistakes/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(string(file.Data))
		}
	}
	const hidden = "value-nobody-may-see"
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, hidden) {
			t.Skip()
		}
		in := folder{files: map[string]string{"catalog.yaml": text}, env: map[string]string{"SECRET": hidden}}
		read, err := catalog.Read(in, "catalog.yaml")
		if (read == nil) == (err == nil) {
			t.Fatalf("reading %v, error %v", read, err)
		}
		if err != nil && strings.Contains(err.Error(), hidden) {
			t.Errorf("the answer shows a hidden value: %v", err)
		}
	})
}
