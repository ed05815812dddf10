package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync/atomic"
)

// Files name PEM files.
type Files struct {
	Cert, Key  string
	ClientCA   string // whose signature makes a client (for Mutual: a node); "": clients need no certificate
	MinVersion string // "1.2" or "1.3"
}

// Certificates are what the TLS listener shows and trusts. They can be read again
// while it runs; connections that are open keep what they began with.
type Certificates struct {
	files   Files
	current atomic.Pointer[tls.Config]
}

// Load reads the files.
func Load(files Files) (*Certificates, error) {
	c := &Certificates{files: files}
	return c, c.Reload()
}

// Reload reads the files again; on an error what was read before stays in use.
func (c *Certificates) Reload() error {
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("TLS certificate %s with key %s: %w", c.files.Cert, c.files.Key, err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	if c.files.MinVersion == "1.2" {
		config.MinVersion = tls.VersionTLS12
	}
	if c.files.ClientCA != "" {
		pem, err := os.ReadFile(c.files.ClientCA)
		if err != nil {
			return fmt.Errorf("TLS CA: %w", err)
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("TLS CA %s: holds no certificate in PEM form", c.files.ClientCA)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.current.Store(config)
	return nil
}

// Config returns a configuration that always shows the newest certificates.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{
		MinVersion:         c.current.Load().MinVersion,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil },
	}
}
