package servercmd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/program"
)

// maxDev bounds the nodes of --dev: all of them share this process.
const maxDev = 9

// devPatience is how long the nodes may take to become one cluster.
const devPatience = time.Minute

// runDev runs n nodes in this process until a signal ends them.
func runDev(env *Env, c config.Server, n int, keep bool) error {
	if n < 1 || n > maxDev {
		return fmt.Errorf("--dev %d: a number of nodes from 1 to %d", n, maxDev)
	}
	if c.InMemory {
		return fmt.Errorf("--dev: nodes that keep nothing on disk (in-memory) cannot have peers; without --data-dir their data is temporary")
	}
	port, err := devPort(c.Addr)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	logger := program.NewLogger(env.Stderr, &c, level)
	if c.LogLevel == config.Default().LogLevel {
		level.Set(slog.LevelWarn) // what nodes say to each other is too much for trying
	}
	cfg := vegadb.DevConfig{Port: port, Node: vegadb.Config{Server: c, Logger: logger, OnFatal: func(err error) {
		fmt.Fprintf(env.Stderr, "vega-server: going on could lose data, so this ends here: %s\n", program.OneLine(err.Error()))
		env.Exit(1)
	}}}
	if keep {
		cfg.Dir = c.DataDir
	}
	ctx, cancel := context.WithTimeout(context.Background(), devPatience)
	defer cancel()
	started := time.Now()
	cluster, err := vegadb.StartDevCluster(ctx, n, cfg)
	if err != nil {
		return err
	}
	writeDevBanner(env, c, cluster, keep, time.Since(started))
	for sig := range env.Signals {
		if sig == syscall.SIGHUP {
			for _, node := range cluster.Nodes() {
				if err := node.Reload(); err != nil {
					logger.Error("reload failed; what could not be read stays as it was", "error", program.OneLine(err.Error()))
				}
			}
			continue
		}
		break
	}
	ctx, cancelStop := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancelStop()
	return cluster.Close(ctx)
}

// devPort is the first node's data port.
func devPort(addr string) (int, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return 0, fmt.Errorf("--dev: its nodes are on the loopback; %s is not", addr)
	}
	return strconv.Atoi(text)
}

func writeDevBanner(env *Env, c config.Server, cluster *vegadb.DevCluster, keep bool, took time.Duration) {
	w := env.Stdout
	fmt.Fprintf(w, "VegaDB %s: a cluster of %d nodes in one process, for trying\n", vegadb.Version, len(cluster.Nodes()))
	for i, node := range cluster.Nodes() {
		fmt.Fprintf(w, "  node %d   %s", i+1, node.Addr())
		if a := node.AdminAddr(); a != "" {
			fmt.Fprintf(w, ", http://%s", a)
		}
		fmt.Fprintf(w, ", peers %s\n", node.PeerAddr())
	}
	if keep {
		fmt.Fprintf(w, "  files    %s\n", c.DataDir)
	} else {
		fmt.Fprintf(w, "  files    temporary; --data-dir keeps them\n")
	}
	replicas := min(c.Replicas, len(cluster.Nodes()))
	fmt.Fprintf(w, "  promise  a write is on the disks of %d of %d nodes before its reply (fsync %s)\n", replicas/2+1, replicas, c.Fsync)
	first := cluster.Nodes()[0].Addr()
	client := "vega-client"
	if first != config.Default().Addr {
		client += " --addr " + first
	}
	_, port, _ := net.SplitHostPort(first)
	fmt.Fprintf(w, "Ready after %s. Try, and stop it with Ctrl-C:\n  %s cluster status\n  %s put greeting hello\n  redis-cli -c -p %s get greeting\n",
		took.Round(time.Millisecond), client, client, port)
}
