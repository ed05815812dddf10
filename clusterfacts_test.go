package vegadb_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/client"
)

// What clients have asked of a cluster is what its nodes' figures say, in every place that
// shows them.
func TestFactsOfAClusterTellWhatWasAsked(t *testing.T) {
	c := startDevCluster(t, 3)
	db, err := client.Open(t.Context(), client.Options{Addresses: c.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Put(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	// A local read on a replica that is behind finds nothing, as it may.
	for _, node := range c.Nodes() {
		for deadline := time.Now().Add(30 * time.Second); node.Facts().Node.Keys < 1; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("a replica does not get the entry")
			}
		}
	}
	const each = 20
	for range each {
		for _, option := range []client.Option{
			client.WithConsistency(client.Linearizable), client.WithConsistency(client.Lease), client.WithConsistency(client.SessionReads),
			client.WithMaxStaleness(time.Minute), client.WithConsistency(client.LocalReads),
		} {
			if _, err := db.Get(t.Context(), "k", option); err != nil {
				t.Fatal(err)
			}
		}
	}
	var told string
	for deadline := time.Now().Add(30 * time.Second); ; {
		if told = figures(c, each); told == "" || time.Now().After(deadline) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if told != "" {
		t.Error(told)
	}
	info := redisInfo(t, c.Addrs()[0])
	for _, want := range []string{"cluster_nodes:3", "cluster_nodes_down:0", "peers_connected:2", "partitions_without_leader:0", "raft_laggards:", "cluster_detached:\r\n"} {
		if !strings.Contains(info, want) {
			t.Errorf("INFO lacks %s:\n%s", want, info)
		}
	}
}

// figures says what of the nodes' figures does not fit yet: they are a moment old.
func figures(c *vegadb.DevCluster, each uint64) string {
	reads, hits, sessions, leaders, rounds := map[string]uint64{}, uint64(0), int64(0), 0, uint64(0)
	for _, node := range c.Nodes() {
		f := node.Facts()
		if !f.State.Ready || f.State.Reason != "" || f.Cluster == nil || len(f.Cluster.Members) != 3 || len(f.Cluster.Peers) != 2 {
			return fmt.Sprintf("%+v", f)
		}
		for level, n := range f.Cluster.Reads.ByLevel {
			reads[level] += n
		}
		hits += f.Cluster.Reads.LeaseHits
		sessions += f.Cluster.Sessions
		rounds += f.Cluster.Raft.ReadRounds
		leaders += f.Cluster.Raft.Leaders
	}
	for level, n := range reads {
		if n < each { // more: one that had to be asked again
			return fmt.Sprintf("%d reads at level %s, want %d", n, level, each)
		}
	}
	if len(reads) != 5 || hits > reads["lease"] || rounds == 0 || sessions < 1 || leaders != 16+1 {
		return fmt.Sprintf("reads %v, %d lease hits, %d rounds, %d sessions, %d leaders", reads, hits, rounds, sessions, leaders)
	}
	return ""
}

// redisInfo asks a node for INFO, as Redis's tools do.
func redisInfo(t *testing.T, addr string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("INFO replication cluster\r\n")); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	var size int
	if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, size)
	for n := 0; n < size; {
		more, err := r.Read(text[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += more
	}
	return string(text)
}
