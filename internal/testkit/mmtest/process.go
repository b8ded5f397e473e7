package mmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"parley/internal/testkit/child"
	"parley/internal/testkit/freeport"
	"parley/internal/testkit/pgtest"
	"parley/internal/testkit/wait"
)

const (
	startWithin = 3 * time.Minute
	pingWithin  = 10 * time.Second
	// termEach is how often the server is asked to end: a SIGTERM in the
	// moment before it is ready is swallowed (read in the source of 11.1).
	termEach      = time.Second
	termTries     = 30
	waitAfterKill = 10 * time.Second
	portTries     = 5
	// listening is what the server logs once it owns its port. A ping alone
	// could be answered by another server that was quicker to take it.
	listening = "Server is listening on "
	portTaken = "address already in use"
)

var errPortTaken = errors.New("its port is taken by another process")

// process is the server's program, its files and its database.
type process struct {
	program string // the folder made by Build
	dir     string
	log     string
	options options
	pg      *pgtest.Server
	port    int

	mu   sync.Mutex
	proc *child.Process // nil before the start and after the end
}

func (p *process) work() string       { return filepath.Join(p.dir, "work") }
func (p *process) configFile() string { return filepath.Join(p.work(), "config", "config.json") }
func (p *process) url() string        { return "http://127.0.0.1:" + strconv.Itoa(p.port) }

// layOut makes the working folder. The server looks for its folders here first,
// then in folders above; so client/ exists and is empty, for a client/ found
// above would be changed by it.
func (p *process) layOut() error {
	for _, name := range []string{"config", "client"} {
		if err := os.MkdirAll(filepath.Join(p.work(), name), 0o755); err != nil {
			return err
		}
	}
	for _, name := range beside {
		if err := os.Symlink(filepath.Join(p.program, name), filepath.Join(p.work(), name)); err != nil {
			return err
		}
	}
	return nil
}

// firstStart chooses the port. It was free when it was chosen; should another
// process be quicker to take it, the next one is tried.
func (p *process) firstStart() error {
	for try := 1; ; try++ {
		port, err := freeport.Pick()
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		p.port = port
		if err := p.writeConfig(); err != nil {
			return err
		}
		if err = p.StartServer(); !errors.Is(err, errPortTaken) || try == portTries {
			return err
		}
	}
}

func (p *process) writeConfig() error {
	merge(p.options.config, map[string]any{"ServiceSettings": map[string]any{"SiteURL": p.url()}})
	text, err := json.MarshalIndent(p.options.config, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(p.configFile(), text, 0o600)
}

// StartServer starts the server again after [Server.StopServer], [Server.Kill]
// or an end of its own, on the same port and database, and returns when it
// answers. Starting a running server does nothing.
func (p *process) StartServer() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc != nil && p.proc.Running() {
		return nil
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own copy
	before, err := log.Stat()
	if err != nil {
		return err
	}
	if p.proc, err = child.Start(p.command(log), syscall.SIGKILL); err != nil {
		return err
	}
	if err := p.answers(before.Size()); err != nil {
		_ = p.proc.Stop(os.Kill, waitAfterKill) // the reason is err
		p.proc = nil
		return err
	}
	return nil
}

// command gives by environment only what no test may change, for a setting
// given so cannot be changed by the API.
func (p *process) command(log *os.File) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.program, programName), "server", "--config", p.configFile())
	cmd.Dir = p.work()
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "MM_") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, p.options.env...)
	cmd.Env = append(cmd.Env,
		"MM_SQLSETTINGS_DATASOURCE="+p.pg.URL("postgres"),
		"MM_SERVICESETTINGS_LISTENADDRESS=127.0.0.1:"+strconv.Itoa(p.port))
	cmd.Stdout, cmd.Stderr = log, log
	return cmd
}

// answers waits until the server listens, by its own word, and answers a ping.
// logged is the length of the log before this start.
func (p *process) answers(logged int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	client := &http.Client{Timeout: pingWithin, Transport: &http.Transport{DisableKeepAlives: true}}
	err := wait.Poll(ctx, func() error {
		if !p.proc.Running() {
			cancel()
			return errors.New("it ended at once")
		}
		if said := p.saidSince(logged); !bytes.Contains(said, []byte(listening)) {
			return errors.New("it does not listen")
		}
		resp, err := client.Get(p.url() + "/api/v4/system/ping")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers a ping with %s", resp.Status)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	said := p.saidSince(logged)
	if bytes.Contains(said, []byte(portTaken)) {
		err = errPortTaken
	}
	return fmt.Errorf("the server does not start: %w\n%s", err, tail(said))
}

func (p *process) saidSince(logged int64) []byte {
	text, err := os.ReadFile(p.log)
	if err != nil || int64(len(text)) < logged {
		return nil
	}
	return text[logged:]
}

// StopServer asks the server to end (SIGTERM) and returns when it has; the
// database goes on. A server that has not ended after half a minute is killed,
// and that is an error. Stopping a server that does not run does nothing.
func (p *process) StopServer() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc == nil {
		return nil
	}
	proc := p.proc
	p.proc = nil
	tick := time.NewTicker(termEach)
	defer tick.Stop()
	for range termTries {
		if err := proc.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		// A test may have paused it.
		if err := proc.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		select {
		case <-proc.Done():
			return nil
		case <-tick.C:
		}
	}
	return errors.Join(fmt.Errorf("the server did not end within %v of SIGTERM and was killed", termTries*termEach),
		proc.Stop(os.Kill, waitAfterKill))
}

// Kill ends the server at once (SIGKILL), in the middle of whatever it does;
// the database goes on.
func (p *process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc == nil {
		return nil
	}
	proc := p.proc
	p.proc = nil
	return proc.Stop(os.Kill, waitAfterKill)
}

// Restart is [Server.StopServer] and [Server.StartServer]: people, posts and
// tokens survive, connections and what the server keeps in memory do not.
func (p *process) Restart() error {
	if err := p.StopServer(); err != nil {
		return err
	}
	return p.StartServer()
}

// Signal sends a signal to the server and does not wait: SIGSTOP and SIGCONT
// make a pause in which it takes connections and does not answer.
func (p *process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc == nil {
		return errors.New("the server does not run")
	}
	return p.proc.Signal(sig)
}
