package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// CertificateFiles name PEM files. Every node shows Cert and trusts CA, which is best used for nothing else: who has a
// certificate of it is a node.
type CertificateFiles struct {
	Cert, Key  string
	CA         string
	MinVersion string // "1.2" or "1.3"; "": 1.3
}

// Certificates are what this node shows to its peers and trusts of theirs. They can be read again while it runs;
// connections that are open keep what they began with.
type Certificates struct {
	files   CertificateFiles
	current atomic.Pointer[certificates]
}

type certificates struct {
	pair   tls.Certificate
	ca     *x509.CertPool
	server *tls.Config
}

// LoadTLS reads the files.
func LoadTLS(files CertificateFiles) (*Certificates, error) {
	c := &Certificates{files: files}
	return c, c.Reload()
}

// Reload reads the files again; on an error what was read before stays in use.
func (c *Certificates) Reload() error {
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("peer TLS certificate %s with key %s: %w", c.files.Cert, c.files.Key, err)
	}
	pem, err := os.ReadFile(c.files.CA)
	if err != nil {
		return fmt.Errorf("peer TLS CA: %w", err)
	}
	ca := x509.NewCertPool()
	if !ca.AppendCertsFromPEM(pem) {
		return fmt.Errorf("peer TLS CA %s: holds no certificate in PEM form", c.files.CA)
	}
	next := &certificates{pair: pair, ca: ca}
	next.server = &tls.Config{
		MinVersion: c.minVersion(), Certificates: []tls.Certificate{pair}, ClientCAs: ca,
		ClientAuth: tls.RequireAndVerifyClientCert, VerifyConnection: c.verify, SessionTicketsDisabled: true,
	}
	c.current.Store(next)
	return nil
}

func (c *Certificates) minVersion() uint16 {
	if c.files.MinVersion == "1.2" {
		return tls.VersionTLS12
	}
	return tls.VersionTLS13
}

// Config returns a configuration for both sides of a connection that always shows the newest certificate and trusts the
// newest CA.
//
// Names in certificates are not looked at: members are dialled by whatever address they have at present, and who they
// are is said in the handshake that follows.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{
		MinVersion: c.minVersion(), ClientAuth: tls.RequireAndVerifyClientCert, SessionTicketsDisabled: true,
		GetConfigForClient:   func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load().server, nil },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.current.Load().pair, nil },
		InsecureSkipVerify:   true, // verify does it, without the name
		VerifyConnection:     c.verify,
	}
}

// verify accepts peers whose certificate the CA has signed for both roles. A certificate for clients only, from a CA
// that is used for those as well, makes no node.
func (c *Certificates) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the peer has shown no certificate")
	}
	options := x509.VerifyOptions{Roots: c.current.Load().ca, Intermediates: x509.NewCertPool()}
	for _, cert := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		options.KeyUsages = []x509.ExtKeyUsage{usage}
		if _, err := state.PeerCertificates[0].Verify(options); err != nil {
			return err
		}
	}
	return nil
}
