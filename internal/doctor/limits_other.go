//go:build !linux && !darwin

package doctor

func openFiles() Finding {
	return Finding{Name: "open_files", Level: OK, Text: "this system has no limit of open files to check"}
}
