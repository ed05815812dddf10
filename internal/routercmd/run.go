package routercmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/router"
	"github.com/prakashpandey/vegadb/internal/version"
)

// closeAllowance is what stopping may take beyond shutdown-timeout.
const closeAllowance = 5 * time.Second

// sameStop is how long a further signal counts as the one that came first:
// timeout(1), some supervisors and terminals deliver one request twice.
const sameStop = time.Second

// run runs a router until a signal ends it.
func run(env *Env, s config.Router) error {
	logger := newLogger(env.Stderr, &s.Front)
	r, err := env.Start(router.Options{Settings: s, Version: version.Release, Logger: logger})
	if err != nil {
		return err
	}
	if s.Front.LogFormat == "text" {
		writeBanner(env.Stdout, &s, r)
	} else {
		logger.Info("listening", "version", version.Release, "addr", r.Addr(), "admin_addr", r.AdminAddr(), "cluster", s.Cluster)
	}
	for sig := range env.Signals {
		if sig != syscall.SIGHUP {
			return stop(env, &s, r, logger, sig.String())
		}
		if err := r.Reload(); err != nil {
			logger.Error("reload failed; what could not be read stays as it was", "error", oneLine(err.Error()))
		} else {
			logger.Info("users and certificates reloaded")
		}
	}
	return stop(env, &s, r, logger, "no signals")
}

// stop ends the router in an orderly way, and at once when asked a second time.
func stop(env *Env, s *config.Router, r Router, logger *slog.Logger, why string) error {
	timeout := s.Front.ShutdownTimeout
	logger.Info("stopping", "because", why, "timeout", timeout.String())
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- r.Close(ctx) }()
	deadline := time.NewTimer(timeout + closeAllowance)
	defer deadline.Stop()
	began := time.Now()
	for {
		select {
		case err := <-closed:
			if err != nil {
				return fmt.Errorf("stopped, but not cleanly: %w", err)
			}
			logger.Info("stopped")
			return nil
		case sig := <-env.Signals:
			if sig != syscall.SIGHUP && time.Since(began) >= sameStop {
				return errors.New("ended at once, on the second signal; the outcome of requests under way is unknown to their clients")
			}
		case <-deadline.C:
			return fmt.Errorf("not stopped within %s, giving up", timeout+closeAllowance)
		}
	}
}

func newLogger(w io.Writer, c *config.Server) *slog.Logger {
	opts := &slog.HandlerOptions{Level: config.SlogLevel(c.LogLevel)}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// writeBanner says in a few lines where the router listens and what is behind it.
func writeBanner(w io.Writer, s *config.Router, r Router) {
	fmt.Fprintf(w, "VegaDB router %s\n", version.Release)
	protocols := "native protocol and RESP"
	if s.Front.TLSCert != "" {
		protocols += ", over TLS"
	}
	fmt.Fprintf(w, "  data     %s (%s)\n", r.Addr(), protocols)
	if a := r.AdminAddr(); a != "" {
		fmt.Fprintf(w, "  admin    http://%s\n", a)
	}
	cluster := s.Cluster
	if s.UsesTLS() {
		cluster += " (TLS)"
	}
	fmt.Fprintf(w, "  cluster  %s\n", cluster)
	switch {
	case s.Front.UsersFile != "":
		fmt.Fprintf(w, "  users    %s\n", s.Front.UsersFile)
	case s.Front.AllowNoAuth:
		fmt.Fprintf(w, "  users    none: whoever reaches the port may read and write everything (allow-no-auth)\n")
	default:
		if _, port, err := net.SplitHostPort(r.Addr()); err == nil && s.Front.TLSCert == "" {
			fmt.Fprintf(w, "Try, and stop it with Ctrl-C:\n  redis-cli -p %s\n", port)
		}
	}
}
