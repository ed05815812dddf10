package router

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/vegadbtest"
)

// usersFile writes a users file: default may read, app may write below "app:", ops may
// do everything. All have the password "secret".
func usersFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.toml")
	writeUsers(t, path, "default", "app", "ops")
	return path
}

func writeUsers(t testing.TB, path string, names ...string) {
	t.Helper()
	hash, err := auth.HashIterations("secret", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]string{"default": `role = "read"`, "app": "role = \"write\"\nprefixes = [\"app:\"]", "ops": `role = "admin"`}
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "[users.%s]\n%s\npassword = %q\n", name, roles[name], hash)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUsersMayDoWhatTheirRoleAllows(t *testing.T) {
	f := newFakeCluster(t)
	f.data["app:1"], f.data["other"] = "x", "y"
	r := startRouter(t, f, func(s *config.Router) { s.Front.UsersFile = usersFile(t) })
	c := r.dial()
	c.ask("GET k", "-NOAUTH Authentication required.")
	c.ask("AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.")
	c.ask("AUTH secret", "OK")
	c.ask("GET other", "y")
	c.ask("SET other 1", "-NOPERM this user has no permissions to run this command")
	c.ask("CONFIG GET addr", "-NOPERM this user has no permissions to run this command")
	c.ask("AUTH app secret", "OK")
	c.ask("SET app:2 1", "OK")
	c.ask("GET other", "-NOPERM No permissions to access a key")
	c.ask("MGET app:1 other", "-NOPERM No permissions to access a key")
	c.ask("FLUSHALL", "-NOPERM this user has no permissions to run this command")
	c.send("KEYS *")
	if got := c.reply(); !strings.Contains(got, "app:1") || strings.Contains(got, "other") {
		t.Errorf("KEYS: %q", got)
	}
	c.ask("RESET", "RESET")
	c.ask("GET k", "-NOAUTH Authentication required.")
	c.send("HELLO 3 AUTH ops secret SETNAME me")
	if got := c.reply(); !strings.Contains(got, "proto 3") {
		t.Errorf("HELLO: %q", got)
	}
	c.ask("FLUSHALL", "OK")
	c.ask("CLIENT GETNAME", "me")
	if n := r.stats.authFailures.Load(); n != 1 {
		t.Errorf("%d failures", n)
	}
}

func TestNativeUsersMayDoWhatTheirRoleAllows(t *testing.T) {
	node := vegadbtest.Start(t)
	r := startRealRouter(t, []string{node.Addr()}, func(s *config.Router) { s.Front.UsersFile = usersFile(t) })
	open := func(name, password string) (*client.Client, error) {
		return client.Open(t.Context(), client.Options{Addresses: []string{r.Addr()}, Username: name, Password: password})
	}
	if _, err := open("", ""); err == nil {
		t.Error("nobody was let in")
	}
	if _, err := open("app", "wrong"); err == nil {
		t.Error("a wrong password was accepted")
	}
	ops, err := open("ops", "secret")
	if err != nil {
		t.Fatal(err)
	}
	defer ops.Close()
	for _, key := range []string{"app:1", "app:2", "other"} {
		if _, err := ops.Put(t.Context(), key, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	app, err := open("app", "secret")
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	status := func(err error) string {
		if e, ok := err.(*client.Error); ok {
			return e.Status.String()
		}
		return fmt.Sprint(err)
	}
	_, err = app.Get(t.Context(), "other")
	if got := status(err); got != "PERMISSION_DENIED" {
		t.Errorf("another's key: %s", got)
	}
	results, err := app.GetBatch(t.Context(), []string{"app:1", "other", "app:none"})
	if err != nil || status(results[0].Err()) != "<nil>" || status(results[1].Err()) != "PERMISSION_DENIED" || status(results[2].Err()) != "NOT_FOUND" {
		t.Errorf("%v %+v", err, results)
	}
	found := 0
	for e, err := range app.Scan(t.Context()) {
		if err != nil || !strings.HasPrefix(e.Key, "app:") || string(e.Value) != "v" {
			t.Errorf("scan: %v %q", err, e.Key)
		}
		found++
	}
	if found != 2 {
		t.Errorf("scan: %d", found)
	}
	if got := status(app.Flush(t.Context())); got != "PERMISSION_DENIED" {
		t.Errorf("flush: %s", got)
	}
	_, err = app.Do(t.Context(), [][]byte{[]byte("GET"), []byte("other")}, true, 2)
	if got := status(err); got != "PERMISSION_DENIED" {
		t.Errorf("do: %s", got)
	}
}

func TestAReloadTakesUsersTheirRights(t *testing.T) {
	path := usersFile(t)
	r := startRouter(t, newFakeCluster(t), func(s *config.Router) { s.Front.UsersFile = path })
	c := r.dial()
	c.ask("AUTH app secret", "OK")
	c.ask("GET app:1", "(nil)")
	writeUsers(t, path, "ops")
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	c.ask("GET app:1", "-NOAUTH Authentication required.")
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(); err == nil {
		t.Error("a bad file was accepted")
	}
	c.ask("AUTH ops secret", "OK")
}

func TestFailedLoginsAreLimited(t *testing.T) {
	r := startRouter(t, newFakeCluster(t), func(s *config.Router) {
		s.Front.UsersFile, s.Front.AuthFailuresPerMinute = usersFile(t), 2
	})
	c := r.dial()
	c.ask("AUTH a", "-WRONGPASS invalid username-password pair or user is disabled.")
	c.ask("AUTH b", "-WRONGPASS invalid username-password pair or user is disabled.")
	c.send("AUTH secret")
	if got := c.reply(); !strings.Contains(got, "too many failed logins") {
		t.Errorf("%q", got)
	}
}

// certificate makes a certificate for 127.0.0.1 and returns the paths of it and its key.
func certificate(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func trusting(t testing.TB, cert string) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &tls.Config{RootCAs: pool}
}

// TLS and a login on both sides, as between machines.
func TestTLSAndLoginsOnBothSides(t *testing.T) {
	nodeCert, nodeKey := certificate(t)
	frontCert, frontKey := certificate(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\nnot this line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	node := vegadbtest.Start(t, func(c *vegadb.Config) {
		c.UsersFile, c.TLSCert, c.TLSKey, c.TLSClientCA = usersFile(t), nodeCert, nodeKey, frontCert
	})
	r := startRealRouter(t, []string{node.Addr()}, func(s *config.Router) {
		s.ClusterUser, s.ClusterPasswordFile, s.ClusterTLSCA = "ops", password, nodeCert
		s.ClusterTLSCert, s.ClusterTLSKey = frontCert, frontKey
		s.Front.UsersFile, s.Front.TLSCert, s.Front.TLSKey = usersFile(t), frontCert, frontKey
	})
	c, err := client.Open(t.Context(), client.Options{Addresses: []string{r.Addr()}, Username: "app", Password: "secret", TLS: trusting(t, frontCert)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Put(t.Context(), "app:k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	config := trusting(t, frontCert)
	conn, err := tls.Dial("tcp", r.Addr(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	peer := &raw{t: t, Conn: conn, in: bufioReader(conn)}
	peer.ask("AUTH app secret", "OK")
	peer.ask("GET app:k", "v")
	plain := r.dial()
	plain.send("PING")
	plain.wantClosed()
	if err := r.Reload(); err != nil {
		t.Error(err)
	}
}

func TestSettingsThatNameBadFilesAreRefused(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\nsecret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*config.Router)
		want   string
	}{
		"no password file":   {func(s *config.Router) { s.ClusterUser, s.ClusterPasswordFile = "u", empty+"x" }, "cluster-password-file"},
		"an empty password":  {func(s *config.Router) { s.ClusterUser, s.ClusterPasswordFile = "u", empty }, "empty"},
		"no CA":              {func(s *config.Router) { s.ClusterTLSCA = empty + "x" }, "cluster-tls-ca"},
		"a CA without one":   {func(s *config.Router) { s.ClusterTLSCA = empty }, "no certificate"},
		"no certificate":     {func(s *config.Router) { s.ClusterTLS, s.ClusterTLSCert, s.ClusterTLSKey = true, empty, empty }, "cluster-tls-cert"},
		"no users":           {func(s *config.Router) { s.Front.UsersFile = empty + "x" }, "users"},
		"a front without it": {func(s *config.Router) { s.Front.TLSCert, s.Front.TLSKey = empty, empty }, "certificate"},
		"a used port":        {func(s *config.Router) { s.Front.Addr = usedPort(t) }, "--addr"},
		"a used admin port":  {func(s *config.Router) { s.Front.AdminAddr = usedPort(t) }, "--admin-addr"},
		"no cluster":         {func(s *config.Router) { s.Cluster = "" }, "--cluster"},
	} {
		s := config.DefaultRouter()
		s.Front.Addr, s.Front.AdminAddr, s.Cluster = "127.0.0.1:0", "", "127.0.0.1:1"
		tc.change(&s)
		r, err := Start(Options{Settings: s})
		if err == nil {
			r.Close(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want an error with %q", name, err, tc.want)
		}
	}
}

func usedPort(t testing.TB) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}
