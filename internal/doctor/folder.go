package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"parley/internal/alert"
	"parley/internal/config"
)

// dataFolder checks who can get at the data.
func dataFolder(s config.Settings) []Finding {
	info, err := os.Stat(s.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{{Name: "data", Level: Warn, Text: "the data folder " + s.Data + " does not exist yet",
			Mend: "start the server once (parley serve), or name the right folder with --data"}}
	case err != nil:
		return []Finding{{Name: "data", Level: Fail, Text: "the data folder " + s.Data + " cannot be read: " + reason(err),
			Mend: "run as the user the server runs as, or mend the permissions"}}
	case !info.IsDir():
		return []Finding{{Name: "data", Level: Fail, Text: s.Data + " is not a folder", Mend: "name a folder with --data"}}
	case info.Mode().Perm()&0o077 != 0:
		return []Finding{{Name: "data", Level: Warn,
			Text: fmt.Sprintf("other users of this machine can enter the data folder %s (mode %04o)", s.Data, info.Mode().Perm()),
			Mend: "chmod 700 " + s.Data}}
	}
	return []Finding{{Name: "data", Level: OK, Text: "the data folder " + s.Data + " is private"}}
}

// keyFile checks the file without which no secret opens.
func keyFile(s config.Settings) Finding {
	f := Finding{Name: "key", Level: OK, Text: "the key file is private"}
	info, err := os.Stat(s.KeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, dataErr := os.Stat(s.Data); errors.Is(dataErr, fs.ErrNotExist) {
			f.Text = "there is no key file yet; the first start makes one"
			return f
		}
		f.Level, f.Text = Fail, "the key file "+s.KeyFile+" is missing: sealed secrets cannot be opened"
		f.Mend = "bring it back from a backup, or name it with --key-file"
	case err != nil:
		f.Level, f.Text = Fail, "the key file "+s.KeyFile+" cannot be read: "+reason(err)
		f.Mend = "run as the user the server runs as, or mend the permissions"
	case info.Mode().Perm()&0o077 != 0:
		f.Level = Fail
		f.Text = fmt.Sprintf("other users of this machine can read the key file %s (mode %04o)", s.KeyFile, info.Mode().Perm())
		f.Mend = "chmod 600 " + s.KeyFile
	}
	return f
}

// Free space in the data folder below which writing is about to fail.
const (
	scarce = 1 << 30
	dire   = 100 << 20
)

func diskSpace(s config.Settings) Finding {
	f := Finding{Name: "disk", Level: OK}
	free, ok := freeBytes(s.Data)
	if !ok {
		f.Text = "free space cannot be told here"
		return f
	}
	f.Text = sizeText(free) + " free in the data folder"
	f.Mend = "make room, or move the data folder to a larger disk"
	switch {
	case free < dire:
		f.Level = Fail
	case free < scarce:
		f.Level = Warn
	default:
		f.Mend = ""
	}
	return f
}

// freeBytes is the space an ordinary user may still fill at a path, or at the
// nearest folder above it that exists.
func freeBytes(path string) (uint64, bool) {
	path, err := filepath.Abs(path)
	if err != nil {
		return 0, false
	}
	for {
		if space, err := alert.FreeSpace(path); err == nil {
			return space.Free, true
		}
		up := filepath.Dir(path)
		if up == path {
			return 0, false
		}
		path = up
	}
}

// reason is an error without the path, which the text names already.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

func sizeText(bytes uint64) string {
	const unit = 1024
	if bytes < unit*unit {
		return fmt.Sprintf("%d KiB", bytes/unit)
	}
	value, names := float64(bytes)/(unit*unit), []string{"MiB", "GiB", "TiB"}
	i := 0
	for value >= unit && i < len(names)-1 {
		value, i = value/unit, i+1
	}
	return fmt.Sprintf("%.1f %s", value, names[i])
}
