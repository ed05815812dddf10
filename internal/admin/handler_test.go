package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/auth"
)

func TestReadyzIs503WithProgressUntilDataCanBeServed(t *testing.T) {
	for _, tc := range []struct {
		state State
		code  int
		text  string
	}{
		{State{}, 503, "loading\n"},
		{State{What: "log"}, 503, "loading: log\n"},
		{State{What: "snapshots", Done: 42, Total: 100}, 503, "loading: snapshots, 42 %\n"},
		{State{Ready: true}, 200, "ready\n"},
		{State{Joining: true, What: "joining the cluster"}, 503, "joining the cluster\n"},
		{State{Reason: "no contact"}, 503, "not ready: no contact\n"},
		{State{Ready: true, Stopping: true}, 503, "stopping\n"},
	} {
		h := newHandler(options(&fake{Facts{State: tc.state}}))
		w := get(t, h, "/readyz", "", "")
		if w.Code != tc.code || w.Body.String() != tc.text {
			t.Errorf("%+v: %d %q, want %d %q", tc.state, w.Code, w.Body, tc.code, tc.text)
		}
		if (w.Header().Get("Retry-After") != "") != (tc.code == 503) {
			t.Errorf("%+v: Retry-After %q", tc.state, w.Header().Get("Retry-After"))
		}
		for _, ask := range [][2]string{{"/readyz?format=json", "*/*"}, {"/readyz", "application/json"}} {
			w := get(t, h, ask[0], "", "", "Accept", ask[1])
			var got struct {
				State
				Percent float64
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.State != tc.state || got.Percent != tc.state.Percent() || w.Code != tc.code {
				t.Errorf("%s: %d %s: %v", ask, w.Code, w.Body, err)
			}
		}
	}
}

func TestStatsAreTheFacts(t *testing.T) {
	source := busyNode()
	w := get(t, newHandler(options(source)), "/api/v1/stats", "", "")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d, %v", w.Code, w.Header())
	}
	var got Facts
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Node.Keys != 1234567 || got.Server.Connections["resp"] != 40 || len(got.Commands) != 2 || got.Commands[1].Latency.Count() != 1234567 {
		t.Errorf("%+v", got)
	}
	wantContains(t, w.Body.String(), `"used_bytes"`, `"refused_no_space_total": 2`, `"durability": "always"`)
}

func TestIndexNeedsNothingFromElsewhereAndEscapes(t *testing.T) {
	w := get(t, newHandler(options(busyNode())), "/", "", "")
	body := w.Body.String()
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, body)
	}
	wantContains(t, body, "ready", "1\u00a0234\u00a0567", "300.0 MiB of 2.0 GiB", "1h30m0s", "&lt;script&gt;", "/metrics")
	for _, bad := range []string{"<script", "http://", "https://", "src=", "@import", "/debug/pprof"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("Content-Security-Policy %q", csp)
	}
}

func TestIndexShowsTheCluster(t *testing.T) {
	body := get(t, newHandler(options(busyNode())), "/", "", "").Body.String()
	wantContains(t, body, "64, 3 copies of each wanted; 2 without a leader, 64 with fewer copies on nodes that are up", "led by a1a1a1a1, term 7", "epoch 42",
		"leads 34 of its 65 groups, the meta group among them; follows in 31; 33 replicas elsewhere yet to catch up", "c-11", "when 2 of 3 copies have it on disk", `href="//10.0.0.2:8343/"`, "<code>c3c3c3c3</code>", "1m2s ago", "this node",
		"1.0 MiB of 4.0 MiB sent from here", ">adding<")
	if strings.Contains(body, "10.0.0.1:8343") {
		t.Error("the page leads to itself")
	}
	alone := busyNode()
	alone.facts.Cluster = nil
	if body := get(t, newHandler(options(alone)), "/", "", "").Body.String(); strings.Contains(body, "<h2>Cluster") || !strings.Contains(body, "when it is on disk") {
		t.Error("a node without peers shows a cluster")
	}
}

func TestIndexWorksBeforeAnythingIsKnown(t *testing.T) {
	w := get(t, newHandler(options(&fake{})), "/", "", "")
	wantContains(t, w.Body.String(), "loading", "none since the start")
	if w.Code != 200 {
		t.Error(w.Code)
	}
}

func TestOnlyReadingAndOnlyWhatThereIs(t *testing.T) {
	h := newHandler(options(busyNode()))
	for path, want := range map[string]int{"/nonsense": 404, "/debug/pprof/": 404, "/debug/pprof/heap": 404, "/healthz": 200, "/metrics": 200} {
		if w := get(t, h, path, "", ""); w.Code != want {
			t.Errorf("GET %s: %d, want %d", path, w.Code, want)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/api/v1/stats", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

func TestUsersGuardAllButHealth(t *testing.T) {
	o := options(busyNode())
	o.Users, o.DebugEndpoints = threeUsers(t), true
	h := newHandler(o)
	const none, wrong = "", "nobody"
	for _, tc := range []struct {
		path string
		want map[string]int
	}{
		{"/healthz", map[string]int{none: 200, wrong: 200, "rea": 200}},
		{"/readyz", map[string]int{none: 200, wrong: 200, "rea": 200}},
		{"/", map[string]int{none: 401, wrong: 401, "rea": 200, "wes": 200, "ann": 200}},
		{"/metrics", map[string]int{none: 401, wrong: 401, "rea": 200, "ann": 200}},
		{"/api/v1/stats", map[string]int{none: 401, wrong: 401, "rea": 200, "ann": 200}},
		{"/debug/pprof/", map[string]int{none: 401, wrong: 401, "rea": 403, "wes": 403, "ann": 200}},
		{"/debug/pprof/cmdline", map[string]int{none: 401, "wes": 403, "ann": 200}},
		{"/debug/pprof/symbol", map[string]int{none: 401, "wes": 403, "ann": 200}},
		{"/debug/pprof/profile", map[string]int{none: 401, "wes": 403}},
		{"/debug/pprof/trace", map[string]int{none: 401, "wes": 403}},
	} {
		for name, want := range tc.want {
			w := get(t, h, tc.path, name, name)
			if w.Code != want {
				t.Errorf("GET %s as %q: %d, want %d", tc.path, name, w.Code, want)
			}
			if (w.Header().Get("WWW-Authenticate") != "") != (want == 401) {
				t.Errorf("GET %s as %q: WWW-Authenticate %q", tc.path, name, w.Header().Get("WWW-Authenticate"))
			}
		}
	}
}

func TestFailedLoginsAreLimited(t *testing.T) {
	o := options(busyNode())
	o.Users = threeUsers(t)
	o.Limiter = auth.NewLimiter(2, func() time.Time { return time.Unix(0, 0) })
	h := newHandler(o)
	for i, want := range []int{401, 401, 429} {
		if w := get(t, h, "/metrics", "rea", "guess"); w.Code != want {
			t.Errorf("attempt %d: %d, want %d", i, w.Code, want)
		}
	}
	if w := get(t, h, "/metrics", "rea", "rea"); w.Code != 429 || w.Header().Get("Retry-After") != "30" {
		t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if w := get(t, h, "/metrics", "", ""); w.Code != 401 {
		t.Errorf("a request without a password is told %d", w.Code)
	}
	if w := get(t, h, "/readyz", "", ""); w.Code != 200 {
		t.Errorf("readyz: %d", w.Code)
	}
}
