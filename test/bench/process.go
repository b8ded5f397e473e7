package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server under measurement.
type process struct {
	cmd  *exec.Cmd
	base string // "http://host:port"
	dir  string
}

func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	_ = p.cmd.Wait() // it was killed; its error says only that
	return os.RemoveAll(p.dir)
}

// command prepares a child that dies with this program.
func command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	return cmd
}

// startYardstick runs this program as a yardstick server.
func startYardstick(name string) (*process, error) {
	dir, err := os.MkdirTemp("", "parley-bench-")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := command(self, "yardstick", name, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("yardstick %s: %w", name, err)
	}
	return &process{cmd: cmd, base: "http://" + strings.TrimSpace(addr), dir: dir}, nil
}

// product is a running Parley with its demo app.
type product struct {
	process
	demo demoApp
	// ready is how long it took from the start of the process to a good
	// /readyz.
	ready time.Duration
}

type demoApp struct {
	BaseURL  string `json:"base_url"`
	ClientID string `json:"client_id"`
	Secret   string `json:"client_secret"`
	BotName  string `json:"bot_name"`
	BotID    string `json:"bot_id"`
}

// startProduct runs the binary on a data folder; dir empty means a new one.
// database empty means SQLite.
func startProduct(binary, dir, database string) (*product, error) {
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "parley-bench-"); err != nil {
			return nil, err
		}
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cmd := command(binary, "serve", "--listen", addr, "--data", dir)
	cmd.Env = append(os.Environ(), "PARLEY_LOG_LEVEL=warn")
	if database != "" {
		cmd.Env = append(cmd.Env, "PARLEY_DATABASE="+database)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &product{process: process{cmd: cmd, base: "http://" + addr, dir: dir}}
	if err := p.awaitReady(began); err != nil {
		return nil, fmt.Errorf("%w (then: %v)", err, p.stop())
	}
	text, err := os.ReadFile(filepath.Join(dir, "demo.json"))
	if err != nil {
		return nil, fmt.Errorf("%w (then: %v)", err, p.stop())
	}
	return p, json.Unmarshal(text, &p.demo)
}

func (p *product) awaitReady(began time.Time) error {
	for time.Since(began) < 30*time.Second {
		res, err := http.Get(p.base + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				p.ready = time.Since(began)
				return nil
			}
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%s was not ready within 30 s", p.base)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// memory returns the resident set of the process, in bytes.
func (p *process) memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no VmRSS for process %d", p.cmd.Process.Pid)
}
