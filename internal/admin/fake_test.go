package admin

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// fake is a Source whose facts the test writes.
type fake struct{ facts Facts }

func (f *fake) Facts() Facts { return f.facts }
func (f *fake) State() State { return f.facts.State }

func busyNode() *fake {
	latency := Histogram{BoundsSeconds: []float64{1e-6, 4e-6, 16e-6}, Counts: []uint64{900_000, 330_000, 4_560, 7}, SumSeconds: 2.5}
	return &fake{Facts{
		State: State{Ready: true},
		Node: Node{Version: "v1.2.3", NodeID: "n-7f", ClusterID: "c-11", Addr: "127.0.0.1:8342", StartedAt: time.Now().Add(-90 * time.Minute),
			Durability: "always", Partitions: 64, Keys: 1234567, Expiring: 89, Expired: 12},
		Memory: Memory{UsedBytes: 300 << 20, LimitBytes: 2 << 30, RefusedWrites: 3},
		Log: Log{Segments: 3, DiskBytes: 192 << 20, LiveBytes: 100 << 20, Records: 55, Commits: 44, RefusedBusy: 1, RefusedNoSpace: 2,
			Fsync: Histogram{BoundsSeconds: []float64{.001, .01}, Counts: []uint64{90, 9, 1}, SumSeconds: .2}},
		Snapshot: Snapshot{LastOK: time.Now().Add(-time.Minute), LastBytes: 50 << 20, Written: 4, Failed: 1, LastError: "<script>alert(1)</script>"},
		Server: Server{Connections: map[string]int64{"resp": 40, "native": 2}, Closed: map[string]uint64{"peer": 10, "idle_timeout": 1},
			Accepted: 53, ReceivedBytes: 1000, SentBytes: 2000, Hits: 10, Misses: 4},
		Cluster:  busyCluster(),
		Commands: []Command{{Name: "get", Latency: latency}, {Name: "set", Errors: 2, Latency: latency}},
	}}
}

// busyCluster is a cluster of three nodes, one of them down, with a move under way.
func busyCluster() *Cluster {
	a, b, c := strings.Repeat("a1", 16), strings.Repeat("b2", 16), strings.Repeat("c3", 16)
	heard := time.Now().Add(-2 * time.Second)
	return &Cluster{
		Member: true, Epoch: 42, Replicas: 3, MetaLeader: a, MetaTerm: 7, MetaContact: time.Now(), Sessions: 9,
		Members: []Member{
			{ID: a, Self: true, Addr: "10.0.0.1:8342", AdminAddr: "10.0.0.1:8343", Zone: "east", State: "active", Meta: "voter", Leads: 33, Replicas: 64},
			{ID: b, Addr: "10.0.0.2:8342", AdminAddr: "10.0.0.2:8343", Zone: "west", State: "active", Meta: "voter", Leads: 31, Replicas: 64, LastHeard: heard},
			{ID: c, Addr: "10.0.0.3:8342", State: "down", Meta: "voter", Replicas: 64, LastHeard: heard.Add(-time.Minute)},
		},
		Moves:      []Move{{Partition: 5, From: c, To: b, Step: "copying", SentBytes: 1 << 20, TotalBytes: 4 << 20}, {Partition: 6, To: a, Step: "adding"}},
		Partitions: Partitions{Total: 64, Degraded: 64, WithoutLeader: 2},
		Raft: Raft{Leaders: 34, Followers: 31, Elections: 5, ElectionsWon: 4, LeaderChanges: 70, Applied: 1000, Unknown: 2, Busy: 3, ReadRounds: 50,
			ReadRoundsOK: 49, LogMemoryBytes: 1 << 20, ApplyLag: 3, Laggards: 33, WorkerTurns: 100000, WorkerBusySeconds: 1.5},
		Reads:     Reads{ByLevel: map[string]uint64{"linearizable": 70, "lease": 20, "session": 5, "bounded": 4, "local": 1}, LeaseHits: 19, Waited: 71},
		Snapshots: Transfers{Sent: 3, SendFailed: 1, SentBytes: 5000, Sending: 1, SendingSent: 1 << 20, SendingPending: 3 << 20},
		Peers:     []Peer{{ID: b, Addr: "10.0.0.2:8344", Connected: true, LastHeard: heard, SentFrames: 10, SentBytes: 999}, {ID: c, Dropped: 8, LastError: "connection refused"}},
	}
}

// get asks the handler for path, with a name and password unless name is empty.
func get(t *testing.T, h http.Handler, path, name, password string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if name != "" {
		r.SetBasicAuth(name, password)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func options(s Source) Options { return Options{Source: s, Logger: slog.New(slog.DiscardHandler)} }

// threeUsers are ann (admin), wes (write) and rea (read), each with its own
// name as password.
func threeUsers(t *testing.T) *auth.Users {
	t.Helper()
	fs := vfs.NewMem()
	f, err := fs.Create("users")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, role := range map[string]string{"ann": "admin", "wes": "write", "rea": "read"} {
		hash, err := auth.HashIterations(name, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(fmt.Sprintf("[users.%s]\nrole = %q\npassword = %q\n", name, role, hash))); err != nil {
			t.Fatal(err)
		}
	}
	users, err := auth.Load(fs, "users")
	if err != nil {
		t.Fatal(err)
	}
	return users
}

func wantContains(t *testing.T, body string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(body, p) {
			t.Errorf("%q is missing in:\n%s", p, body)
		}
	}
}
