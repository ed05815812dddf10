// Package vegadb runs a VegaDB node inside a Go program: the same node that
// vega-server runs, with its data directory, both protocols on one port and,
// if wanted, the admin API.
//
//	cfg := vegadb.DefaultConfig()
//	cfg.DataDir = "/var/lib/app/vega"
//	cfg.AdminAddr = "" // no HTTP
//	node, err := vegadb.Start(cfg)
//	if err != nil { … }
//	defer node.Close(context.Background())
//	db, err := client.Open(ctx, client.Options{Addresses: []string{node.Addr()}})
//
// For tests, package vegadbtest starts a node on a free port in a temporary
// directory.
package vegadb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/admin"
	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/certs"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/server"
	"github.com/prakashpandey/vegadb/internal/version"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Version is the release this source tree leads to.
const Version = version.Release

// Config says what a node is. Make one with DefaultConfig and change what
// differs; docs/configuration.md describes the settings.
type Config struct {
	config.Server
	// Logger takes the node's log. Default: none.
	Logger *slog.Logger
	// OnFatal is called when going on could lose data (an fsync has failed, say).
	// It must end the process. Default: panic, on a goroutine of the node's.
	OnFatal func(error)
	// OnShutdown is called when a client sends SHUTDOWN; it must return at once.
	// Default: clients cannot stop the node.
	OnShutdown func()
	// OnSettings is called after a client has changed settings (CONFIG SET).
	OnSettings func(old, now *config.Server) error
}

// DefaultConfig returns the configuration that vega-server has without flags: a
// durable node on 127.0.0.1:8342 with its data in ./vega-data.
func DefaultConfig() Config { return Config{Server: config.Default()} }

// Node is a running node. Its methods are safe for concurrent use.
type Node struct {
	cfg       Config
	live      *config.Live
	node      *node.Node
	server    *server.Server
	admin     *admin.HTTP // nil: none
	users     *auth.Users // nil: none
	certs     *certs.Certificates
	peerCerts *certs.Certificates

	adminAddr string
	stopLoad  context.CancelFunc
	ready     chan struct{} // closed when data can be served
	loaded    chan struct{} // closed when loading has ended, well or not
	loadErr   error         // set before loaded is closed
	closeOnce sync.Once
	closeErr  error
	closed    chan struct{}
}

// Start starts a node and waits until its data is loaded.
func Start(cfg Config) (*Node, error) {
	n, err := Launch(cfg)
	if err != nil {
		return nil, err
	}
	if err := n.WaitReady(context.Background()); err != nil {
		return nil, errors.Join(err, n.Close(context.Background()))
	}
	return n, nil
}

// Launch starts a node and returns once it listens. Until its data is loaded
// (see WaitReady and Progress), clients are told that it is loading. On an error
// nothing is left running, and nothing on disk has been touched unless the data
// directory itself is at fault.
func Launch(cfg Config) (*Node, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, ready: make(chan struct{}), loaded: make(chan struct{}), closed: make(chan struct{})}
	if err := n.loadSecurity(); err != nil {
		return nil, err
	}
	adminLn, err := n.bind()
	if err != nil {
		return nil, err
	}
	if err := n.open(adminLn); err != nil {
		if adminLn != nil {
			adminLn.Close()
		}
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.stopLoad = cancel
	go n.load(ctx)
	return n, nil
}

// loadSecurity reads the users file and the certificates.
func (n *Node) loadSecurity() (err error) {
	if n.cfg.UsersFile != "" {
		if n.users, err = auth.Load(vfs.OS(), n.cfg.UsersFile); err != nil {
			return err
		}
	}
	if n.cfg.TLSCert != "" {
		n.certs, err = certs.Load(certs.Files{
			Cert: n.cfg.TLSCert, Key: n.cfg.TLSKey, ClientCA: n.cfg.TLSClientCA, MinVersion: n.cfg.TLSMinVersion,
		})
	}
	return err
}

// bind takes the admin port and makes sure that the data port is free, before
// anything on disk is touched.
func (n *Node) bind() (adminLn net.Listener, err error) {
	probe, err := net.Listen("tcp", n.cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("cannot serve clients on --addr %s: %w", n.cfg.Addr, err)
	}
	probe.Close()
	if n.cfg.AdminAddr == "" {
		return nil, nil
	}
	if adminLn, err = net.Listen("tcp", n.cfg.AdminAddr); err != nil {
		return nil, fmt.Errorf("cannot serve HTTP on --admin-addr %s: %w", n.cfg.AdminAddr, err)
	}
	n.adminAddr = adminLn.Addr().String()
	return adminLn, nil
}

// open claims the data directory and starts to listen.
func (n *Node) open(adminLn net.Listener) (err error) {
	o, err := n.nodeOptions()
	if err != nil {
		return err
	}
	if n.node, err = node.Open(o); err != nil {
		return err
	}
	n.cfg.Partitions = len(n.node.Partitions()) // the directory's, if the setting left it open
	n.live = config.NewLive(n.cfg.Server)
	so := server.Options{
		Node: n.node, Live: n.live, Users: n.users, Logger: n.cfg.Logger, Version: Version,
		Shutdown: n.cfg.OnShutdown, SettingsChanged: n.cfg.OnSettings, Facts: func() any { return n.Facts() },
	}
	if n.certs != nil {
		so.TLS = n.certs.Config()
	}
	n.server = server.New(so)
	if err := n.server.Start(n.cfg.Addr); err != nil {
		return errors.Join(err, n.node.Close())
	}
	if adminLn != nil {
		n.admin = admin.Serve(adminLn, admin.Options{
			Source: n, Users: n.users, Limiter: n.server.LoginLimiter(), DebugEndpoints: n.cfg.DebugEndpoints, Logger: n.cfg.Logger,
		})
	}
	return nil
}

func (n *Node) nodeOptions() (node.Options, error) {
	c := &n.cfg
	o := node.Options{
		Partitions: c.Partitions, Durability: durability(c.Fsync), MemoryLimit: c.MemoryLimit,
		MaxRecordBytes: maxRecordBytes(&c.Server), LogSegmentBytes: c.LogSegmentBytes, LogQueueBytes: c.LogQueueBytes,
		SnapshotLogBytes: c.SnapshotLogBytes, SnapshotKeep: c.SnapshotKeep, SnapshotRate: c.SnapshotRate,
		SweepBudget: c.SweepBudget, Logger: c.Logger, OnFatal: c.OnFatal,
	}
	if o.OnFatal == nil {
		o.OnFatal = func(err error) { panic(err) }
	}
	if !c.InMemory {
		o.Dir = c.DataDir
	}
	var err error
	if o.Cluster, err = n.clusterOptions(); err != nil {
		return o, err
	}
	return o, n.enterWorld(&o)
}

func (n *Node) load(ctx context.Context) {
	defer close(n.loaded)
	began := time.Now()
	n.node.Advertise(n.advertised(), n.adminAddr)
	if n.loadErr = n.node.Load(ctx); n.loadErr != nil {
		return
	}
	n.cfg.Logger.Debug("ready", "keys", n.node.Keys(), "took", time.Since(began).Round(time.Millisecond))
	close(n.ready)
}

// Ready is closed when the node's data is loaded. It never is if loading fails:
// see WaitReady.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// WaitReady waits until the node's data is loaded, or says why it cannot be.
func (n *Node) WaitReady(ctx context.Context) error {
	select {
	case <-n.loaded:
		return n.loadErr
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Progress says how far loading has come: what is being read, and of how many
// bytes (0 when that is not known).
func (n *Node) Progress() (what string, done, total int64) {
	p := n.node.Progress()
	return p.What, p.Done, p.Total
}

// Addr is the address that clients connect to, host:port.
func (n *Node) Addr() string { return n.server.Addr().String() }

// AdminAddr is the address of the admin HTTP API, "" without one.
func (n *Node) AdminAddr() string { return n.adminAddr }

// Reload reads the users file and the certificates again. What cannot be read
// stays as it was, and the error says so.
func (n *Node) Reload() error {
	var errs []error
	if n.users != nil {
		errs = append(errs, n.users.Reload())
	}
	for _, c := range []*certs.Certificates{n.certs, n.peerCerts} {
		if c != nil {
			errs = append(errs, c.Reload())
		}
	}
	return errors.Join(errs...)
}

// Settings returns the settings as they are now. Not to be changed.
func (n *Node) Settings() *config.Server { return n.live.Current() }

// Snapshot writes a snapshot of every partition that has changed, and waits for it.
func (n *Node) Snapshot(ctx context.Context) error { return n.node.Snapshot(ctx) }

// Done is closed when Close has finished.
func (n *Node) Done() <-chan struct{} { return n.closed }

// Close stops accepting, answers what is in flight, makes everything durable and
// gives the data directory back. ctx bounds how long clients are waited for;
// what they were told is durable in any case.
func (n *Node) Close(ctx context.Context) error {
	n.closeOnce.Do(func() {
		defer close(n.closed)
		n.stopLoad()
		<-n.loaded
		n.node.HandOver(ctx)
		errs := []error{n.server.Stop(ctx)}
		if n.admin != nil {
			errs = append(errs, n.admin.Close(ctx))
		}
		errs = append(errs, n.node.Close())
		n.closeErr = errors.Join(errs...)
	})
	return n.closeErr
}
