package servercmd

import (
	"context"
	"io"
	"os"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/admin"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Env is what a command sees of the world.
type Env struct {
	Args     []string // without the program's name
	Environ  []string // as os.Environ
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer
	ReadFile func(string) ([]byte, error)
	FS       vfs.FS

	// Signals delivers SIGINT, SIGTERM and SIGHUP.
	Signals <-chan os.Signal
	// Exit ends the process at once, for what must not go on: a failed fsync.
	Exit func(code int)
	// Terminal tells whether a person reads w.
	Terminal func(w io.Writer) bool
	// ReadPassword reads a line from the terminal without showing it; nil
	// when standard input is not one.
	ReadPassword func() (string, error)
	// Launch starts a node and returns while it still loads.
	Launch func(vegadb.Config) (Node, error)
}

// Node is a running node as the command sees it; *vegadb.Node is one.
type Node interface {
	Addr() string
	AdminAddr() string
	PeerAddr() string
	WaitReady(context.Context) error
	Progress() (what string, done, total int64)
	Facts() admin.Facts
	Reload() error
	Close(context.Context) error
}
