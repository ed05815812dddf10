package admin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/prakashpandey/vegadb/internal/auth"
)

const (
	maxConnections = 128
	maxHeaderBytes = 16 << 10

	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 90 * time.Second // a CPU profile takes 30 s by default
	idleTimeout   = 30 * time.Second
)

// Options are what the admin server needs.
type Options struct {
	Source         Source        // the node
	Program        *Program      // in place of Source: what is served is no node
	Users          *auth.Users   // nil: everybody may look
	Limiter        *auth.Limiter // nil: failed logins are not limited
	DebugEndpoints bool          // serve /debug/pprof
	Logger         *slog.Logger
}

// Program is what the admin server shows of a program that is not a node: the router.
type Program struct {
	State   func() State
	Stats   func() any             // the body of /api/v1/stats
	Rows    func() [][2]string     // of the index page: name and text
	Metrics []prometheus.Collector // beside those of Go and the process
}

// HTTP serves the admin API on one listener.
type HTTP struct {
	server *http.Server
	done   chan struct{} // closed when Serve has returned
	err    error         // set before done is closed
}

// Serve starts to serve on ln, which it owns from now on. It returns at once;
// Close ends it.
func Serve(ln net.Listener, o Options) *HTTP {
	h := &HTTP{
		server: &http.Server{
			Handler:           newHandler(o),
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		},
		done: make(chan struct{}),
	}
	go func() {
		defer close(h.done)
		if err := h.server.Serve(&limitListener{Listener: ln, max: maxConnections}); !errors.Is(err, http.ErrServerClosed) {
			h.err = err
			o.Logger.Error("the admin server has ended", "error", err)
		}
	}()
	return h
}

// Close stops accepting, waits for requests under way until ctx ends, then
// closes what is left.
func (h *HTTP) Close(ctx context.Context) error {
	err := h.server.Shutdown(ctx)
	if err != nil {
		err = h.server.Close() // whoever still reads a profile has had the time
	}
	<-h.done
	return errors.Join(err, h.err)
}

// limitListener closes connections above max at once: the peer learns it, and
// those that are open keep working.
type limitListener struct {
	net.Listener
	max  int64
	open atomic.Int64
}

func (l *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.max {
			return &countedConn{Conn: conn, open: &l.open}, nil
		}
		l.open.Add(-1)
		conn.Close()
	}
}

type countedConn struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}
