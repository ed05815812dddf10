package transport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/certs"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's CA"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

// issue writes a node's files into dir: a certificate without any name or address in it.
func (a *authority) issue(t *testing.T, dir string, usages ...x509.ExtKeyUsage) certs.Files {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "node"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: usages,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := certs.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), ClientCA: filepath.Join(dir, "ca.pem")}
	for name, block := range map[string]*pem.Block{
		files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "EC PRIVATE KEY", Bytes: keyDER},
		files.ClientCA: {Type: "CERTIFICATE", Bytes: a.cert.Raw},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

var bothUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}

func load(t *testing.T, files certs.Files) *certs.Certificates {
	t.Helper()
	c, err := certs.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func withTLS(c *certs.Certificates) func(*Options) {
	return func(o *Options) {
		var err error
		if o.TLS, err = c.Mutual(); err != nil {
			panic(err)
		}
	}
}

func TestEverythingWorksOverTLS(t *testing.T) {
	ca := newAuthority(t)
	b := newBook()
	a := startNode(t, b, 1, withTLS(load(t, ca.issue(t, t.TempDir(), bothUsages...))))
	z := startNode(t, b, 2, withTLS(load(t, ca.issue(t, t.TempDir())))) // no usages: good for all
	sendUntilHeard(t, a, z, "hello")
	sendUntilHeard(t, z, a, "hello")
	z.calls(func(_ context.Context, _ ring.NodeID, _ uint8, body []byte) ([]byte, error) { return body, nil })
	if reply, err := a.CallNode(t.Context(), z.id, 1, []byte("echo")); err != nil || string(reply) != "echo" {
		t.Errorf("call: %q, %v", reply, err)
	}
	const size = 3<<20 + 5
	var got int64
	z.snapshots(func(_ context.Context, _ ring.NodeID, _ []byte, _ int64, body io.Reader) (err error) {
		got, err = io.Copy(io.Discard, body)
		return err
	})
	if err := a.SendSnapshot(t.Context(), z.id, []byte("h"), size, io.LimitReader(&pattern{}, size), nil); err != nil || got != size {
		t.Errorf("snapshot: %d bytes, %v", got, err)
	}
	z.snapshots(func(context.Context, ring.NodeID, []byte, int64, io.Reader) error { return io.ErrShortBuffer })
	if err := a.SendSnapshot(t.Context(), z.id, nil, -1, &pattern{}, nil); err == nil || !strings.Contains(err.Error(), "short buffer") {
		t.Errorf("an early refusal: %v", err)
	}
}

func TestNodesOfAForeignCAOrWithoutTLSAreRefusedBothWays(t *testing.T) {
	ca := newAuthority(t)
	b := newBook()
	z := startNode(t, b, 2, withTLS(load(t, ca.issue(t, t.TempDir(), bothUsages...))))
	foreign := newAuthority(t).issue(t, t.TempDir(), bothUsages...)
	halfForeign := foreign
	halfForeign.ClientCA = ca.issue(t, t.TempDir()).ClientCA // trusts us, is not trusted
	for name, change := range map[string]func(*Options){
		"foreign":            withTLS(load(t, foreign)),
		"foreign, trusts us": withTLS(load(t, halfForeign)),
		"for clients only":   withTLS(load(t, ca.issue(t, t.TempDir(), x509.ExtKeyUsageClientAuth))),
		"for servers only":   withTLS(load(t, ca.issue(t, t.TempDir(), x509.ExtKeyUsageServerAuth))),
		"plain":              func(*Options) {},
		"without certificate": func(o *Options) {
			o.TLS = &tls.Config{InsecureSkipVerify: true, ClientAuth: tls.RequireAndVerifyClientCert}
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := startNode(t, b, 1, change)
			if _, err := a.CallNode(t.Context(), z.id, 1, nil); err == nil || !strings.Contains(err.Error(), "TLS") && !strings.Contains(err.Error(), "tls") {
				t.Errorf("it calls us: %v", err)
			}
			if _, err := z.CallNode(t.Context(), a.id, 1, nil); err == nil || !strings.Contains(err.Error(), "TLS") && !strings.Contains(err.Error(), "tls") {
				t.Errorf("we call it: %v", err)
			}
		})
	}
	if z.all() != "" {
		t.Errorf("the handler has heard of them:\n%s", z.all())
	}
}

func TestCertificatesAndCAReloadWithoutARestart(t *testing.T) {
	old, next := newAuthority(t), newAuthority(t)
	b := newBook()
	dirA, dirZ := t.TempDir(), t.TempDir()
	certsA, certsZ := load(t, old.issue(t, dirA, bothUsages...)), load(t, old.issue(t, dirZ, bothUsages...))
	a, z := startNode(t, b, 1, withTLS(certsA)), startNode(t, b, 2, withTLS(certsZ))
	sendUntilHeard(t, a, z, "before")

	next.issue(t, dirZ, bothUsages...)
	if err := certsZ.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.CallNode(t.Context(), z.id, 1, nil); err == nil {
		t.Error("the new CA is not used for new connections")
	}
	sendUntilHeard(t, a, z, "the open connection stays")
	next.issue(t, dirA, bothUsages...)
	if err := certsA.Reload(); err != nil {
		t.Fatal(err)
	}
	z.calls(func(context.Context, ring.NodeID, uint8, []byte) ([]byte, error) { return nil, nil })
	if _, err := a.CallNode(t.Context(), z.id, 1, nil); err != nil {
		t.Errorf("after both have reloaded: %v", err)
	}

	if err := os.WriteFile(filepath.Join(dirA, "ca.pem"), []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := certsA.Reload(); err == nil || !strings.Contains(err.Error(), "ca.pem") {
		t.Errorf("a CA file without a certificate: %v", err)
	}
	if _, err := a.CallNode(t.Context(), z.id, 1, nil); err != nil {
		t.Errorf("after a reload that failed: %v", err)
	}
}

func TestTLSWithoutCertificatesOfBothSidesIsNotAccepted(t *testing.T) {
	files := newAuthority(t).issue(t, t.TempDir())
	files.ClientCA = ""
	own := load(t, files)
	if _, err := own.Mutual(); err == nil || !strings.Contains(err.Error(), "CA") {
		t.Errorf("without a CA: %v", err)
	}
	_, err := New(Options{Node: nodeID(1), Boot: 1, Listen: "127.0.0.1:0", Handler: handler{&recorder{}}, Resolve: newBook().resolve, TLS: own.Config()})
	if err == nil || !strings.Contains(err.Error(), "both sides") {
		t.Errorf("the configuration of a server: %v", err)
	}
}

func TestSlowTLSHandshakesAreCutOff(t *testing.T) {
	ca := newAuthority(t)
	z := startNode(t, newBook(), 2, withTLS(load(t, ca.issue(t, t.TempDir()))), withLimits(func(l *Limits) { l.Handshake = 50 * time.Millisecond }))
	c := dialRaw(t, z.Addr())
	c.Write([]byte{0x16, 3, 1})
	if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}
