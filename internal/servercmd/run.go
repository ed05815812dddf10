package servercmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/program"
)

// running is a node between its launch and its end.
type running struct {
	env      *Env
	settings config.Server
	logger   *slog.Logger
	node     Node
	asked    chan struct{} // a client has sent SHUTDOWN
	early    []os.Signal   // that came before the node was there
}

// runServer runs a node until a signal, a client or a failure ends it.
func runServer(env *Env, c config.Server) error {
	level := new(slog.LevelVar)
	r := &running{env: env, settings: c, logger: program.NewLogger(env.Stderr, &c, level), asked: make(chan struct{}, 1)}
	started := time.Now()
	node, err := r.launch(vegadb.Config{
		Server: c,
		Logger: r.logger,
		OnFatal: func(err error) {
			fmt.Fprintf(env.Stderr, "vega-server: going on could lose data, so this ends here: %s\n", program.OneLine(err.Error()))
			env.Exit(1)
		},
		OnShutdown: func() {
			select {
			case r.asked <- struct{}{}:
			default: // it is known already
			}
		},
		OnSettings: func(_, now *config.Server) error {
			level.Set(config.SlogLevel(now.LogLevel))
			return nil
		},
	})
	if errors.Is(err, errStopped) {
		return nil
	}
	if err != nil {
		return err
	}
	r.node = node
	if c.LogFormat == "text" {
		writeBanner(env.Stdout, c, node)
	} else {
		r.logger.Info("listening", "version", vegadb.Version, "addr", node.Addr(), "admin_addr", node.AdminAddr(),
			"data_dir", c.DataDir, "in_memory", c.InMemory, "fsync", c.Fsync)
	}
	return r.loop(started)
}

// errStopped ends a start that a signal has interrupted.
var errStopped = errors.New("stopped before it had started")

// startGrace is how long a start may go on after a signal: most end by then, and the
// node in an orderly way.
const startGrace = time.Second

// launch starts the node. That may have to wait, for a member of the cluster it is
// to join above all, and somebody may tire of it: a signal ends the process then,
// after a moment. The start itself is not waited for; what it leaves is what a kill
// leaves.
func (r *running) launch(c vegadb.Config) (Node, error) {
	type outcome struct {
		node Node
		err  error
	}
	launched := make(chan outcome, 1)
	go func() {
		node, err := r.env.Launch(c)
		launched <- outcome{node, err}
	}()
	var grace <-chan time.Time // nil: nobody wants an end
	for {
		select {
		case o := <-launched:
			return o.node, o.err
		case sig := <-r.env.Signals:
			r.early = append(r.early, sig)
			if sig != syscall.SIGHUP && grace == nil {
				grace = time.After(startGrace)
			}
		case <-grace:
			r.logger.Info("stopped before it had started")
			return nil, errStopped
		}
	}
}

// loop serves signals until one of them, or a failure to load, ends the node.
func (r *running) loop(started time.Time) error {
	loaded := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { loaded <- r.node.WaitReady(ctx) }()

	shown := newProgressLine(r.env.Stderr, r.env.Terminal(r.env.Stderr), r.logger)
	defer shown.end()
	for _, sig := range r.early {
		if sig != syscall.SIGHUP {
			return r.stop(sig.String())
		}
		program.Reload(r.logger, r.node.Reload)
	}
	for {
		select {
		case err := <-loaded:
			shown.end()
			if err != nil {
				return errors.Join(err, r.node.Close(ctx))
			}
			loaded = nil
			if r.settings.LogFormat == "text" {
				writeReady(r.env.Stdout, r.settings, r.node, time.Since(started))
			}
		case <-shown.tick():
			shown.show(r.node.Progress())
		case <-r.asked:
			return r.stop("a client's SHUTDOWN")
		case sig := <-r.env.Signals:
			if sig != syscall.SIGHUP {
				shown.end()
				return r.stop(sig.String())
			}
			program.Reload(r.logger, r.node.Reload)
		}
	}
}

// stop ends the node in an orderly way, and at once when asked a second time.
func (r *running) stop(why string) error {
	s := program.Stop{
		Timeout: r.settings.ShutdownTimeout, Signals: r.env.Signals, Logger: r.logger,
		AtOnce:  "writes acknowledged under fsync always are on disk",
		GivenUp: "; writes acknowledged under fsync always are on disk",
	}
	return s.Run(why, r.node.Close)
}
