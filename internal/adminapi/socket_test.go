package adminapi_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"parley/internal/adminapi"
	"parley/internal/fault"
)

func listen(t *testing.T, dir string) net.Listener {
	t.Helper()
	l, err := adminapi.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestSocketIsPrivate(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	l := listen(t, dir)
	info, err := os.Lstat(filepath.Join(dir, adminapi.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || info.Mode().Type() != fs.ModeSocket {
		t.Errorf("mode %v, want a socket with 0600", info.Mode())
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v; want the socket alone", entries, err)
	}
	reach(t, l, dir)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := adminapi.Dial(dir); !adminapi.NoServer(err) {
		t.Errorf("after close: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, adminapi.SocketName)); !os.IsNotExist(err) {
		t.Errorf("the file stayed: %v", err)
	}
}

// reach proves that a client gets through to the listener.
func reach(t *testing.T, l net.Listener, dir string) {
	t.Helper()
	accepted := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = conn.Close()
		}
		accepted <- err
	}()
	conn, err := adminapi.Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
}

func TestLivingSocketIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	listen(t, dir)
	if _, err := adminapi.Listen(dir); !fault.Is(err, fault.Conflict) {
		t.Errorf("error %v, want a conflict", err)
	}
}

// A killed server leaves its file behind.
func TestDeadSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, adminapi.SocketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := adminapi.Dial(dir); !adminapi.NoServer(err) {
		t.Fatalf("a dead socket: %v", err)
	}
	reach(t, listen(t, dir), dir)
}

// A server that ends late must not take the socket of the next one away.
func TestCloseLeavesAnothersSocket(t *testing.T) {
	dir := t.TempDir()
	first := listen(t, dir)
	if err := os.Remove(filepath.Join(dir, adminapi.SocketName)); err != nil {
		t.Fatal(err)
	}
	second := listen(t, dir)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	reach(t, second, dir)
}

func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30)+"data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := adminapi.Listen(dir)
	if runtime.GOOS != "linux" {
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), "shorter --data") {
			t.Errorf("error %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reach(t, l, dir)
}

func TestNoFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if _, err := adminapi.Listen(dir); err == nil {
		t.Error("listened in a folder that does not exist")
	}
	if _, err := adminapi.Dial(dir); !adminapi.NoServer(err) {
		t.Errorf("dial: %v", err)
	}
}
