package servercmd

import (
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Main runs the command of this process and returns its exit code.
func Main() int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	env := &Env{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		ReadFile: os.ReadFile, FS: vfs.OS(), Signals: signals, Exit: os.Exit,
		Terminal: func(w io.Writer) bool {
			f, ok := w.(*os.File)
			return ok && term.IsTerminal(int(f.Fd()))
		},
		Launch: func(c vegadb.Config) (Node, error) {
			node, err := vegadb.Launch(c)
			if err != nil {
				return nil, err // not a nil *vegadb.Node in an interface
			}
			return node, nil
		},
	}
	if stdin := int(os.Stdin.Fd()); term.IsTerminal(stdin) {
		env.ReadPassword = func() (string, error) {
			text, err := term.ReadPassword(stdin)
			return string(text), err
		}
	}
	return Run(env)
}
