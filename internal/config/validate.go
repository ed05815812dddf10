package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// queryOverheadBytes is the least room a command needs beside its value: the
// key, the options and the protocol's own bytes.
const queryOverheadBytes = 64 << 10

// Validate checks every setting's own limits, and the settings against each
// other. The error is one line that names the setting and the way out. It
// touches neither disk nor network.
func (c *Server) Validate() error {
	if err := ServerTable().checkRows(c); err != nil {
		return err
	}
	if err := c.checkFront(); err != nil {
		return err
	}
	if c.DataDir == "" && !c.InMemory {
		return &ValueError{"data-dir", errors.New("must not be empty unless in-memory is set")}
	}
	return c.checkPeers()
}

// checkPeers checks how the node meets other nodes.
func (c *Server) checkPeers() error {
	given := 0
	for _, file := range []string{c.PeerTLSCert, c.PeerTLSKey, c.PeerTLSCA} {
		if file != "" {
			given++
		}
	}
	if given != 0 && given != 3 {
		return errors.New("peer-tls-cert, peer-tls-key and peer-tls-ca: give all three or none")
	}
	for name, addr := range map[string]string{"advertise-addr": c.AdvertiseAddr, "advertise-peer-addr": c.AdvertisePeerAddr} {
		if host, port, err := net.SplitHostPort(addr); addr != "" && (err != nil || host == "" || port == "" || port == "0") {
			return &ValueError{name, fmt.Errorf("%q is not host:port", addr)}
		}
	}
	for _, addr := range c.Seeds() {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return &ValueError{"join", fmt.Errorf("%q is not host:port", addr)}
		}
	}
	if (c.Join != "" || c.PeerAddr != PeerAuto && c.PeerAddr != PeerNone) && c.AdvertiseAddr == "" && everyAddress(c.Addr) {
		return &ValueError{"addr", fmt.Errorf("%s is every address of this machine: say with --advertise-addr which one "+
			"clients of the cluster reach it by", c.Addr)}
	}
	switch {
	case c.PeerAddr == PeerAuto:
		return nil
	case c.PeerAddr == PeerNone:
		if c.Join != "" {
			return &ValueError{"join", errors.New("a node without peers (peer-addr none) cannot join a cluster")}
		}
		return nil
	}
	local, err := loopback(c.PeerAddr)
	if err != nil {
		return &ValueError{"peer-addr", fmt.Errorf("%w; nor auto, nor none", err)}
	}
	if !local && given == 0 && !c.AllowNoAuth {
		return &ValueError{"peer-addr", fmt.Errorf("%s can be reached from other machines and nothing proves who is a peer: "+
			"give --peer-tls-cert, --peer-tls-key and --peer-tls-ca, or --allow-no-auth if every host there is trusted", c.PeerAddr)}
	}
	return nil
}

// Seeds returns the addresses of Join.
func (c *Server) Seeds() []string {
	var seeds []string
	for _, addr := range strings.Split(c.Join, ",") {
		if addr = strings.TrimSpace(addr); addr != "" {
			seeds = append(seeds, addr)
		}
	}
	return seeds
}

// checkFront checks what is shown to clients: addresses, TLS, limits.
func (c *Server) checkFront() error {
	if c.Addr == "" {
		return &ValueError{"addr", errors.New("must not be empty: clients need an address to connect to")}
	}
	if err := c.checkExposure(); err != nil {
		return err
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("tls-cert and tls-key: give both or neither")
	}
	if c.TLSClientCA != "" && c.TLSCert == "" {
		return errors.New("tls-client-ca: needs tls-cert and tls-key, since only TLS carries client certificates")
	}
	if c.MaxQueryBytes < c.MaxValueBytes+queryOverheadBytes {
		return fmt.Errorf("max-query-bytes: %s leaves no room for the largest value: raise it to %s or lower max-value-bytes (%s)",
			FormatSize(c.MaxQueryBytes), FormatSize(c.MaxValueBytes+queryOverheadBytes), FormatSize(c.MaxValueBytes))
	}
	if c.OutputLimit < c.MaxValueBytes+queryOverheadBytes {
		return fmt.Errorf("output-limit: %s is too small to reply with the largest value: raise it to %s or lower max-value-bytes (%s)",
			FormatSize(c.OutputLimit), FormatSize(c.MaxValueBytes+queryOverheadBytes), FormatSize(c.MaxValueBytes))
	}
	if c.OutputLimitTotal < c.OutputLimit {
		return fmt.Errorf("output-limit-total: %s is below output-limit (%s)", FormatSize(c.OutputLimitTotal), FormatSize(c.OutputLimit))
	}
	return nil
}

// checkExposure refuses to open a server without passwords to the network.
func (c *Server) checkExposure() error {
	local, err := loopback(c.Addr)
	if err != nil {
		return &ValueError{"addr", err}
	}
	if !local && c.UsersFile == "" && c.TLSClientCA == "" && !c.AllowNoAuth {
		return &ValueError{"addr", fmt.Errorf("%s can be reached from other machines and no password is set: "+
			"give --users-file, or --allow-no-auth if everybody there may read and write everything", c.Addr)}
	}
	if c.AdminAddr == "" {
		return nil
	}
	local, err = loopback(c.AdminAddr)
	if err != nil {
		return &ValueError{"admin-addr", err}
	}
	if !local && c.UsersFile == "" && !c.AllowNoAuth {
		return &ValueError{"admin-addr", fmt.Errorf("%s can be reached from other machines and no password is set: "+
			"give --users-file, or --allow-no-auth if everybody there may see it", c.AdminAddr)}
	}
	if host, port, _ := net.SplitHostPort(c.Addr); port != "0" && c.Addr == c.AdminAddr {
		return &ValueError{"admin-addr", fmt.Errorf("is the same as addr (%s): the two need ports of their own", net.JoinHostPort(host, port))}
	}
	return nil
}

// everyAddress tells whether addr is all addresses of the machine, so that nobody
// elsewhere can be told to connect to it.
func everyAddress(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// loopback tells whether only this machine can reach addr. A host name other
// than localhost counts as reachable: what it resolves to may change.
func loopback(addr string) (bool, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false, fmt.Errorf("%q is not host:port", addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false, fmt.Errorf("%q is not a port from 0 to 65535", port)
	}
	if strings.EqualFold(host, "localhost") {
		return true, nil
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback(), nil
}
