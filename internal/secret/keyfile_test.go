package secret_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"parley/internal/fault"
	"parley/internal/secret"
)

func loadBox(t *testing.T, path string) *secret.Box {
	t.Helper()
	f, err := secret.LoadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	box, err := f.Box()
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func TestKeyFileLifeCycle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := secret.LoadKeyFile(path); !fault.Is(err, fault.NotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no file: %v", err)
	}
	created, err := secret.CreateKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	box, err := created.Box()
	if err != nil {
		t.Fatal(err)
	}
	sealed := box.Seal("r", []byte(plain))
	token := secret.NewSigner(box).Sign("p", nil, now.Add(1e9))

	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	before, _ := os.ReadFile(path)
	if _, err := secret.CreateKeyFile(path); !fault.Is(err, fault.Conflict) {
		t.Errorf("second create: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Fatal("a second create changed the file")
	}

	if _, err := secret.AddKey(path); err != nil {
		t.Fatal(err)
	}
	rotated := loadBox(t, path)
	if len(rotated.KeyIDs()) != 2 || !rotated.Stale(sealed) {
		t.Errorf("after AddKey the keys are %v", rotated.KeyIDs())
	}
	if opened, err := rotated.Open("r", sealed); err != nil || string(opened) != plain {
		t.Errorf("after AddKey: %q, %v", opened, err)
	}
	if _, err := secret.NewSigner(rotated).Open("p", token, now); err != nil {
		t.Errorf("after AddKey: %v", err)
	}

	ids := rotated.KeyIDs()
	if _, err := secret.DropKey(path, ids[0]); !fault.Is(err, fault.Conflict) {
		t.Errorf("drop of the newest: %v", err)
	}
	if _, err := secret.DropKey(path, "00000000"); !fault.Is(err, fault.NotFound) {
		t.Errorf("drop of an unknown one: %v", err)
	}
	if _, err := secret.DropKey(path, ids[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := loadBox(t, path).Open("r", sealed); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("after DropKey: %v", err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKeyFileWarnsWhenExposed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("file modes say nothing on Windows")
	}
	path := filepath.Join(t.TempDir(), "key")
	if f, err := secret.CreateKeyFile(path); err != nil || f.Warning != "" {
		t.Fatalf("%+v, %v", f, err)
	}
	for mode, warned := range map[fs.FileMode]bool{0o400: false, 0o600: false, 0o640: false, 0o644: true, 0o602: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if mode == 0o400 && os.Geteuid() != 0 {
			continue // AddKey below needs no write permission, but keep the modes simple
		}
		f, err := secret.LoadKeyFile(path)
		if err != nil || (f.Warning != "") != warned {
			t.Errorf("mode %04o: %+v, %v", mode, f, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := secret.AddKey(path)
	if err != nil || f.Warning != "" {
		t.Errorf("%+v, %v", f, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("AddKey left mode %v", info.Mode())
	}
}

func TestAddKeyFollowsLinks(t *testing.T) {
	folder := t.TempDir()
	target, link := filepath.Join(folder, "real"), filepath.Join(folder, "key")
	if _, err := secret.CreateKeyFile(target); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if _, err := secret.AddKey(link); err != nil {
		t.Fatal(err)
	}
	if got := len(loadBox(t, target).KeyIDs()); got != 2 {
		t.Errorf("the target has %d keys", got)
	}
	if info, _ := os.Lstat(link); info.Mode()&fs.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
}

func TestAddKeyAtOnceLosesNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := secret.CreateKeyFile(path); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	added := make(chan string, 16)
	for range 16 {
		group.Go(func() {
			f, err := secret.AddKey(path)
			if fault.Is(err, fault.Conflict) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			box, err := f.Box()
			if err != nil {
				t.Error(err)
				return
			}
			added <- box.KeyIDs()[0]
		})
	}
	group.Wait()
	close(added)
	have := strings.Join(loadBox(t, path).KeyIDs(), " ")
	count := 1
	for id := range added {
		count++
		if !strings.Contains(have, id) {
			t.Errorf("key %s was reported as added and is not in the file", id)
		}
	}
	if got := len(strings.Fields(have)); got != count {
		t.Errorf("%d keys in the file, want %d", got, count)
	}
}

func TestAddKeyAfterInterruption(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := secret.CreateKeyFile(path); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	if err := os.WriteFile(path+".new", before[:20], 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := secret.AddKey(path)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Message(err), path+".new") {
		t.Errorf("got %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the key file changed")
	}
}

func TestKeyFileRefused(t *testing.T) {
	const key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	good := `{"format":"parley-keys/1","keys":[{"id":"0a1b2c3d","created":"2026-11-20T00:00:00Z","key":"` + key + `"}]}`
	tests := map[string]struct{ text, want string }{
		"empty":        {"", "is empty"},
		"blank":        {"\n\n", "is empty"},
		"cut":          {good[:60], "cut off or not JSON"},
		"not json":     {key, "cut off or not JSON"},
		"twice":        {good + good, "something after its end"},
		"format":       {strings.Replace(good, "/1", "/9", 1), `format "parley-keys/1"`},
		"other json":   {`{"type":"service_account"}`, `format "parley-keys/1"`},
		"no key":       {`{"format":"parley-keys/1","keys":[]}`, "holds no key"},
		"short key":    {strings.Replace(good, key, "AAEC", 1), "key number 1 is not 32 bytes"},
		"not base64":   {strings.Replace(good, "AAEC", "A!EC", 1), "key number 1 is not 32 bytes"},
		"zero key":     {strings.Replace(good, key, strings.Repeat("A", 43)+"=", 1), "all zeros"},
		"bad id":       {strings.Replace(good, "0a1b2c3d", "0A1B2C3D", 1), "key number 1 has no id"},
		"long id":      {strings.Replace(good, "0a1b2c3d", "0a1b2c3d4e", 1), "key number 1 has no id"},
		"same id":      {strings.Replace(good, `]}`, `,{"id":"0a1b2c3d","key":"`+key+`"}]}`, 1), "key number 2 has the id of an earlier one"},
		"wrong type":   {strings.Replace(good, `"`+key+`"`, "7", 1), "cut off or not JSON"},
		"huge":         {good + strings.Repeat(" ", 1<<20), "larger than"},
		"control test": {good, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := secret.LoadKeyFile(path)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), tt.want) {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error(), key[:8]) {
				t.Errorf("the error repeats the key: %v", err)
			}
		})
	}
	if _, err := secret.LoadKeyFile(t.TempDir()); !fault.Is(err, fault.Invalid) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := secret.CreateKeyFile(filepath.Join(t.TempDir(), "no", "key")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("no folder: %v", err)
	}
}

// A kill while the file is made must leave either no file of its name or the
// whole one: nothing is ever written under the name itself.
func TestCreateKeyFileIsWholeOrNothing(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "key")
	seen := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		for {
			if text, err := os.ReadFile(path); err == nil {
				if _, err := secret.LoadKeyFile(path); err != nil || len(text) == 0 {
					seen <- fmt.Errorf("%d bytes: %w", len(text), err)
					return
				}
			}
			select {
			case <-stop:
				seen <- nil
				return
			default:
			}
		}
	}()
	for range 50 {
		if _, err := secret.CreateKeyFile(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-seen; err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a reader saw half a file: %v", err)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
