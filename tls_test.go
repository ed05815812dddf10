package vegadb_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/vegadbtest"
)

// writeCertificate makes a self-signed certificate for the loopback and returns
// the files' names and a pool that trusts it.
func writeCertificate(t *testing.T, dir, name string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return cert, key, pool
}

func TestTLSServesBothWaysOfKeepingData(t *testing.T) {
	for _, policy := range []string{"in-memory", "always"} {
		t.Run(policy, func(t *testing.T) {
			certs := t.TempDir()
			cert, key, pool := writeCertificate(t, certs, "first")
			node := vegadbtest.Start(t, func(c *vegadb.Config) {
				c.TLSCert, c.TLSKey = cert, key
				if policy != "in-memory" {
					c.InMemory, c.DataDir, c.Fsync = false, t.TempDir(), policy
				}
			})
			c := redis.NewClient(&redis.Options{Addr: node.Addr(), TLSConfig: &tls.Config{RootCAs: pool}})
			defer c.Close()
			exerciseGoRedis(t, c)

			big := strings.Repeat("x", 1<<20)
			if err := c.Set(t.Context(), "big", big, 0).Err(); err != nil {
				t.Fatal(err)
			}
			if got, err := c.Get(t.Context(), "big").Result(); err != nil || got != big {
				t.Fatalf("1 MiB came back as %d bytes, %v", len(got), err)
			}

			if _, err := tls.Dial("tcp", node.Addr(), &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS12}); err == nil {
				t.Error("TLS 1.2 was accepted, although the minimum is 1.3")
			}
			_, _, newPool := writeCertificate(t, certs, "second")
			if err := node.Reload(); err != nil {
				t.Fatal(err)
			}
			renewed := redis.NewClient(&redis.Options{Addr: node.Addr(), TLSConfig: &tls.Config{RootCAs: newPool}})
			defer renewed.Close()
			if err := renewed.Ping(t.Context()).Err(); err != nil {
				t.Errorf("the renewed certificate is not shown: %v", err)
			}
			if err := c.Ping(t.Context()).Err(); err != nil {
				t.Errorf("a connection from before the renewal: %v", err)
			}
		})
	}
}

func TestTLSClientsWithoutACertificateAreRefused(t *testing.T) {
	cert, key, pool := writeCertificate(t, t.TempDir(), "server and client")
	node := vegadbtest.Start(t, func(c *vegadb.Config) { c.TLSCert, c.TLSKey, c.TLSClientCA = cert, key, cert })
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		certs []tls.Certificate
		ok    bool
	}{"with one": {[]tls.Certificate{pair}, true}, "without": {nil, false}} {
		c := redis.NewClient(&redis.Options{Addr: node.Addr(), MaxRetries: -1, TLSConfig: &tls.Config{RootCAs: pool, Certificates: test.certs}})
		if err := c.Ping(t.Context()).Err(); (err == nil) != test.ok {
			t.Errorf("client %s: %v", name, err)
		}
		c.Close()
	}
}

// TestAClientThatNeverReadsIsCutOff asks for far more than it takes: the server
// must neither hold it all nor stop serving others.
func TestAClientThatNeverReadsIsCutOff(t *testing.T) {
	cert, key, pool := writeCertificate(t, t.TempDir(), "server")
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			node := vegadbtest.Start(t, func(c *vegadb.Config) {
				c.OutputLimit, c.WriteTimeout = 8<<20, 2*time.Second
				if secure {
					c.TLSCert, c.TLSKey = cert, key
				}
			})
			dial := func() net.Conn {
				t.Helper()
				conn, err := net.Dial("tcp", node.Addr())
				if err != nil {
					t.Fatal(err)
				}
				if secure {
					return tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
				}
				return conn
			}
			greedy := dial()
			defer greedy.Close()
			fmt.Fprintf(greedy, "SET big %s\r\n", strings.Repeat("x", 60<<10))
			greedy.SetWriteDeadline(time.Now().Add(15 * time.Second))
			request := []byte(strings.Repeat("GET big\r\n", 500)) // 30 MB of replies each
			for closed := false; !closed; {
				_, err := greedy.Write(request)
				closed = err != nil
				if ne, ok := err.(net.Error); ok && ne.Timeout() {
					break // the server stopped reading: slowed down, which is as good
				}
			}
			other := dial()
			defer other.Close()
			other.SetDeadline(time.Now().Add(5 * time.Second))
			fmt.Fprint(other, "PING\r\n")
			if got, err := bufio.NewReader(other).ReadString('\n'); err != nil || got != "+PONG\r\n" {
				t.Errorf("another client: %q, %v", got, err)
			}
			greedy.SetReadDeadline(time.Now().Add(15 * time.Second))
			if n, err := io.Copy(io.Discard, greedy); n > 64<<20 {
				t.Errorf("%d bytes had been held for a client with a limit of 8 MiB (%v)", n, err)
			}
		})
	}
}
