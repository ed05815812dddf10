package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/vegadbtest"
)

func TestRealServerKeepsWhatItAcknowledgedOverARestart(t *testing.T) {
	dir := t.TempDir()
	address := "127.0.0.1:0"
	durable := func(cfg *vegadb.Config) { cfg.InMemory, cfg.DataDir, cfg.Addr = false, dir, address }
	node := vegadbtest.Start(t, durable)
	address = node.Addr()
	c, err := Open(context.Background(), Options{Addresses: []string{address}, Timeout: 30 * time.Second})
	must(t, err)
	defer c.Close()

	var acknowledged, unknown atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := c.Increment(context.Background(), "n", 1)
				switch {
				case err == nil:
					acknowledged.Add(1)
				case errors.Is(err, ErrUnknownOutcome):
					unknown.Add(1)
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	for range 3 {
		before := acknowledged.Load()
		for acknowledged.Load() < before+50 {
			must(t, c.Ping(context.Background()))
		}
		vegadbtest.Stop(t, node)
		node = vegadbtest.Start(t, durable)
	}
	close(stop)
	wg.Wait()
	n, err := c.Increment(context.Background(), "n", 0)
	must(t, err)
	if n < acknowledged.Load() || n > acknowledged.Load()+unknown.Load() {
		t.Fatalf("the counter is %d after %d acknowledged and %d unknown increments", n, acknowledged.Load(), unknown.Load())
	}
}

func TestRealServerChecksUsersAndPrefixes(t *testing.T) {
	hash, err := auth.Hash("s3cret")
	must(t, err)
	file := filepath.Join(t.TempDir(), "users.toml")
	users := fmt.Sprintf("[users.ann]\npassword = %q\nrole = \"write\"\nprefixes = [\"app:\"]\n", hash)
	must(t, os.WriteFile(file, []byte(users), 0o600))
	node := vegadbtest.Start(t, func(cfg *vegadb.Config) {
		cfg.UsersFile = file
		cfg.HandshakeTimeout = time.Minute // passwords are slow to check, more so with the race detector on a busy machine
	})
	ctx := context.Background()

	_, err = Open(ctx, Options{Addresses: []string{node.Addr()}, DialTimeout: time.Minute})
	wantErr(t, err, ErrUnauthenticated)
	_, err = Open(ctx, Options{Addresses: []string{node.Addr()}, DialTimeout: time.Minute, Username: "ann", Password: "guess"})
	wantErr(t, err, ErrUnauthenticated)
	c, err := Open(ctx, Options{Addresses: []string{node.Addr()}, DialTimeout: time.Minute, Username: "ann", Password: "s3cret"})
	must(t, err)
	defer c.Close()
	_, err = c.Put(ctx, "app:1", nil)
	must(t, err)
	_, err = c.Put(ctx, "other", nil)
	wantErr(t, err, ErrPermission)
	wantErr(t, c.Flush(ctx), ErrPermission)
}

func TestRealServerOverTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, pool := certificate(t, dir)
	node := vegadbtest.Start(t, func(cfg *vegadb.Config) { cfg.TLSCert, cfg.TLSKey = cert, key })
	ctx := context.Background()
	c, err := Open(ctx, Options{Addresses: []string{node.Addr()}, TLS: &tls.Config{RootCAs: pool}})
	must(t, err)
	defer c.Close()
	for i := range 100 {
		value := make([]byte, i*1000)
		_, err := c.Put(ctx, "k", value)
		must(t, err)
		got, err := c.Get(ctx, "k")
		if err != nil || len(got) != len(value) {
			t.Fatal(len(got), err)
		}
	}
	_, err = Open(ctx, Options{Addresses: []string{node.Addr()}, TLS: &tls.Config{}})
	if wantErr(t, err, ErrUnavailable); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Fatal(err)
	}
}

// certificate makes one for 127.0.0.1, signed by itself.
func certificate(t *testing.T, dir string) (certFile, keyFile string, pool *x509.CertPool) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(certFile, certPEM, 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, pool
}

func TestRealServerManyGoroutines(t *testing.T) {
	node := vegadbtest.Start(t)
	c, err := Open(context.Background(), Options{Addresses: []string{node.Addr()}})
	must(t, err)
	defer c.Close()
	var wg sync.WaitGroup
	for g := range 1000 {
		wg.Go(func() {
			key := fmt.Sprint("key", g)
			for i := range 20 {
				want := fmt.Sprint(g, ".", i)
				if _, err := c.Put(context.Background(), key, []byte(want)); err != nil {
					t.Error(err)
				}
				if got, err := c.Get(context.Background(), key); err != nil || string(got) != want {
					t.Errorf("%q, want %q, %v", got, want, err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := c.Count(context.Background()); err != nil || n != 1000 {
		t.Fatal(n, err)
	}
}

// brittle is a connection that breaks after some bytes have been read: replies are
// lost with it.
type brittle struct {
	net.Conn
	left atomic.Int64
}

func (c *brittle) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.left.Add(-int64(n)) < 0 {
		c.Conn.Close()
		return 0, errors.New("the line is cut")
	}
	return n, err
}

func TestRealServerAppliesOnceWhatIsRepeated(t *testing.T) {
	node := vegadbtest.Start(t)
	var dials atomic.Int64
	opts := Options{Addresses: []string{node.Addr()}, Timeout: time.Minute}
	opts.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := &brittle{Conn: nc}
		c.left.Store(1000 + dials.Add(1)*37%500)
		return c, nil
	}
	c, err := Open(context.Background(), opts)
	must(t, err)
	defer c.Close()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			key := fmt.Sprint("counter-", w)
			var b Batch
			for i := range int64(60) {
				if n, err := c.Increment(context.Background(), key, 1); n != 3*i+1 || err != nil {
					t.Errorf("%d %v, want %d", n, err, 3*i+1)
					return
				}
				b.Reset()
				b.Increment(key, 1)
				b.Put(fmt.Sprint(key, " ", i), nil, IfAbsent()) // in another partition
				b.Increment(key, 1)
				results, err := c.Batch(context.Background(), &b)
				if err != nil || results[2].Int != 3*i+3 || results[1].Err() != nil {
					t.Errorf("%+v %v, want %d", results, err, 3*i+3)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := dials.Load(); n < 10 {
		t.Errorf("%d connections: nothing was lost", n)
	}
}
