package adminapi

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"parley/internal/fault"
)

// SocketName is the socket's file in the data folder.
const SocketName = "parley.sock"

// socketLimit is the shortest path length any of our systems allows a socket,
// in bytes (104 on BSD and macOS, 108 on Linux), less the closing zero.
const socketLimit = 103

// Listen opens the admin socket in a data folder. Its mode is 0600 from the
// first moment: the file is made in a folder of its own that nobody else can
// enter, and moved. A socket left over by a killed server is replaced; one that
// a living server answers on is a fault.Conflict. Closing the listener removes
// the file.
func Listen(dir string) (net.Listener, error) {
	final := filepath.Join(dir, SocketName)
	if conn, err := Dial(dir); err == nil {
		_ = conn.Close()
		return nil, fault.New(fault.Conflict, "another parley server already uses the folder %s", dir)
	}
	private, err := os.MkdirTemp(dir, ".s")
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	defer os.RemoveAll(private)
	short, release, err := shortPath(private, "s")
	if err != nil {
		return nil, err
	}
	defer release()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	// The file moves; we remove it ourselves.
	l.SetUnlinkOnClose(false)
	made := filepath.Join(private, "s")
	err = os.Chmod(made, 0o600)
	if err == nil {
		err = os.Rename(made, final)
	}
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	info, err := os.Lstat(final)
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return &socket{Listener: l, path: final, made: info}, nil
}

// Dial connects to the admin socket of a data folder. [NoServer] tells whether
// its error means that no server is running.
func Dial(dir string) (net.Conn, error) {
	short, release, err := shortPath(dir, SocketName)
	if err != nil {
		return nil, err
	}
	defer release()
	const patience = 5 * time.Second
	return net.DialTimeout("unix", short, patience)
}

// NoServer reports whether an error of [Dial] means that nobody listens.
func NoServer(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

type socket struct {
	net.Listener
	path string
	made os.FileInfo
}

// Close stops listening and removes the file, unless it is another's by now.
func (s *socket) Close() error {
	err := s.Listener.Close()
	if info, statErr := os.Lstat(s.path); statErr == nil && os.SameFile(info, s.made) {
		err = errors.Join(err, os.Remove(s.path))
	}
	return err
}

// shortPath gives a path to a file in dir that is short enough for a socket.
// On Linux a deep folder is reached through an open descriptor of it; release
// closes that and must be called when the path has been used.
func shortPath(dir, name string) (path string, release func(), err error) {
	path = filepath.Join(dir, name)
	if len(path) <= socketLimit {
		return path, func() {}, nil
	}
	if runtime.GOOS != "linux" {
		return "", nil, fault.New(fault.Invalid,
			"the data folder's path is too long for a socket: %s has %d bytes, %d are allowed; use a shorter --data", path, len(path), socketLimit)
	}
	f, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), name), func() { _ = f.Close() }, nil
}
