package admin

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetricsFollowPrometheusConventions(t *testing.T) {
	problems, err := testutil.CollectAndLint(newCollector(busyNode()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestMetricsAreConsistentAndPrefixed(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(busyNode()))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "vegadb_") {
			t.Errorf("%s lacks the prefix", f.GetName())
		}
		if f.GetHelp() == "" || !strings.HasSuffix(f.GetHelp(), ".") {
			t.Errorf("%s: help %q is no sentence", f.GetName(), f.GetHelp())
		}
	}
}

func TestMetricsShowTheFacts(t *testing.T) {
	w := get(t, newHandler(options(busyNode())), "/metrics", "", "")
	wantContains(t, w.Body.String(),
		"vegadb_ready 1\n", "vegadb_keys 1.234567e+06\n", "vegadb_memory_limit_bytes 2.147483648e+09\n", "vegadb_memory_refused_writes_total 3\n",
		`vegadb_node_info{cluster_id="c-11",durability="always",node_id="n-7f"} 1`, `vegadb_build_info{go_version="go`,
		`vegadb_connections{protocol="resp"} 40`, `vegadb_connections_closed_total{reason="idle_timeout"} 1`,
		`vegadb_log_refused_writes_total{reason="no_space"} 2`, `vegadb_snapshots_total{result="failed"} 1`,
		`vegadb_command_errors_total{command="set"} 2`,
		`vegadb_command_duration_seconds_bucket{command="get",le="4e-06"} 1.23e+06`,
		`vegadb_command_duration_seconds_bucket{command="get",le="+Inf"} 1.234567e+06`,
		`vegadb_command_duration_seconds_sum{command="get"} 2.5`, `vegadb_command_duration_seconds_count{command="get"} 1.234567e+06`,
		`vegadb_log_fsync_duration_seconds_bucket{le="0.01"} 99`, "vegadb_log_fsync_duration_seconds_count 100",
		"vegadb_cluster_member 1\n", "vegadb_cluster_epoch 42\n", "vegadb_cluster_meta_leader 1\n", "vegadb_cluster_partitions_degraded 64\n",
		`vegadb_cluster_members{state="active"} 2`, `vegadb_cluster_members{state="down"} 1`, `vegadb_cluster_members{state="draining"} 0`,
		`vegadb_cluster_moves{step="copying"} 1`, `vegadb_raft_groups{role="leader"} 34`, `vegadb_raft_proposals_total{outcome="unknown"} 2`,
		`vegadb_reads_total{level="linearizable"} 70`, `vegadb_lease_reads_total{result="hit"} 19`, `vegadb_lease_reads_total{result="round"} 1`,
		`vegadb_raft_snapshots_total{direction="sent",result="failed"} 1`, "vegadb_raft_snapshots_sending_pending_bytes 3.145728e+06\n",
		`vegadb_peer_connected{peer="b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"} 1`, `vegadb_peer_dropped_frames_total{peer="c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3"} 8`,
		"go_goroutines ", "go_memstats_heap_alloc_bytes ", "process_resident_memory_bytes ",
	)
}

func TestMetricsOfANodeWithoutPeersSayNothingOfACluster(t *testing.T) {
	alone := busyNode()
	alone.facts.Cluster = nil
	body := get(t, newHandler(options(alone)), "/metrics", "", "").Body.String()
	if found := regexp.MustCompile(`(?m)^vegadb_(cluster|raft|peer|reads|sessions).*$`).FindString(body); found != "" {
		t.Error(found)
	}
}

// A node that loads has none of its figures yet; a scrape must work all the same.
func TestMetricsOfAnEmptySource(t *testing.T) {
	w := get(t, newHandler(options(&fake{})), "/metrics", "", "")
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wantContains(t, w.Body.String(), "vegadb_ready 0\n", "vegadb_log_fsync_duration_seconds_count 0\n", "vegadb_snapshot_last_success_timestamp_seconds 0\n")
	if bad := regexp.MustCompile(`(?m)^vegadb_.*(NaN| -).*$`).FindString(w.Body.String()); bad != "" {
		t.Error(bad)
	}
}

func TestQuantileIsTheBoundOfItsBucket(t *testing.T) {
	h := Histogram{BoundsSeconds: []float64{1, 2, 4}, Counts: []uint64{50, 40, 9, 1}}
	for q, want := range map[float64]float64{0: 1, .25: 1, .5: 1, .51: 2, .9: 2, .95: 4, .999: 4, 1: 4} {
		if got := h.Quantile(q); math.Abs(got-want) > 1e-9 {
			t.Errorf("Quantile(%v) = %v, want %v", q, got, want)
		}
	}
	if got := (Histogram{}).Quantile(.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
