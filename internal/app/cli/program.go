package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/alecthomas/kong"

	"parley/internal/catalog"
	"parley/internal/config"
	"parley/internal/fault"
)

// Exit codes, documented in docs/cli.md. Scripts rely on them.
const (
	ExitOK = 0
	// ExitFailed is a failure that is nobody's input.
	ExitFailed = 1
	// ExitInvalid is a wrong command line or a file with mistakes.
	ExitInvalid = 2
	// ExitNotFound is a name or id that does not exist.
	ExitNotFound = 3
	// ExitUnreachable is a server or a database that cannot be reached; the
	// same command may work later.
	ExitUnreachable = 4
)

// Backend is what the command line needs of the rest of the program.
type Backend interface {
	// Serve runs the server until the context ends.
	Serve(ctx context.Context, s config.Settings) error
	// Open opens the data without a server and returns the handlers of the
	// admin API. It fails with fault.NotFound when the folder holds no data,
	// and with fault.Unavailable when another process holds it.
	Open(ctx context.Context, s config.Settings) (handler http.Handler, closer func() error, err error)
	// Restore makes a data folder from a backup. The folder must hold no data.
	Restore(ctx context.Context, s config.Settings, backup string) error
	// Version is what the linker was told, or "dev".
	Version() string
}

// Program is the command line as a value.
type Program struct {
	Backend Backend
	Stdout  io.Writer
	Stderr  io.Writer
	// Stdin is where KEY=- reads from; nil means that of this process.
	Stdin io.Reader
	// Host is where catalogs are read.
	Host catalog.Environment
	// Terminal is where questions are asked; nil means the one this process
	// has, if any.
	Terminal Terminal
	// Environ is the environment of the process, as os.Environ gives it.
	Environ []string
}

// grammar is everything that can be asked.
type grammar struct {
	Data     string `placeholder:"DIR" help:"Data folder (PARLEY_DATA; default ./parley-data)."`
	Config   string `placeholder:"FILE" help:"File with process settings, such as server.yaml (PARLEY_CONFIG)."`
	Database string `placeholder:"URL" help:"PostgreSQL address (PARLEY_DATABASE; default SQLite in the data folder)."`
	KeyFile  string `placeholder:"FILE" help:"File with the keys that seal secrets (PARLEY_KEY_FILE; default the file key in the data folder)."`
	URL      string `name:"url" placeholder:"URL" help:"A server elsewhere, such as https://chat.example.com, instead of a data folder (PARLEY_URL)."`
	Token    string `placeholder:"@FILE" help:"File with the API token for --url; the token itself may be in PARLEY_TOKEN."`
	JSON     bool   `name:"json" help:"Answer in JSON, for scripts."`

	Serve        serveCmd        `cmd:"" help:"Run the server."`
	Apply        applyCmd        `cmd:"" help:"Put channels and assistants in place from catalog files."`
	Channel      channelCmd      `cmd:"" help:"Add, show, test, switch off and delete channels."`
	Assistant    assistantCmd    `cmd:"" help:"Show, publish, roll back and delete assistants."`
	Catalog      catalogCmd      `cmd:"" help:"Write down what is in place."`
	Conversation conversationCmd `cmd:"" help:"Read conversations."`
	Turn         turnCmd         `cmd:"" help:"Read the answers owed, and those given up."`
	Delivery     deliveryCmd     `cmd:"" help:"See what is on its way to far sides, and mend it."`
	Tail         tailCmd         `cmd:"" help:"Watch what goes over one person's connections."`
	JWT          jwtCmd          `cmd:"" name:"jwt" help:"Sign a token to try a channel with."`
	APIToken     tokenCmd        `cmd:"" name:"token" help:"Make, show and revoke API tokens, for programs that use the admin API."`
	Flow         flowCmd         `cmd:"" help:"Check and test flow assistants; needs no server."`
	Doctor       doctorCmd       `cmd:"" help:"Check the whole installation and say what to mend."`
	Backup       backupCmd       `cmd:"" help:"Write a consistent copy of the data to a new folder."`
	Restore      restoreCmd      `cmd:"" help:"Make a data folder from a backup."`
	Version      versionCmd      `cmd:"" help:"Say which parley this is."`
}

// run is one command being run.
type run struct {
	*Program
	ctx context.Context
	cli *grammar
}

// exited carries the exit code of --help out of the parser.
type exited int

// Run parses the arguments (without the program's name), runs the command and
// returns the exit code. It ends soon after the context does.
func (p *Program) Run(ctx context.Context, args []string) (code int) {
	defer func() {
		if what := recover(); what != nil {
			asked, ok := what.(exited)
			if !ok {
				panic(what)
			}
			code = int(asked)
		}
	}()
	var g grammar
	parser, err := kong.New(&g, kong.Name("parley"),
		kong.Description("Self-hosted conversational gateway. `parley serve` runs it; everything else looks at it or changes it."),
		kong.Writers(p.Stdout, p.Stderr), kong.Exit(func(code int) { panic(exited(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		fmt.Fprintln(p.Stderr, "parley:", err)
		return ExitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	chosen, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(p.Stderr, "parley: %v\nrun `parley %s--help` to see what can be asked\n", err, commandOf(err))
		return ExitInvalid
	}
	return p.report(&g, chosen.Run(&run{Program: p, ctx: ctx, cli: &g}))
}

// commandOf names the command a usage error is about, followed by a space.
func commandOf(err error) string {
	var usage *kong.ParseError
	if !errors.As(err, &usage) || usage.Context == nil {
		return ""
	}
	// Command includes placeholders such as <name>, which help does not want.
	var words []string
	for _, w := range strings.Fields(usage.Context.Command()) {
		if !strings.HasPrefix(w, "<") {
			words = append(words, w)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return strings.Join(words, " ") + " "
}

// errQuiet ends a command that has said everything already.
type errQuiet int

func (errQuiet) Error() string { return "" }

// report writes an error and picks the exit code.
func (p *Program) report(g *grammar, err error) int {
	var quiet errQuiet
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &quiet):
		return int(quiet)
	}
	code := exitCode(err)
	if g.JSON {
		p.reportJSON(err)
		return code
	}
	var found catalog.Problems
	if errors.As(err, &found) {
		for _, one := range found {
			fmt.Fprintln(p.Stderr, one.String())
		}
		if len(found) > 1 {
			fmt.Fprintf(p.Stderr, "%d problems; nothing was changed\n", len(found))
		}
		return code
	}
	fmt.Fprintln(p.Stderr, "parley:", describe(err))
	return code
}

func (p *Program) reportJSON(err error) {
	answer := struct {
		Kind     fault.Kind       `json:"kind"`
		Error    string           `json:"error"`
		Problems catalog.Problems `json:"problems,omitempty"`
	}{Kind: fault.KindOf(err), Error: describe(err)}
	_ = errors.As(err, &answer.Problems)
	enc := json.NewEncoder(p.Stderr)
	enc.SetEscapeHTML(false)
	// Standard error may be closed; the exit code still tells.
	_ = enc.Encode(answer)
}

// describe is the text for the person at the keyboard. Unlike a client on the
// network they may see the cause: it is their machine.
func describe(err error) string {
	if fault.KindOf(err) == fault.Internal {
		return err.Error()
	}
	var f *fault.Error
	if errors.As(err, &f) && f.Cause != nil && f.Kind == fault.Unavailable {
		return fault.Message(err) + " (" + f.Cause.Error() + ")"
	}
	return fault.Message(err)
}

func exitCode(err error) int {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.TooLarge:
		return ExitInvalid
	case fault.NotFound:
		return ExitNotFound
	case fault.Unavailable:
		return ExitUnreachable
	default:
		return ExitFailed
	}
}

// answer writes a value as JSON when that was asked for, else calls human.
func (r *run) answer(v any, human func()) error {
	if !r.cli.JSON {
		human()
		return nil
	}
	enc := json.NewEncoder(r.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.Stdout, format+"\n", args...) }

// note is said beside the answer, where a script does not trip over it.
func (r *run) note(format string, args ...any) { fmt.Fprintf(r.Stderr, format+"\n", args...) }
