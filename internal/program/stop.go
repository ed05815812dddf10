package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/prakashpandey/vegadb/internal/config"
)

// closeAllowance is what stopping may take beyond shutdown-timeout: connections
// have that, the log's last flush has this on top.
const closeAllowance = 5 * time.Second

// SameStop is how long a further signal counts as the one that came first:
// timeout(1), some supervisors and terminals deliver one request twice.
const SameStop = time.Second

// Stop ends what runs.
type Stop struct {
	Timeout time.Duration // shutdown-timeout
	Signals <-chan os.Signal
	Logger  *slog.Logger
	// AtOnce and GivenUp end the errors that say what did not happen in order.
	AtOnce, GivenUp string
}

// Run has close end what runs in an orderly way, and goes on without it when asked a
// second time, or when it takes too long.
func (s *Stop) Run(why string, close func(context.Context) error) error {
	s.Logger.Info("stopping", "because", why, "timeout", s.Timeout.String())
	ctx, cancel := context.WithTimeout(context.Background(), s.Timeout)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- close(ctx) }()
	limit := s.Timeout + closeAllowance
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	began := time.Now()
	for {
		select {
		case err := <-closed:
			if err != nil {
				return fmt.Errorf("stopped, but not cleanly: %w", err)
			}
			s.Logger.Info("stopped")
			return nil
		case sig := <-s.Signals:
			if sig != syscall.SIGHUP && time.Since(began) >= SameStop {
				return errors.New("ended at once, on the second signal; " + s.AtOnce)
			}
		case <-deadline.C:
			return fmt.Errorf("not stopped within %s, giving up%s", limit, s.GivenUp)
		}
	}
}

// Reload carries out SIGHUP and logs how it went.
func Reload(logger *slog.Logger, reload func() error) {
	if err := reload(); err != nil {
		logger.Error("reload failed; what could not be read stays as it was", "error", OneLine(err.Error()))
		return
	}
	logger.Info("users and certificates reloaded")
}

// NewLogger makes the log that c asks for and sets level to its least important line.
func NewLogger(w io.Writer, c *config.Server, level *slog.LevelVar) *slog.Logger {
	level.Set(config.SlogLevel(c.LogLevel))
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
