package router

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// cluster is the backend that package client is.
type cluster struct{ c *client.Client }

// maxPasswordFile bounds the file of a password, in bytes.
const maxPasswordFile = 4 << 10

// clientOptions turns settings into what client.Open takes. It reads the files that
// the settings name.
func clientOptions(s *config.Router) (client.Options, error) {
	o := client.Options{
		Addresses: s.Addresses(), Username: s.ClusterUser, Name: "vega-router",
		Connections: s.ClusterConnections, Timeout: s.RequestTimeout, MaxInFlight: 1 << 16, MaxInFlightBytes: 64 << 20,
	}
	if s.ClusterPasswordFile != "" {
		text, err := os.ReadFile(s.ClusterPasswordFile)
		if err != nil {
			return o, fmt.Errorf("cluster-password-file: %w", err)
		}
		if len(text) > maxPasswordFile {
			return o, fmt.Errorf("cluster-password-file: %s is too long for a password", s.ClusterPasswordFile)
		}
		o.Password, _, _ = strings.Cut(string(text), "\n")
		if o.Password = strings.TrimSuffix(o.Password, "\r"); o.Password == "" {
			return o, fmt.Errorf("cluster-password-file: the first line of %s is empty", s.ClusterPasswordFile)
		}
	}
	if s.UsesTLS() {
		var err error
		if o.TLS, err = clientTLS(s); err != nil {
			return o, err
		}
	}
	return o, nil
}

func clientTLS(s *config.Router) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.ClusterTLSName}
	if s.ClusterTLSCA != "" {
		pem, err := os.ReadFile(s.ClusterTLSCA)
		if err != nil {
			return nil, fmt.Errorf("cluster-tls-ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cluster-tls-ca: %s holds no certificate in PEM form", s.ClusterTLSCA)
		}
	}
	if s.ClusterTLSCert != "" {
		// Read for each connection, so that a renewed one is shown without a restart.
		load := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(s.ClusterTLSCert, s.ClusterTLSKey)
			if err != nil {
				return nil, fmt.Errorf("cluster-tls-cert %s with cluster-tls-key %s: %w", s.ClusterTLSCert, s.ClusterTLSKey, err)
			}
			return &pair, nil
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return t, nil
}

// openCluster connects to the first address that answers.
func openCluster(ctx context.Context, o client.Options) (backend, error) {
	c, err := client.Open(ctx, o)
	if err != nil {
		return nil, err // not a nil *client.Client in an interface
	}
	return cluster{c}, nil
}

// Forward implements backend.
func (b cluster) Forward(ctx context.Context, partition int, req *wire.Request, reply *wire.Response) error {
	return b.c.Forward(ctx, partition, req, reply)
}

// Count implements backend.
func (b cluster) Count(ctx context.Context) (int64, error) { return b.c.Count(ctx) }

// Flush implements backend.
func (b cluster) Flush(ctx context.Context) error { return b.c.Flush(ctx) }

// Close implements backend.
func (b cluster) Close() error { return b.c.Close() }

// errNoNode is why nothing is known of the cluster. Never changed.
var errNoNode = errors.New("no node is connected")

// View implements backend. The topology is what the client goes by; that a node answers
// is asked.
func (b cluster) View(ctx context.Context) (*view, error) {
	if err := b.c.Ping(ctx); err != nil {
		return nil, err
	}
	t, err := b.c.Topology(ctx)
	if err != nil {
		return nil, err
	}
	if len(t.Partitions) == 0 {
		return nil, errors.New("the cluster has no partitions yet")
	}
	offer, ok := b.c.Offer()
	if !ok {
		return nil, errNoNode
	}
	v := &view{ClusterID: t.ClusterID, Partitions: len(t.Partitions), Epoch: t.Epoch, Nodes: len(t.Nodes), Limits: offer.Limits}
	if offer.Sessions {
		v.Features = wire.FeatureSessions
	}
	if offer.ClockMs != 0 {
		v.ClockAheadMs = int64(offer.ClockMs) - time.Now().UnixMilli()
	}
	for _, n := range t.Nodes {
		if n.State == wire.NodeDown {
			v.NodesDown++
		}
	}
	for _, p := range t.Partitions {
		if p.Leader < 0 {
			v.Leaderless++
		}
	}
	return v, nil
}
