//go:build linux || darwin

package doctor

import (
	"fmt"
	"syscall"
)

// fewFiles is the limit of open files below which a busy widget runs into it:
// each open connection is one.
const fewFiles = 4096

func openFiles() Finding {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return Finding{Name: "open_files", Level: OK, Text: "the limit of open files cannot be told here"}
	}
	f := Finding{Name: "open_files", Level: OK, Text: fmt.Sprintf("up to %d connections and files at once", uint64(limit.Cur))}
	if uint64(limit.Cur) < fewFiles {
		f.Level = Warn
		f.Text = fmt.Sprintf("only %d connections and files at once", uint64(limit.Cur))
		f.Mend = fmt.Sprintf("raise the limit: ulimit -n %d, or LimitNOFILE= in the systemd unit", fewFiles*16)
	}
	return f
}
