package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/prakashpandey/vegadb/internal/auth"
)

// handler routes requests. See the package comment for what there is and who
// may see it.
type handler struct {
	opts Options
	mux  *http.ServeMux
}

func newHandler(o Options) *handler {
	h := &handler{opts: o, mux: http.NewServeMux()}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if o.Program != nil {
		registry.MustRegister(o.Program.Metrics...)
	} else {
		registry.MustRegister(newCollector(o.Source))
	}
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})

	h.mux.HandleFunc("GET /healthz", h.health)
	h.mux.HandleFunc("GET /readyz", h.ready)
	h.mux.Handle("GET /metrics", h.guarded(auth.Read, metrics.ServeHTTP))
	h.mux.Handle("GET /api/v1/stats", h.guarded(auth.Read, h.stats))
	h.mux.Handle("GET /{$}", h.guarded(auth.Read, h.index))
	if o.DebugEndpoints {
		h.mux.Handle("GET /debug/pprof/", h.guarded(auth.Admin, pprof.Index))
		h.mux.Handle("GET /debug/pprof/cmdline", h.guarded(auth.Admin, pprof.Cmdline))
		h.mux.Handle("GET /debug/pprof/profile", h.guarded(auth.Admin, pprof.Profile))
		h.mux.Handle("GET /debug/pprof/symbol", h.guarded(auth.Admin, pprof.Symbol))
		h.mux.Handle("GET /debug/pprof/trace", h.guarded(auth.Admin, pprof.Trace))
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.mux.ServeHTTP(w, r)
}

// guarded lets a request through when no users are configured, or when it
// carries the name and password of one with the role.
func (h *handler) guarded(role auth.Role, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.opts.Users == nil {
			next(w, r)
			return
		}
		user, err := h.login(r)
		var limited *auth.LimitedError
		switch {
		case err == nil && user.Role >= role:
			next(w, r)
		case err == nil:
			http.Error(w, fmt.Sprintf("this needs a user with the role %s", role), http.StatusForbidden)
		case errors.As(err, &limited):
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(limited.RetryAfter.Seconds()))))
			http.Error(w, limited.Error(), http.StatusTooManyRequests)
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="VegaDB", charset="UTF-8"`)
			http.Error(w, "this needs the name and password of a user (HTTP basic authentication)", http.StatusUnauthorized)
		}
	})
}

func (h *handler) login(r *http.Request) (*auth.User, error) {
	name, password, ok := r.BasicAuth()
	if !ok {
		return nil, auth.ErrWrong // nothing was tried, so nothing counts as a failure
	}
	var addr netip.Addr
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		addr = ap.Addr()
	}
	return h.opts.Users.Login(h.opts.Limiter, addr, name, password)
}

func (h *handler) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}

func (h *handler) state() State {
	if h.opts.Program != nil {
		return h.opts.Program.State()
	}
	return h.opts.Source.State()
}

// ready answers in text, or in JSON when that is asked for.
func (h *handler) ready(w http.ResponseWriter, r *http.Request) {
	state := h.state()
	code := http.StatusServiceUnavailable
	if state.Ready && !state.Stopping {
		code = http.StatusOK
	} else {
		w.Header().Set("Retry-After", "1")
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") || r.URL.Query().Get("format") == "json" {
		writeJSON(w, code, struct {
			State
			Percent float64 `json:"percent"`
		}{state, state.Percent()})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	fmt.Fprintln(w, describe(state))
}

func describe(s State) string {
	switch {
	case s.Stopping:
		return "stopping"
	case s.Ready:
		return "ready"
	case s.Reason != "":
		return "not ready: " + s.Reason
	case s.Joining:
		return "joining the cluster"
	case s.Total > 0:
		return fmt.Sprintf("loading: %s, %.0f %%", s.What, s.Percent())
	case s.What != "":
		return "loading: " + s.What
	default:
		return "loading"
	}
}

func (h *handler) stats(w http.ResponseWriter, _ *http.Request) {
	if h.opts.Program != nil {
		writeJSON(w, http.StatusOK, h.opts.Program.Stats())
		return
	}
	writeJSON(w, http.StatusOK, h.opts.Source.Facts())
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(append(body, '\n'))
}
