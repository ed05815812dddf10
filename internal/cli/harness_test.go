package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// result is what a run of vega-client left behind.
type result struct {
	code     int
	out, err string
}

// world builds an Env; its zero value is a run with pipes everywhere.
type world struct {
	stdin    string
	env      map[string]string
	terminal bool // all three streams
	editor   *fakeEditor
	password string
	keys     io.ReadCloser
}

func (w world) run(t testing.TB, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	code := Run(t.Context(), w.build(&out, &errOut, args))
	return result{code, out.String(), errOut.String()}
}

func (w world) build(out, errOut io.Writer, args []string) *Env {
	return &Env{
		Args: args, In: strings.NewReader(w.stdin), Out: out, Err: errOut,
		InTerminal: w.terminal, OutTerminal: w.terminal, ErrTerminal: w.terminal,
		Getenv: func(name string) string { return w.env[name] },
		Width:  func() int { return 100 }, Height: func() int { return 40 }, Now: time.Now, Seed: func() uint64 { return 42 << 12 },
		ReadPassword:  func(string) (string, error) { return w.password, nil },
		NewLineEditor: func(c completer) lineEditor { w.editor.complete = c; return w.editor },
		Keys:          func() (io.ReadCloser, error) { return w.keys, nil },
		Interruptible: func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithCancel(ctx) },
	}
}

// fakeEditor types lines; each may be preceded by Ctrl-C ("^C").
type fakeEditor struct {
	lines    []string
	complete completer
	history  []string
	prompts  []string
}

func (e *fakeEditor) ReadLine(prompt string) (string, error) {
	e.prompts = append(e.prompts, prompt)
	if len(e.lines) == 0 {
		return "", io.EOF
	}
	line := e.lines[0]
	e.lines = e.lines[1:]
	if line == "^C" {
		return "", errLineAborted
	}
	return line, nil
}

func (e *fakeEditor) AddHistory(line string) { e.history = append(e.history, line) }

func (e *fakeEditor) LoadHistory(r io.Reader) error {
	text, err := io.ReadAll(r)
	e.history = append(e.history, strings.Fields(string(text))...)
	return err
}

func (e *fakeEditor) SaveHistory(w io.Writer) error {
	_, err := io.WriteString(w, strings.Join(e.history, "\n"))
	return err
}

func (e *fakeEditor) Close() error { return nil }

// want compares a result: "" for a stream means that it must be empty, a text
// that starts with ~ that it must contain the rest.
func (r result) want(t testing.TB, code int, out, errOut string) {
	t.Helper()
	if r.code != code || !matches(r.out, out) || !matches(r.err, errOut) {
		t.Errorf("exit code %d, want %d\n stdout %q\n   want %q\n stderr %q\n   want %q", r.code, code, r.out, out, r.err, errOut)
	}
}

func matches(got, want string) bool {
	if part, ok := strings.CutPrefix(want, "~"); ok {
		return strings.Contains(got, part)
	}
	return got == want
}
