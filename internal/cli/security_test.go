package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/auth"
)

func TestPasswordsComeFromEnvironmentFileOrPrompt(t *testing.T) {
	dir := t.TempDir()
	hash, err := auth.Hash("right")
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(dir, "users.toml")
	write(t, users, fmt.Sprintf("[users.reader]\nrole = \"read\"\npassword = %q\n", hash), 0o600)
	w := serve(t, func(c *vegadb.Config) { c.UsersFile, c.HandshakeTimeout = users, time.Minute })

	w.run(t, "--timeout", "1m", "get", "k").want(t, exitDenied, "", "~VEGA_PASSWORD")
	w.env["VEGA_PASSWORD"] = "wrong"
	w.run(t, "--timeout", "1m", "--user", "reader", "get", "k").want(t, exitDenied, "", "~UNAUTHENTICATED")
	w.env["VEGA_PASSWORD"] = "right"
	w.run(t, "--timeout", "1m", "--user", "reader", "get", "k").want(t, exitNotFound, "", "~not found")
	w.run(t, "--timeout", "1m", "--user", "reader", "put", "k", "v").want(t, exitDenied, "", "~PERMISSION")
	w.run(t, "--timeout", "1m", "--user", "reader", "bench", "--protocol", "resp", "--no-load", "--records", "10", "--count", "10", "-c", "1", "-w", "c").want(t, exitOK, "~run ", "~")

	delete(w.env, "VEGA_PASSWORD")
	secret := filepath.Join(dir, "password")
	write(t, secret, "right\n", 0o600)
	w.run(t, "--timeout", "1m", "--user", "reader", "--password-file", secret, "get", "k").want(t, exitNotFound, "", "vega-client: k: not found\n")
	if err := os.Chmod(secret, 0o644); err != nil {
		t.Fatal(err)
	}
	w.run(t, "--timeout", "1m", "--user", "reader", "--password-file", secret, "get", "k").want(t, exitNotFound, "", "~warning: others may read")

	w.terminal, w.password = true, "right"
	w.run(t, "--timeout", "1m", "--user", "reader", "get", "k").want(t, exitNotFound, "", "~not found")
}

func TestTLSIsVerified(t *testing.T) {
	dir := t.TempDir()
	cert, key := selfSigned(t, dir)
	w := serve(t, func(c *vegadb.Config) { c.TLSCert, c.TLSKey = cert, key })
	w.run(t, "--tls-ca", cert, "put", "k", "v").want(t, exitOK, "1\n", "")
	w.run(t, "--tls", "get", "k").want(t, exitUnreachable, "", "~--tls-ca FILE")
	w.run(t, "--tls-ca", cert, "--tls-server-name", "elsewhere", "get", "k").want(t, exitUnreachable, "", "~--tls-server-name")
	w.run(t, "--tls-ca", key, "get", "k").want(t, exitError, "", "~no PEM certificate")
	w.run(t, "--tls-ca", cert, "bench", "--protocol", "resp", "--records", "10", "--count", "10", "-c", "1").want(t, exitOK, "~run ", "~")
	plain := serve(t)
	plain.run(t, "--tls-ca", cert, "--timeout", "3s", "get", "k").want(t, exitUnreachable, "", "~cannot reach")
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// selfSigned makes a certificate for 127.0.0.1.
func selfSigned(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "vegadb test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o600)
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})), 0o600)
	return certFile, keyFile
}
