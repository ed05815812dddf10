package routercmd

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/prakashpandey/vegadb/internal/router"
)

// Env is what the command sees of the world.
type Env struct {
	Args     []string // without the program's name
	Environ  []string // as os.Environ
	Stdout   io.Writer
	Stderr   io.Writer
	ReadFile func(string) ([]byte, error)
	// Signals delivers SIGINT, SIGTERM and SIGHUP.
	Signals <-chan os.Signal
	// Start starts a router and returns once it listens.
	Start func(router.Options) (Router, error)
}

// Router is a running router as the command sees it; *router.Router is one.
type Router interface {
	Addr() string
	AdminAddr() string
	Reload() error
	Close(context.Context) error
}

// Main runs the command of this process and returns its exit code.
func Main() int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	return Run(&Env{
		Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr,
		ReadFile: os.ReadFile, Signals: signals,
		Start: func(o router.Options) (Router, error) {
			r, err := router.Start(o)
			if err != nil {
				return nil, err // not a nil *router.Router in an interface
			}
			return r, nil
		},
	})
}
