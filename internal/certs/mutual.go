package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// Mutual returns a configuration for both ends of connections between equals: each shows the newest certificate, and
// takes only certificates that the newest CA has signed for both roles. A certificate for clients only makes no node.
//
// Names in certificates are not looked at. Nodes are dialled by whatever address they have at present, and who they
// are is for the protocol above to settle. The CA is therefore best used for nothing else.
func (c *Certificates) Mutual() (*tls.Config, error) {
	if c.files.ClientCA == "" {
		return nil, errors.New("TLS between nodes needs a CA that has signed the certificates of all nodes")
	}
	newest := func(*tls.ClientHelloInfo) (*tls.Config, error) {
		config := c.current.Load().Clone()
		config.VerifyConnection = c.verify
		config.SessionTicketsDisabled = true // what is trusted is looked at each time
		return config, nil
	}
	return &tls.Config{
		MinVersion:         c.current.Load().MinVersion,
		ClientAuth:         tls.RequireAndVerifyClientCert,
		GetConfigForClient: newest,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &c.current.Load().Certificates[0], nil
		},
		InsecureSkipVerify: true, // verify does it, without the name
		VerifyConnection:   c.verify,
	}, nil
}

// verify accepts the other side's certificate if the CA has signed it for clients and for servers.
func (c *Certificates) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the other node has shown no certificate")
	}
	options := x509.VerifyOptions{Roots: c.current.Load().ClientCAs, Intermediates: x509.NewCertPool()}
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
