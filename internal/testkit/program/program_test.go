package program

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// asParley makes this test binary the program under test.
const asParley = "TESTKIT_FAKE_PARLEY"

func TestMain(m *testing.M) {
	if os.Getenv(asParley) != "" && len(os.Args) > 1 {
		os.Exit(fake(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func fakeBinary(t *testing.T) *Binary {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(binaryVariable, self)
	t.Setenv(asParley, "1")
	return new(Binary)
}

func TestServerLivesThroughKillAndStop(t *testing.T) {
	server := fakeBinary(t).Serve(t, Options{})
	if !strings.HasPrefix(server.URL, "http://127.0.0.1:") || !strings.HasSuffix(server.URL, server.Addr) {
		t.Errorf("URL = %s, Addr = %s", server.URL, server.Addr)
	}
	first := server.PID()
	server.Kill()
	if server.Running() || server.ExitCode() != -1 {
		t.Errorf("Running = %v, ExitCode = %d after Kill, want an end by signal", server.Running(), server.ExitCode())
	}
	if _, err := http.Get(server.URL + "/readyz"); err == nil {
		t.Error("a killed server answers")
	}
	server.Start()
	if server.PID() == first {
		t.Error("same process after Kill and Start")
	}
	server.Restart()
	server.Stop()
	if server.ExitCode() != 0 {
		t.Errorf("ExitCode = %d after Stop, want 0", server.ExitCode())
	}
	starts, err := os.ReadFile(filepath.Join(server.Data, "starts"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(starts), "start"); got != 3 {
		t.Errorf("%d starts in the data folder, want 3", got)
	}
	logs := server.Logs()
	if strings.Count(logs, "listening on "+server.Addr) != 3 || strings.Count(logs, "stopping") != 2 {
		t.Errorf("logs = %q, want three starts and two stops", logs)
	}
}

func TestFailuresAreTold(t *testing.T) {
	for _, test := range []struct {
		name, mode string
		run        func(*Server)
		want       string
	}{
		{"ends before ready", "refuse", func(*Server) {}, "ended before it was ready: exit status 3"},
		{"bad end", "bad end", (*Server).Stop, "stopped with exit status 5"},
		{"start twice", "", (*Server).Start, "running already"},
	} {
		t.Run(test.name, func(t *testing.T) {
			binary := fakeBinary(t)
			rec := &recorder{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				test.run(binary.Serve(rec, Options{Args: []string{"--mode", test.mode}}))
			}()
			<-done
			if !strings.Contains(rec.said, test.want) {
				t.Errorf("said %q, want %q in it", rec.said, test.want)
			}
		})
	}
}

func TestFailedTestShowsTheLog(t *testing.T) {
	binary := fakeBinary(t)
	rec := &recorder{TB: t, collect: true}
	done := make(chan struct{})
	go func() {
		defer close(done)
		binary.Serve(rec, Options{Args: []string{"--mode", "refuse"}})
	}()
	<-done
	for _, cleanup := range rec.cleanups {
		cleanup()
	}
	if want := "the key file does not fit the data"; !strings.Contains(rec.logged, want) {
		t.Errorf("logged %q, want %q in it", rec.logged, want)
	}
}

func TestRunSeparatesOutput(t *testing.T) {
	t.Setenv("PARLEY_LISTEN", "0.0.0.0:1") // of the developer's shell
	got := fakeBinary(t).Run(t, []string{"PARLEY_FAKE_WORD=hello"}, "version")
	want := Result{Stdout: "parley fake hello \n", Stderr: "a warning\n", Code: 4}
	if got != want {
		t.Errorf("Run = %+v, want %+v", got, want)
	}
}

func TestBinaryVariableIsChecked(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/nonexistent/parley": "make build",
		"program_test.go":     "absolute path",
		plain:                 "not a program",
	} {
		if err := executable(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("executable(%q) = %v, want %q in it", path, err, want)
		}
	}
}

func TestBuild(t *testing.T) {
	out := filepath.Join(t.TempDir(), "hello")
	if err := build("./testdata/hello", out); err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command(out).Output()
	if err != nil || string(text) != "version test\n" {
		t.Errorf("the built program said %q, %v", text, err)
	}
	if err := build("./testdata/none", out); err == nil || !strings.Contains(err.Error(), "testdata/none") {
		t.Errorf("build of a missing package = %v, want go's words", err)
	}
}

// recorder stands in for a test so that its failure can be looked at. With
// collect it keeps the cleanups instead of handing them on.
type recorder struct {
	testing.TB
	collect  bool
	cleanups []func()
	said     string
	logged   string
}

func (r *recorder) Helper()      {}
func (r *recorder) Failed() bool { return r.said != "" && r.collect }

func (r *recorder) Fatal(args ...any) {
	r.said = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Logf(format string, args ...any) { r.logged = fmt.Sprintf(format, args...) }

func (r *recorder) Cleanup(f func()) {
	if r.collect {
		r.cleanups = append(r.cleanups, f)
		return
	}
	r.TB.Cleanup(f)
}
