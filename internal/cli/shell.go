package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// lineEditor reads lines from a terminal.
type lineEditor interface {
	// ReadLine returns io.EOF at Ctrl-D and errLineAborted at Ctrl-C.
	ReadLine(prompt string) (string, error)
	AddHistory(line string)
	LoadHistory(r io.Reader) error
	SaveHistory(w io.Writer) error
	Close() error
}

// completer returns what may stand in place of the last word before the
// cursor: line = head + word, and each candidate replaces word.
type completer func(beforeCursor string) (head string, candidates []string)

var errLineAborted = errors.New("line aborted")

// interactive is vega-client without a command: a shell on a terminal,
// otherwise the lines of standard input.
func (s *session) interactive(ctx context.Context, a *app) error {
	s.shell = true
	s.conn.timeout = a.timeout
	base := lineDefaults{json: a.json, noColor: a.noColor}
	if !s.env.InTerminal {
		return s.script(ctx, base)
	}
	return s.prompt(ctx, a, base)
}

// lineDefaults are the flags of the shell's own command line that its lines inherit.
type lineDefaults struct{ json, noColor bool }

// args puts them before a line's words.
func (d lineDefaults) args(words []string) []string {
	var out []string
	if d.json {
		out = append(out, "--json")
	}
	if d.noColor {
		out = append(out, "--no-color")
	}
	return append(out, words...)
}

// maxScriptLine bounds a line from a pipe.
const maxScriptLine = 64 << 20

// script carries out the lines of standard input. A line that fails does not
// end the script; the first failure gives the exit code.
func (s *session) script(ctx context.Context, base lineDefaults) error {
	lines := bufio.NewScanner(interruptible(ctx, s.env.In))
	lines.Buffer(make([]byte, 64<<10), maxScriptLine)
	code := exitOK
	number := 0
	for lines.Scan() && ctx.Err() == nil {
		number++
		words, err := splitWords(lines.Text())
		if err != nil {
			fmt.Fprintf(s.env.Err, "line %d: %v\n", number, err)
			code = firstFailure(code, exitUsage)
			continue
		}
		if len(words) == 0 {
			continue
		}
		if isQuit(words[0]) {
			break
		}
		lineCode := s.run(ctx, base.args(words))
		if lineCode != exitOK {
			fmt.Fprintf(s.env.Err, "  in line %d: %s\n", number, words[0])
		}
		code = firstFailure(code, lineCode)
		if lineCode == exitUnreachable && s.client == nil {
			break // no further line would fare better
		}
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("standard input, line %d: %w", number+1, err)
	}
	if code != exitOK {
		return &silentError{code}
	}
	return ctx.Err()
}

func firstFailure(code, next int) int {
	if code != exitOK {
		return code
	}
	return next
}

func isQuit(word string) bool { return word == "quit" || word == "exit" }

// prompt is the interactive shell.
func (s *session) prompt(ctx context.Context, a *app, base lineDefaults) error {
	if err := s.greet(ctx, a); err != nil {
		return err
	}
	// From here on Ctrl-C ends lines, not the shell.
	s.release()
	ctx = s.base
	editor := s.env.NewLineEditor(s.complete)
	defer editor.Close()
	history := historyFile(s.env.Getenv)
	if file, err := os.Open(history); err == nil {
		_ = editor.LoadHistory(file) // a history that cannot be read is a short one
		_ = file.Close()
	}
	aborted := 0
	for {
		line, err := editor.ReadLine(s.conn.address + "> ")
		switch {
		case errors.Is(err, errLineAborted):
			if aborted++; aborted == 2 {
				fmt.Fprintln(s.env.Err, "quit or Ctrl-D leaves the shell")
			}
			continue
		case errors.Is(err, io.EOF):
			fmt.Fprintln(s.env.Out)
			return nil
		case err != nil:
			return fmt.Errorf("read a line: %w", err)
		}
		aborted = 0
		if !s.line(ctx, editor, base, line, history) {
			return nil
		}
	}
}

// greet connects, so that a wrong address is told at once.
func (s *session) greet(ctx context.Context, a *app) error {
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	n, err := db.Count(ctx)
	if err != nil {
		return err
	}
	version, _ := versionText()
	fmt.Fprintf(s.env.Out, "VegaDB at %s, %s. vega-client %s; type help, or quit.\n", s.conn.address, countOf(int(n), "entry"), version)
	return nil
}

// line carries out one line and tells whether the shell goes on.
func (s *session) line(ctx context.Context, editor lineEditor, base lineDefaults, line, history string) bool {
	words, err := splitWords(line)
	if err == nil && len(words) == 0 {
		return true
	}
	if !strings.HasPrefix(line, " ") { // as in shells: a leading space keeps a line out
		editor.AddHistory(strings.TrimRight(line, " "))
		if saveErr := saveHistory(history, editor); saveErr != nil && err == nil {
			fmt.Fprintf(s.env.Err, "the history is not kept: %v\n", saveErr)
		}
	}
	if err != nil {
		fmt.Fprintln(s.env.Err, err)
		return true
	}
	if isQuit(words[0]) {
		return false
	}
	lineCtx, stop := s.env.Interruptible(ctx)
	defer stop()
	begin := s.env.Now()
	s.run(lineCtx, base.args(words))
	if took := s.env.Now().Sub(begin); took > time.Second && s.env.ErrTerminal {
		fmt.Fprintf(s.env.Err, "(%s)\n", span(took))
	}
	return true
}

// historyFile follows the XDG base directories; "" if there is no home.
func historyFile(getenv func(string) string) string {
	dir := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // the specification: relative paths are to be ignored
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "vegadb", "client_history")
}

// saveHistory replaces the file in one step, readable by its owner alone:
// lines hold values.
func saveHistory(name string, editor lineEditor) error {
	if name == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(name), ".client_history.*")
	if err != nil {
		return err
	}
	if err := errors.Join(editor.SaveHistory(file), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return os.Rename(file.Name(), name)
}

// complete offers commands for the first word, flags for words that start
// with -, subcommands and names of files where files belong.
func (s *session) complete(before string) (head string, candidates []string) {
	at := strings.LastIndexAny(before, " \t") + 1
	head, word := before[:at], before[at:]
	words := strings.Fields(head)
	root := newRoot(&app{env: s.env, session: s})
	root.InitDefaultHelpCmd()
	if len(words) == 0 {
		names := append(commandNames(root), "quit")
		return head, startingWith(names, word)
	}
	cmd, rest, err := root.Find(words)
	if err != nil || cmd == root {
		if words[0] == "help" {
			return head, startingWith(commandNames(root), word)
		}
		return head, nil
	}
	switch {
	case cmd.Name() == "help" && len(rest) == 0:
		return head, startingWith(commandNames(root), word)
	case strings.HasPrefix(word, "-"):
		return head, startingWith(flagNames(cmd), word)
	case cmd.Name() == "cluster" && len(rest) == 0:
		return head, startingWith(commandNames(cmd), word)
	case slices.Contains([]string{"dump", "load", "backup", "restore", "verify"}, cmd.Name()) || strings.HasSuffix(words[len(words)-1], "file") || words[len(words)-1] == "--plot":
		return head, fileNames(word)
	}
	return head, nil
}

func commandNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(names, c.Name())
		}
	}
	sort.Strings(names)
	return names
}

func flagNames(cmd *cobra.Command) []string {
	names := []string{"--help"}
	add := func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			names = append(names, "--"+f.Name)
		}
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	sort.Strings(names)
	return names
}

func startingWith(names []string, word string) []string {
	var out []string
	for _, name := range names {
		if strings.HasPrefix(name, word) {
			out = append(out, name+" ")
		}
	}
	return out
}

// fileNames completes a path; directories end in a separator.
func fileNames(word string) []string {
	dir, base := filepath.Split(word)
	entries, err := os.ReadDir(orElse(dir, "."))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, base) || (strings.HasPrefix(name, ".") && base == "") || strings.ContainsAny(name, " '\"\\") {
			continue
		}
		if e.IsDir() {
			out = append(out, dir+name+string(filepath.Separator))
		} else {
			out = append(out, dir+name+" ")
		}
	}
	return out
}
