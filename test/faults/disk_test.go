package faults

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/testkit/crowd"
	"parley/internal/testkit/program"
	"parley/internal/testkit/wait"
)

// smallDisk mounts a disk of some size, in MB. Only root can; the test is
// skipped where mounting is impossible.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", size)); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skipf("a small disk cannot be mounted here: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func resize(t *testing.T, dir string, size int) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%dm", size)); err != nil {
		t.Fatal(err)
	}
}

// fill leaves about spare bytes on a disk.
func fill(t *testing.T, dir string, spare int64) {
	t.Helper()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// A server at work may take some of the room before we do.
	if _, err := f.Write(make([]byte, max(0, int64(disk.Bavail)*disk.Bsize-spare))); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// TestDiskFull lets the disk run full under load: nothing is acknowledged that
// has no room, the people and the log are told, and with room all goes on.
func TestDiskFull(t *testing.T) {
	disk := smallDisk(t, 32)
	data := filepath.Join(disk, "data")
	env := quiet()
	server := serve(t, program.Options{Data: data, Env: env})
	app := demo(t, server)
	people := crowd.Gather(t, crowd.Options{App: app, People: 10, Window: 1, Patience: time.Second})
	people.Talk()
	people.WaitAcked(100, patience)
	fill(t, disk, 512<<10)
	// Until then commits still find room, in what the log has already.
	wait.Succeed(t, patience, func() error {
		from := time.Now()
		before := people.Acked()
		if status, _ := crowd.Get(t.Context(), server.URL+"/readyz"); status == http.StatusOK {
			return fmt.Errorf("/readyz says that all is well, %d messages are acknowledged", before)
		}
		for time.Since(from) < 3*time.Second { // people try each second
			if people.Acked() != before {
				return errors.New("messages are still acknowledged")
			}
			time.Sleep(10 * time.Millisecond)
		}
		return nil
	}, "the disk to be full")
	full := time.Now()
	time.Sleep(either(time.Second, 10*time.Second)) // the fault's length
	roomy := time.Now()
	if n := people.AckedBetween(full, roomy); n > 0 {
		t.Errorf("%d messages were acknowledged on a full disk", n)
	}
	if status, _ := crowd.Get(t.Context(), server.URL+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d", status)
	}
	if log := server.Logs(); !strings.Contains(log, "full") && !strings.Contains(log, "no space") {
		t.Error("the log does not say that the disk is full")
	}
	told := 0
	for _, p := range people.People {
		told += len(p.Notices())
	}
	if told == 0 {
		t.Error("nobody was told that messages are not stored")
	}
	onlyHonest(t, people)

	resize(t, disk, 256)
	people.WaitAcked(100, patience)
	people.Settle(patience)
	crowd.Audit(t, people, adminOf(server, env))
	keepsSecrets(t, server, people)
	if !server.Running() {
		t.Error("the server did not live through it")
	}
	server.Restart()
	if err := people.Missing(); err != nil {
		t.Error(err)
	}
}

// TestKilledOnFullDisk kills a server whose disk is full. It says so when it is
// started, and has lost nothing once there is room.
func TestKilledOnFullDisk(t *testing.T) {
	disk := smallDisk(t, 32)
	data := filepath.Join(disk, "data")
	env := quiet()
	server := serve(t, program.Options{Data: data, Env: env})
	app := demo(t, server)
	people := crowd.Gather(t, crowd.Options{App: app, People: 5, Window: 1, Patience: time.Second})
	people.Talk()
	people.WaitAcked(100, patience)
	fill(t, disk, 64<<10)
	wait.Succeed(t, patience, func() error {
		if status, _ := crowd.Get(t.Context(), server.URL+"/readyz"); status == http.StatusOK {
			return errors.New("/readyz says that all is well")
		}
		return nil
	}, "the disk to be full")
	people.Hush()
	server.Kill()
	fillRest(t, disk)
	refusedOrRoomy(t, server)
	resize(t, disk, 256)
	server.Start()
	people.Settle(patience)
	crowd.Audit(t, people, adminOf(server, env))
}

// refusedOrRoomy starts a server on a full disk. Where all pages of its log have
// a place in the database it makes room by moving them; otherwise it has to say
// what is wrong and end.
func refusedOrRoomy(t *testing.T, server *program.Server) {
	t.Helper()
	before := len(server.Logs())
	server.Launch()
	wait.Succeed(t, patience, func() error {
		if !server.Running() {
			return nil
		}
		if status, body := crowd.Get(t.Context(), server.URL+"/readyz"); status != http.StatusOK {
			return fmt.Errorf("it runs and is not ready: %d %s", status, body)
		}
		return nil
	}, "the server to start or to refuse")
	if server.Running() {
		t.Log("it made room")
		server.Kill()
		return
	}
	isRefusal(t, server.ExitCode(), server.Logs()[before:], server.Data)
}

// fillRest leaves nothing.
func fillRest(t *testing.T, dir string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "filler"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFirstStartOnFullDisk refuses a disk without room for the first data.
func TestFirstStartOnFullDisk(t *testing.T) {
	disk := smallDisk(t, 1)
	fill(t, disk, 0)
	data := filepath.Join(disk, "data")
	refused(t, quiet(), data, data)
	remove(t, filepath.Join(disk, "filler"))
	resize(t, disk, 64)
	server := serve(t, program.Options{Data: data, Env: quiet()})
	s, _ := login(t, demo(t, server).Client("first", nil))
	exchange(t, s, 1, "Hi")
}

// TestReadOnlyFolder refuses a folder it cannot write, new or used.
func TestReadOnlyFolder(t *testing.T) {
	server := used(t, quiet())
	protect := func(dir string) (undo func()) {
		if os.Getuid() != 0 {
			if err := os.Chmod(dir, 0o500); err != nil {
				t.Fatal(err)
			}
			return func() { _ = os.Chmod(dir, 0o700) }
		}
		// Modes do not stop root; a read-only mount does.
		if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := syscall.Unmount(dir, 0); err != nil {
				t.Errorf("unmount: %v", err)
			}
		}
	}
	undo := protect(server.Data)
	refused(t, quiet(), server.Data, server.Data, "cannot be written", "--data")
	undo()
	worksAgain(t, server, quiet())

	empty := t.TempDir()
	undo = protect(empty)
	refused(t, quiet(), empty, empty, "cannot be written", "--data")
	refused(t, quiet(), filepath.Join(empty, "below"), filepath.Join(empty, "below"), "--data")
	undo()

	file := filepath.Join(t.TempDir(), "file")
	write(t, file, []byte("not a folder"))
	refused(t, quiet(), file, file)
}
