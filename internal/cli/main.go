package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/peterh/liner"
	"golang.org/x/term"
)

// Main runs vega-client on the process's own streams and returns its exit code.
func Main() int {
	// A closed pipe (vega-client scan | head) ends output with an error, not the
	// process with a signal: exit codes stay ours.
	signal.Ignore(syscall.SIGPIPE)
	return Run(context.Background(), &Env{
		Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal: isTerminal(os.Stdin), OutTerminal: isTerminal(os.Stdout), ErrTerminal: isTerminal(os.Stderr),
		Getenv: os.Getenv, Width: terminalWidth, Height: terminalHeight, Now: time.Now, Seed: rand.Uint64,
		ReadPassword: readPassword, NewLineEditor: newLiner, Keys: openKeys, Interruptible: interruptibleBySignal,
	})
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

func terminalWidth() int {
	width, _ := terminalSize()
	return width
}

func terminalHeight() int {
	_, height := terminalSize()
	return height
}

func terminalSize() (width, height int) {
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width, height
		}
	}
	return 80, 24
}

// keyboard is the terminal in raw mode.
type keyboard struct {
	*os.File
	before *term.State
}

// openKeys opens the terminal anew: closing that ends a read which waits, and
// leaves standard input as it is.
func openKeys() (io.ReadCloser, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	before, err := rawMode(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &keyboard{f, before}, nil
}

func (k *keyboard) Close() error {
	return errors.Join(withDescriptor(k.File, func(fd int) error { return term.Restore(fd, k.before) }), k.File.Close())
}

func rawMode(f *os.File) (before *term.State, err error) {
	err = withDescriptor(f, func(fd int) (err error) {
		before, err = term.MakeRaw(fd)
		return err
	})
	return before, err
}

// withDescriptor is f.Fd without its side effect: Fd makes the file blocking, and a
// read that blocks in the system cannot be ended by Close.
func withDescriptor(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// readPassword asks on the terminal, without echo.
func readPassword(prompt string) (string, error) {
	fmt.Fprint(os.Stderr, prompt)
	password, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return string(password), nil
}

// interruptibleBySignal ends the context at the first Ctrl-C (or SIGTERM) and
// then lets the next one end the process, in case something does not listen.
func interruptibleBySignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// linerEditor is lineEditor on github.com/peterh/liner. The terminal is in
// liner's mode only while a line is typed, so that Ctrl-C reaches a command
// that is at work as the signal it is.
type linerEditor struct {
	state  *liner.State
	normal liner.ModeApplier // nil: not a terminal liner knows
	typing liner.ModeApplier
}

func newLiner(complete completer) lineEditor {
	e := &linerEditor{}
	e.normal, _ = liner.TerminalMode()
	e.state = liner.NewLiner()
	e.typing, _ = liner.TerminalMode()
	e.state.SetCtrlCAborts(true)
	e.state.SetMultiLineMode(true)
	e.state.SetTabCompletionStyle(liner.TabPrints)
	e.state.SetBeep(false)
	e.state.SetWordCompleter(func(line string, pos int) (string, []string, string) {
		// pos counts characters, not bytes.
		runes := []rune(line)
		pos = min(pos, len(runes))
		head, candidates := complete(string(runes[:pos]))
		return head, candidates, string(runes[pos:])
	})
	e.apply(e.normal)
	return e
}

func (e *linerEditor) apply(mode liner.ModeApplier) {
	if mode != nil {
		_ = mode.ApplyMode() // without it, typing is less comfortable, no more
	}
}

func (e *linerEditor) ReadLine(prompt string) (string, error) {
	e.apply(e.typing)
	defer e.apply(e.normal)
	line, err := e.state.Prompt(prompt)
	if errors.Is(err, liner.ErrPromptAborted) {
		return "", errLineAborted
	}
	return line, err
}

func (e *linerEditor) AddHistory(line string) { e.state.AppendHistory(line) }

func (e *linerEditor) LoadHistory(r io.Reader) error {
	_, err := e.state.ReadHistory(r)
	return err
}

func (e *linerEditor) SaveHistory(w io.Writer) error {
	_, err := e.state.WriteHistory(w)
	return err
}

func (e *linerEditor) Close() error { return e.state.Close() }
