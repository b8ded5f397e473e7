package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"parley/internal/fault"
)

// Terminal is where a person answers questions.
type Terminal interface {
	// Ask shows a prompt and returns the line that is typed, without its end.
	// With hidden, what is typed is not shown.
	Ask(prompt string, hidden bool) (string, error)
}

// openTerminal returns nil when nobody can be asked, as in a script.
func (r *run) openTerminal() Terminal {
	if r.Terminal != nil {
		return r.Terminal
	}
	if r.cli.JSON || !isTerminal(os.Stdin) {
		return nil
	}
	return &keyboard{ctx: r.ctx, lines: bufio.NewReader(os.Stdin), prompts: r.Stderr}
}

// keyboard asks on the terminal of this process.
type keyboard struct {
	ctx     context.Context
	lines   *bufio.Reader
	prompts io.Writer
}

type typed struct {
	line string
	err  error
}

// Ask implements [Terminal]. When the command is interrupted, what is typed is
// shown again before it returns.
func (k *keyboard) Ask(prompt string, hidden bool) (string, error) {
	fmt.Fprint(k.prompts, prompt)
	if hidden {
		show, err := hideTyping(os.Stdin)
		if err != nil {
			return "", fault.Wrap(err, fault.Unavailable, "the terminal cannot hide what is typed; give the answer with --set KEY=@FILE")
		}
		defer func() {
			show()
			fmt.Fprintln(k.prompts)
		}()
	}
	// A read of a terminal cannot be called off. After an interrupt the process
	// ends, and with it the one read that is left.
	answer := make(chan typed, 1)
	go func() {
		line, err := k.lines.ReadString('\n')
		answer <- typed{line, err}
	}()
	select {
	case <-k.ctx.Done():
		return "", fault.New(fault.Invalid, "interrupted; nothing was changed")
	case got := <-answer:
		return got.text()
	}
}

func (t typed) text() (string, error) {
	switch {
	case errors.Is(t.err, io.EOF) && t.line == "":
		return "", fault.New(fault.Invalid, "the answers ended; nothing was changed")
	case t.err != nil && !errors.Is(t.err, io.EOF):
		return "", fmt.Errorf("read an answer: %w", t.err)
	}
	return strings.TrimRight(t.line, "\r\n"), nil
}
