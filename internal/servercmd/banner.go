package servercmd

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/config"
)

// writeBanner says in a few lines where the server listens and what it
// promises.
func writeBanner(w io.Writer, c config.Server, node Node) {
	fmt.Fprintf(w, "VegaDB %s\n", vegadb.Version)
	protocols := "native protocol and RESP"
	if c.TLSCert != "" {
		protocols += ", over TLS"
	}
	fmt.Fprintf(w, "  data     %s (%s)\n", node.Addr(), protocols)
	if a := node.AdminAddr(); a != "" {
		fmt.Fprintf(w, "  admin    http://%s\n", a)
	}
	if peers := node.PeerAddr(); peers != "" {
		fmt.Fprintf(w, "  peers    %s", peers)
		if c.Join != "" {
			fmt.Fprintf(w, ", of the cluster at %s", c.Join)
		} else {
			fmt.Fprintf(w, "; others join with --join %s", peers)
		}
		fmt.Fprintln(w)
	}
	if c.InMemory {
		fmt.Fprintf(w, "  promise  none: everything is gone when the server ends (in-memory)\n")
	} else {
		fmt.Fprintf(w, "  files    %s\n", c.DataDir)
		fmt.Fprintf(w, "  promise  %s (fsync %s)\n", promise(c.Fsync), c.Fsync)
	}
	switch {
	case c.UsersFile != "":
		fmt.Fprintf(w, "  users    %s\n", c.UsersFile)
	case c.AllowNoAuth:
		fmt.Fprintf(w, "  users    none: whoever reaches the port may read and write everything (allow-no-auth)\n")
	}
}

func promise(fsync string) string {
	switch fsync {
	case config.FsyncAlways:
		return "a write is on disk before its reply"
	case config.FsyncEverySec:
		return "a write is on disk within a second; a power cut may lose that second"
	default:
		return "a write is on disk when the system likes; a power cut may lose the rest"
	}
}

// writeReady says that the data is there, and what to type next.
func writeReady(w io.Writer, c config.Server, node Node, took time.Duration) {
	f := node.Facts()
	if f.Cluster != nil && len(f.Cluster.Members) > 1 {
		copies := min(f.Cluster.Replicas, len(f.Cluster.Members))
		fmt.Fprintf(w, "Ready after %s: one of %d nodes of the cluster %.8s. A write is acknowledged when %d of the %d copies of its partition have it.",
			took.Round(time.Millisecond), len(f.Cluster.Members), f.Node.ClusterID, copies/2+1, copies)
	} else {
		fmt.Fprintf(w, "Ready after %s with %d keys in %d partitions.", took.Round(time.Millisecond), f.Node.Keys, f.Node.Partitions)
	}
	host, port, err := net.SplitHostPort(node.Addr())
	if err != nil || c.UsersFile != "" || c.TLSCert != "" {
		fmt.Fprint(w, " Ctrl-C stops it.\n")
		return
	}
	fmt.Fprint(w, " Try, and stop it with Ctrl-C:\n")
	client, redis := "vega-client", "redis-cli -p "+port
	if f.Cluster != nil && len(f.Cluster.Members) > 1 {
		redis = "redis-cli -c -p " + port
	}
	if node.Addr() != config.Default().Addr {
		client += " --addr " + node.Addr()
	}
	if ip := net.ParseIP(host); ip != nil && !ip.IsLoopback() && !ip.IsUnspecified() {
		redis += " -h " + host
	}
	if f.Cluster != nil && len(f.Cluster.Members) > 1 {
		fmt.Fprintf(w, "  %s cluster status\n", client)
	}
	fmt.Fprintf(w, "  %s put greeting hello\n  %s get greeting\n", client, redis)
}
