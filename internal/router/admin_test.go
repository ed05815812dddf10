package router

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// get asks the router's admin server.
func (r *testRouter) get(path string) (code int, body string) {
	r.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get("http://" + r.AdminAddr() + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func withAdmin(s *config.Router) { s.Front.AdminAddr = "127.0.0.1:0" }

func TestTheAdminServerSaysHowTheRouterIs(t *testing.T) {
	f := newFakeCluster(t)
	r := startRouter(t, f, withAdmin)
	c := r.dial()
	c.ask("SET k v", "OK")
	c.ask("GET k", "v")
	c.ask("INCR k", "-ERR value is not an integer or out of range")
	for path, want := range map[string][]string{
		"/healthz": {"ok"}, "/readyz": {"ready"},
		"/api/v1/stats": {`"partitions": 16`, `"id": "fake"`, `"name": "set"`, `"forwards"`},
		"/":             {"vega-router test", "requests forwarded", "fake, epoch 7"},
		"/metrics": {"vegadb_router_ready 1", "vegadb_router_forwards_total 3", `vegadb_router_command_errors_total{command="incr"} 1`,
			`vegadb_router_command_duration_seconds_count{command="get"} 1`, `vegadb_router_connections{protocol="resp"} 1`, "go_goroutines",
			`vegadb_router_cluster_info{cluster_id="fake"} 1`, "vegadb_router_cluster_partitions_without_leader 0"},
	} {
		code, body := r.get(path)
		if code != http.StatusOK {
			t.Errorf("%s: %d %s", path, code, body)
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s does not contain %q:\n%s", path, w, body)
			}
		}
	}
	var facts Facts
	_, body := r.get("/api/v1/stats")
	if err := json.Unmarshal([]byte(body), &facts); err != nil || facts.Forwards.Total != 3 {
		t.Errorf("%v %+v", err, facts)
	}
}

func TestWithoutAClusterTheRouterIsHealthyAndNotReady(t *testing.T) {
	r := startRouter(t, nil, withAdmin)
	if code, _ := r.get("/healthz"); code != http.StatusOK {
		t.Error(code)
	}
	r.eventually("the reason is known", func() bool { return r.viewFail.Load() != nil })
	if code, body := r.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "no cluster in this test") {
		t.Errorf("%d %s", code, body)
	}
	if code, body := r.get("/metrics"); code != http.StatusOK || !strings.Contains(body, "vegadb_router_ready 0") {
		t.Errorf("%d %s", code, body)
	}
}

// What docs/router.md tells people to watch has to exist.
func TestMetricsInTheDocumentationExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "router.md"))
	if err != nil {
		t.Fatal(err)
	}
	f := newFakeCluster(t)
	f.before = func(_ context.Context, _ int, _ *wire.Request, reply *wire.Response) (bool, error) {
		reply.Status, reply.Body = wire.Unavailable, []byte("no leader")
		return true, nil
	}
	r := startRouter(t, f, withAdmin)
	r.dial().ask("GET k", "-CLUSTERDOWN no leader")
	_, metrics := r.get("/metrics")
	named := regexp.MustCompile(`vegadb_router_[a-z_]+`).FindAllString(string(text), -1)
	if len(named) == 0 {
		t.Error("docs/router.md names no metric")
	}
	for _, name := range named {
		if !strings.Contains(metrics, "# TYPE "+name+" ") {
			t.Errorf("docs/router.md names %s, which does not exist", name)
		}
	}
	// And the other way round.
	for _, m := range regexp.MustCompile(`# TYPE (vegadb_router_[a-z_]+) `).FindAllStringSubmatch(metrics, -1) {
		if !strings.Contains(string(text), "`"+m[1]+"`") && !strings.Contains(string(text), "`"+m[1]+"{") {
			t.Errorf("docs/router.md does not name %s", m[1])
		}
	}
}
