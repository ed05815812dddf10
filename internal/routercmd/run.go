package routercmd

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/program"
	"github.com/prakashpandey/vegadb/internal/router"
	"github.com/prakashpandey/vegadb/internal/version"
)

// run runs a router until a signal ends it.
func run(env *Env, s config.Router) error {
	logger := program.NewLogger(env.Stderr, &s.Front, new(slog.LevelVar))
	r, err := env.Start(router.Options{Settings: s, Version: version.Release, Logger: logger})
	if err != nil {
		return err
	}
	if s.Front.LogFormat == "text" {
		writeBanner(env.Stdout, &s, r)
	} else {
		logger.Info("listening", "version", version.Release, "addr", r.Addr(), "admin_addr", r.AdminAddr(), "cluster", s.Cluster)
	}
	stop := program.Stop{
		Timeout: s.Front.ShutdownTimeout, Signals: env.Signals, Logger: logger,
		AtOnce: "the outcome of requests under way is unknown to their clients",
	}
	for sig := range env.Signals {
		if sig != syscall.SIGHUP {
			return stop.Run(sig.String(), r.Close)
		}
		program.Reload(logger, r.Reload)
	}
	return stop.Run("no signals", r.Close)
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
