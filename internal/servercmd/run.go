package servercmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/config"
)

// closeAllowance is what stopping may take beyond shutdown-timeout: connections
// have that, the log's last flush has this on top.
const closeAllowance = 5 * time.Second

// sameStop is how long a further signal counts as the one that came first:
// timeout(1), some supervisors and terminals deliver one request twice.
const sameStop = time.Second

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
	r := &running{env: env, settings: c, logger: newLogger(env.Stderr, c, level), asked: make(chan struct{}, 1)}
	started := time.Now()
	node, err := r.launch(vegadb.Config{
		Server: c,
		Logger: r.logger,
		OnFatal: func(err error) {
			fmt.Fprintf(env.Stderr, "vega-server: going on could lose data, so this ends here: %s\n", oneLine(err.Error()))
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
		r.reload()
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
			r.reload()
		}
	}
}

func (r *running) reload() {
	if err := r.node.Reload(); err != nil {
		r.logger.Error("reload failed; what could not be read stays as it was", "error", oneLine(err.Error()))
		return
	}
	r.logger.Info("users and certificates reloaded")
}

// stop ends the node in an orderly way, and at once when asked a second time.
func (r *running) stop(why string) error {
	r.logger.Info("stopping", "because", why, "timeout", r.settings.ShutdownTimeout.String())
	ctx, cancel := context.WithTimeout(context.Background(), r.settings.ShutdownTimeout)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- r.node.Close(ctx) }()
	limit := r.settings.ShutdownTimeout + closeAllowance
	deadline := time.NewTimer(limit)
	began := time.Now()
	defer deadline.Stop()
	for {
		select {
		case err := <-closed:
			if err != nil {
				return fmt.Errorf("stopped, but not cleanly: %w", err)
			}
			r.logger.Info("stopped")
			return nil
		case sig := <-r.env.Signals:
			if sig != syscall.SIGHUP && time.Since(began) >= sameStop {
				return errors.New("ended at once, on the second signal; writes acknowledged under fsync always are on disk")
			}
		case <-deadline.C:
			return fmt.Errorf("not stopped within %s, giving up; writes acknowledged under fsync always are on disk", limit)
		}
	}
}

// newLogger makes the log that c asks for and sets level to its least
// important line.
func newLogger(w io.Writer, c config.Server, level *slog.LevelVar) *slog.Logger {
	level.Set(config.SlogLevel(c.LogLevel))
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
