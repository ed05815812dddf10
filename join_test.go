package vegadb_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/admin"
	"github.com/prakashpandey/vegadb/vegadbtest"
)

// onDisk is a node with a data directory and a peer port.
func onDisk(dir, join string) func(*vegadb.Config) {
	return func(c *vegadb.Config) {
		c.InMemory, c.DataDir, c.PeerAddr, c.Join, c.Partitions = false, dir, "127.0.0.1:0", join, 0
	}
}

// refused starts a node that must not start, within a few seconds, and returns why.
func refused(t *testing.T, options ...func(*vegadb.Config)) string {
	t.Helper()
	cfg := vegadb.DefaultConfig()
	cfg.Addr, cfg.AdminAddr = "127.0.0.1:0", ""
	cfg.LogSegmentBytes, cfg.MaxValueBytes = 8<<20, 1<<20
	cfg.OnFatal = func(err error) { t.Errorf("vegadb: %v", err) }
	for _, option := range options {
		option(&cfg)
	}
	node, err := vegadb.Start(cfg)
	if err == nil {
		node.Close(context.Background())
		t.Fatal("it starts")
	}
	return err.Error()
}

func mustSay(t *testing.T, what, said string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(said, word) {
			t.Errorf("%s is refused with %q, which does not say %q", what, said, word)
		}
	}
}

func TestWhoMayNotJoinIsToldWhy(t *testing.T) {
	t.Parallel()
	first := vegadbtest.Start(t, onDisk(t.TempDir(), ""), func(c *vegadb.Config) { c.AdminAddr = "127.0.0.1:0" })

	other := t.TempDir()
	vegadbtest.Stop(t, vegadbtest.Start(t, onDisk(other, "")))
	mustSay(t, "a node of another cluster", refused(t, onDisk(other, first.PeerAddr())), "belongs to cluster", "leave --join out")
	vegadbtest.Stop(t, vegadbtest.Start(t, onDisk(other, "127.0.0.1:1"))) // seeds that do not answer are not needed

	mustSay(t, "another number of partitions", refused(t, onDisk(t.TempDir(), first.PeerAddr()), func(c *vegadb.Config) { c.Partitions = 8 }),
		"64 partitions", "leave --partitions out")
	mustSay(t, "a data port for a seed", refused(t, onDisk(t.TempDir(), first.Addr())), first.Addr()+" is no node's peer port", "a port for clients answers there", "8344")
	mustSay(t, "an admin port for a seed", refused(t, onDisk(t.TempDir(), first.AdminAddr())), first.AdminAddr()+" is no node's peer port", "HTTP answers there", "8344")
	mustSay(t, "a node that keeps nothing", refused(t, func(c *vegadb.Config) { c.InMemory, c.Join = true, first.PeerAddr() }), "in-memory")

	// A copy of a member's data directory is the same node twice.
	member := t.TempDir()
	second := vegadbtest.Start(t, onDisk(member, first.PeerAddr()))
	twin := t.TempDir()
	copyLive(t, twin, member)
	cfg := vegadb.DefaultConfig()
	cfg.Addr, cfg.AdminAddr, cfg.DataDir, cfg.PeerAddr = "127.0.0.1:0", "", twin, "127.0.0.1:0"
	cfg.LogSegmentBytes, cfg.MaxValueBytes = 8<<20, 1<<20
	copied, err := vegadb.Start(cfg)
	if err == nil { // it serves nobody: the members do not talk to it
		if copied.Facts().State.Ready && copied.Facts().Node.Keys > 0 {
			t.Error("a copy serves data")
		}
		copied.Close(context.Background())
	}
	if !second.Facts().State.Ready {
		t.Error("the member that was copied does not serve any more")
	}
}

// copyLive copies the directory of a node that runs: files come and go meanwhile.
func copyLive(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Fault 11: a node whose log is gone may not vote under its old identity.
func TestANodeWhoseDiskWasWipedDoesNotStartUnderItsOldIdentity(t *testing.T) {
	t.Parallel()
	first := vegadbtest.Start(t, onDisk(t.TempDir(), ""))
	dir := t.TempDir()
	vegadbtest.Stop(t, vegadbtest.Start(t, onDisk(dir, first.PeerAddr())))
	for _, part := range []string{"log", "snapshots"} {
		err := filepath.WalkDir(filepath.Join(dir, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return os.Remove(path)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	mustSay(t, "a wiped node", refused(t, onDisk(dir, first.PeerAddr())), "the log is gone", "--join")
}

func TestPeersProveWhoTheyAreByCertificate(t *testing.T) {
	t.Parallel()
	ca := t.TempDir()
	cert, key, _ := writeCertificate(t, ca, "peers")
	strange := t.TempDir()
	strangeCert, strangeKey, _ := writeCertificate(t, strange, "strangers")
	with := func(cert, key, ca string) func(*vegadb.Config) {
		return func(c *vegadb.Config) { c.PeerTLSCert, c.PeerTLSKey, c.PeerTLSCA = cert, key, ca }
	}
	first := vegadbtest.Start(t, onDisk(t.TempDir(), ""), with(cert, key, cert))
	second := vegadbtest.Start(t, onDisk(t.TempDir(), first.PeerAddr()), with(cert, key, cert))
	if second.Facts().Node.ClusterID != first.Facts().Node.ClusterID {
		t.Error("the second node is in another cluster")
	}
	mustSay(t, "a certificate of somebody else", refused(t, onDisk(t.TempDir(), first.PeerAddr()), with(strangeCert, strangeKey, strangeCert)),
		"cannot join a cluster", "certificate")
}

// The meta state has nobody's address any more, and nobody can be told: --join says where
// to begin.
func TestNodesThatHaveAllMovedFindEachOtherByJoin(t *testing.T) {
	t.Parallel()
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	nodes := make([]*vegadb.Node, len(dirs))
	start := func() {
		seed := ""
		for i, dir := range dirs {
			nodes[i] = vegadbtest.Start(t, onDisk(dir, seed)) // at ports that nobody has heard of
			seed = nodes[0].PeerAddr()
		}
	}
	whole := func() {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			c := nodes[2].Facts().Cluster
			if c != nil && c.Partitions.WithoutLeader+c.Partitions.Degraded == 0 && len(c.Members) == len(nodes) && c.Raft.Followers > 0 && everyMemberAt(c, nodes) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the cluster is not whole: %+v", c)
			}
		}
	}
	start()
	whole()
	var stops sync.WaitGroup
	for _, node := range nodes {
		stops.Go(func() { vegadbtest.Stop(t, node) })
	}
	stops.Wait()
	start()
	whole()
}

// everyMemberAt reports whether the members are known to be up where the nodes are.
func everyMemberAt(c *admin.Cluster, nodes []*vegadb.Node) bool {
	at := map[string]bool{}
	for i := range c.Members {
		if c.Members[i].State == "active" {
			at[c.Members[i].PeerAddr] = true
		}
	}
	for _, node := range nodes {
		if !at[node.PeerAddr()] {
			return false
		}
	}
	return true
}
