package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"parley/internal/fault"
)

const (
	keyFormat   = "parley-keys/1"
	maxKeyFile  = 64 << 10 // bytes; a key takes about 140
	keyFileMode = 0o600
)

// KeyFile is what a key file holds, and what doctor wants to know about it.
// On disk it is JSON: a format name, and keys (id, creation time, 32 bytes in
// base64), the newest first. The newest seals and signs; the others only open
// and check.
type KeyFile struct {
	// Path is the file as it was named to us.
	Path string
	// Warning is for the operator and empty when all is well: anyone on this
	// machine may read the keys. It is a warning and no refusal, because
	// orchestrators mount secret files that way.
	Warning string

	keys    []Key
	created []time.Time
}

// Box gives a box with the keys of the file.
func (f *KeyFile) Box() (*Box, error) { return NewBox(f.keys...) }

// storedKeys is the JSON of a key file.
type storedKeys struct {
	Format string      `json:"format"`
	Keys   []storedKey `json:"keys"`
}

type storedKey struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Key     string    `json:"key"`
}

// LoadKeyFile reads a key file. The fault is NotFound when there is none and
// Invalid when it is not one; neither repeats anything from inside the file.
func LoadKeyFile(path string) (*KeyFile, error) {
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Wrap(err, fault.NotFound, "there is no key file %s; restore it from the backup of this data folder", path)
	case err != nil:
		return nil, fault.Wrap(err, fault.Unavailable, "the key file %s cannot be read; give this user the right to read it", path)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the key file %s cannot be read", path)
	}
	if info.IsDir() {
		return nil, keyFileFault(path, "is a folder")
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the key file %s cannot be read", path)
	}
	parsed, problem := parseKeyFile(text)
	if problem != "" {
		return nil, keyFileFault(path, problem)
	}
	parsed.Path = path
	// Windows reports 0666 for every file.
	if mode := info.Mode().Perm(); mode&0o007 != 0 && runtime.GOOS != "windows" {
		parsed.Warning = fmt.Sprintf("every user of this machine may open the key file %s (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	return parsed, nil
}

func keyFileFault(path, problem string) error {
	return fault.New(fault.Invalid, "the key file %s %s; restore it from the backup of this data folder", path, problem)
}

// parseKeyFile reads the content of a key file. The problem completes the
// sentence "the key file ..." and never quotes the content.
func parseKeyFile(text []byte) (parsed *KeyFile, problem string) {
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return nil, "is empty (was the first start interrupted? if nothing was ever stored, delete it and start again)"
	case len(text) > maxKeyFile:
		return nil, fmt.Sprintf("is larger than %d bytes", maxKeyFile)
	}
	var stored storedKeys
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&stored); err != nil {
		return nil, "is cut off or not JSON"
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, "has something after its end"
	}
	if stored.Format != keyFormat {
		return nil, fmt.Sprintf("does not have the format %q", keyFormat)
	}
	if len(stored.Keys) == 0 {
		return nil, "holds no key"
	}
	parsed = &KeyFile{}
	seen := make(map[keyID]bool)
	for i, s := range stored.Keys {
		key, problem := s.key()
		if problem == "" && seen[key.id] {
			problem = "has the id of an earlier one"
		}
		if problem != "" {
			return nil, fmt.Sprintf("is damaged: key number %d %s", i+1, problem)
		}
		seen[key.id] = true
		parsed.keys = append(parsed.keys, key)
		parsed.created = append(parsed.created, s.Created)
	}
	return parsed, ""
}

func (s storedKey) key() (key Key, problem string) {
	id, err := hex.DecodeString(s.ID)
	if err != nil || len(id) != idSize || hex.EncodeToString(id) != s.ID {
		return Key{}, fmt.Sprintf("has no id of %d lower-case hex digits", 2*idSize)
	}
	master, err := base64.StdEncoding.Strict().DecodeString(s.Key)
	if err != nil || len(master) != keySize {
		return Key{}, fmt.Sprintf("is not %d bytes in base64", keySize)
	}
	if bytes.Equal(master, make([]byte, keySize)) {
		return Key{}, "is all zeros"
	}
	return Key{id: keyID(id), master: (*[keySize]byte)(master)}, ""
}

func (f *KeyFile) encode() ([]byte, error) {
	stored := storedKeys{Format: keyFormat}
	for i, k := range f.keys {
		stored.Keys = append(stored.Keys, storedKey{
			ID: k.ID(), Created: f.created[i], Key: base64.StdEncoding.EncodeToString(k.master[:]),
		})
	}
	text, err := json.MarshalIndent(stored, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// CreateKeyFile makes a key file with one new key, readable by its owner only,
// on disk when it returns. A file that is already there is left alone (fault
// kind Conflict).
func CreateKeyFile(path string) (*KeyFile, error) {
	f := &KeyFile{Path: path}
	f.prepend(NewKey())
	err := f.writeNew(path)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, fault.Wrap(err, fault.Conflict, "there is a key file %s already; it is left as it is", path)
	case err != nil:
		return nil, fault.Wrap(err, fault.Unavailable, "the key file %s cannot be written", path)
	}
	return f, nil
}

func (f *KeyFile) prepend(k Key) {
	f.keys = append([]Key{k}, f.keys...)
	f.created = append([]time.Time{time.Now().UTC().Truncate(time.Second)}, f.created...)
}

// AddKey puts a new key in front of the file, which makes it the one that
// seals and signs. A kill in the middle leaves the old file or the new one.
func AddKey(path string) (*KeyFile, error) {
	return changeKeyFile(path, func(f *KeyFile) error {
		f.prepend(NewKey())
		return nil
	})
}

// DropKey removes the key called id, after which what it sealed can never be
// opened and what it signed is forged. The newest key cannot be dropped
// (Conflict); an id that is not there is NotFound.
func DropKey(path, id string) (*KeyFile, error) {
	return changeKeyFile(path, func(f *KeyFile) error {
		for i, k := range f.keys {
			if k.ID() != id {
				continue
			}
			if i == 0 {
				return fault.New(fault.Conflict, "key %s is the newest and in use; add a new one first", id)
			}
			f.keys = append(f.keys[:i], f.keys[i+1:]...)
			f.created = append(f.created[:i], f.created[i+1:]...)
			return nil
		}
		return fault.New(fault.NotFound, "the key file %s holds no key %s", path, id)
	})
}

// changeKeyFile writes the changed file beside the old one and renames it. The
// fixed name of the new file doubles as a lock: two changes at once would lose
// one of the keys.
func changeKeyFile(path string, change func(*KeyFile) error) (*KeyFile, error) {
	// A link keeps pointing where it points.
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		target = path // LoadKeyFile says what is wrong with it
	}
	next := target + ".new"
	lock, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, keyFileMode)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, fault.Wrap(err, fault.Conflict,
			"the key file %s is being changed; if a change was interrupted, delete %s and try again", path, next)
	case err != nil:
		return nil, fault.Wrap(err, fault.Unavailable, "the key file %s cannot be changed: its folder cannot be written", path)
	}
	f, err := changeLocked(lock, path, target, change)
	if err != nil {
		var refused *fault.Error
		if errors.As(err, &refused) {
			return nil, err
		}
		return nil, fault.Wrap(err, fault.Unavailable, "the key file %s cannot be changed", path)
	}
	return f, nil
}

func changeLocked(next *os.File, path, target string, change func(*KeyFile) error) (*KeyFile, error) {
	f, err := LoadKeyFile(path)
	if err == nil {
		err = change(f)
	}
	if err == nil {
		err = keepOwner(next, target)
	}
	if err != nil {
		return nil, errors.Join(err, next.Close(), os.Remove(next.Name()))
	}
	err = f.writeTo(next)
	if err == nil {
		err = os.Rename(next.Name(), target)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(next.Name()))
	}
	// From here on a file of that name is somebody else's lock.
	f.Warning = "" // the new file has mode 0600
	return f, syncFolder(filepath.Dir(target))
}

// writeNew makes the file as a whole or not at all, and never in place of
// another: it is written beside its place and linked to it. A kill in the middle
// leaves nothing of that name.
func (f *KeyFile) writeNew(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, "."+filepath.Base(path)+"-") // mode 0600
	if err != nil {
		return err
	}
	err = f.writeTo(file)
	if err == nil {
		err = os.Link(file.Name(), path)
	}
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		// A file system without links: the check above has to do.
		err = os.Rename(file.Name(), path)
	} else {
		err = errors.Join(err, os.Remove(file.Name()))
	}
	if err != nil {
		return err
	}
	return syncFolder(folder)
}

// writeTo writes, syncs and closes.
func (f *KeyFile) writeTo(file *os.File) error {
	text, err := f.encode()
	if err == nil {
		_, err = file.Write(text)
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// syncFolder makes a new or renamed file survive a power cut.
func syncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
