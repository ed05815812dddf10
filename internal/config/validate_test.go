package config

import (
	"strings"
	"testing"
)

func TestBindingBeyondLoopbackNeedsAPasswordOrTheFlagThatAllowsIt(t *testing.T) {
	const refused = "--allow-no-auth"
	for _, tc := range []struct {
		name   string
		change func(*Server)
		want   string // "": valid
	}{
		{"peers on another machine", func(c *Server) { c.PeerAddr = "10.0.0.1:8344" }, "peer-addr"},
		{"peers on a trusted network", func(c *Server) { c.PeerAddr, c.AllowNoAuth = "10.0.0.1:8344", true }, ""},
		{"peers who prove who they are", func(c *Server) {
			c.PeerAddr, c.PeerTLSCert, c.PeerTLSKey, c.PeerTLSCA = "10.0.0.1:8344", "c", "k", "a"
		}, ""},
		{"a part of the peers' certificates", func(c *Server) { c.PeerTLSCert = "c" }, "peer-tls-cert"},
		{"joining without peers", func(c *Server) { c.PeerAddr, c.Join = PeerNone, "127.0.0.1:1" }, "join"},
		{"joining what is no address", func(c *Server) { c.Join = "127.0.0.1:1,there" }, "join"},
		{"every address, among peers", func(c *Server) { c.Addr, c.AllowNoAuth, c.PeerAddr = "0.0.0.0:1", true, "127.0.0.1:2" }, "--advertise-addr"},
		{"every address, joining", func(c *Server) { c.Addr, c.AllowNoAuth, c.Join = ":1", true, "127.0.0.1:2" }, "--advertise-addr"},
		{"advertising no port", func(c *Server) { c.AdvertiseAddr = "host" }, "advertise-addr"},
		{"loopback v4", func(c *Server) { c.Addr = "127.8.8.8:1" }, ""},
		{"loopback v6", func(c *Server) { c.Addr = "[::1]:1" }, ""},
		{"mapped loopback", func(c *Server) { c.Addr = "[::ffff:127.0.0.1]:1" }, ""},
		{"localhost", func(c *Server) { c.Addr, c.AdminAddr = "localhost:1", "LOCALHOST:2" }, ""},
		{"all interfaces", func(c *Server) { c.Addr = ":8342" }, refused},
		{"all interfaces v4", func(c *Server) { c.Addr = "0.0.0.0:8342" }, refused},
		{"all interfaces v6", func(c *Server) { c.Addr = "[::]:8342" }, refused},
		{"a name", func(c *Server) { c.Addr = "db.example.com:8342" }, refused},
		{"admin on all interfaces", func(c *Server) { c.AdminAddr = ":8343" }, refused},
		{"no admin", func(c *Server) { c.AdminAddr = "" }, ""},
		{"with users", func(c *Server) { c.Addr, c.AdminAddr, c.UsersFile = ":1", ":2", "u" }, ""},
		{"allowed", func(c *Server) { c.Addr, c.AdminAddr, c.AllowNoAuth = ":1", ":2", true }, ""},
		{"client certificates guard data", func(c *Server) { c.Addr, c.TLSCert, c.TLSKey, c.TLSClientCA = ":1", "c", "k", "ca" }, ""},
		{"client certificates do not guard admin", func(c *Server) {
			c.Addr, c.AdminAddr, c.TLSCert, c.TLSKey, c.TLSClientCA = ":1", ":2", "c", "k", "ca"
		}, refused},
		{"TLS alone is no password", func(c *Server) { c.Addr, c.TLSCert, c.TLSKey = ":1", "c", "k" }, refused},
	} {
		t.Run(tc.name, func(t *testing.T) { expect(t, tc.change, tc.want) })
	}
}

func TestSettingsThatContradictEachOtherAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Server)
		want   string
	}{
		{"no address", func(c *Server) { c.Addr = "" }, "addr"},
		{"no port", func(c *Server) { c.Addr = "localhost" }, "host:port"},
		{"port too high", func(c *Server) { c.Addr = "127.0.0.1:65536" }, "65535"},
		{"port by name", func(c *Server) { c.Addr = "127.0.0.1:http" }, "65535"},
		{"bad admin address", func(c *Server) { c.AdminAddr = "8343" }, "admin-addr"},
		{"same port", func(c *Server) { c.AdminAddr = c.Addr }, "admin-addr"},
		{"both on port 0", func(c *Server) { c.Addr, c.AdminAddr = "127.0.0.1:0", "127.0.0.1:0" }, ""},
		{"no directory", func(c *Server) { c.DataDir = "" }, "data-dir"},
		{"no directory in memory", func(c *Server) { c.DataDir, c.InMemory = "", true }, ""},
		{"certificate without key", func(c *Server) { c.TLSCert = "c" }, "tls-key"},
		{"key without certificate", func(c *Server) { c.TLSKey = "k" }, "tls-cert"},
		{"client CA without TLS", func(c *Server) { c.TLSClientCA = "ca" }, "tls-client-ca"},
		{"query smaller than value", func(c *Server) { c.MaxQueryBytes = c.MaxValueBytes }, "max-query-bytes"},
		{"output smaller than value", func(c *Server) { c.OutputLimit = 1 << 20 }, "output-limit"},
		{"total output smaller than one", func(c *Server) { c.OutputLimitTotal = c.OutputLimit - 1 }, "output-limit-total"},
		{"number set from Go out of range", func(c *Server) { c.Partitions = -1 }, "partitions"},
		{"word set from Go unknown", func(c *Server) { c.Fsync = "sometimes" }, "fsync"},
		{"empty struct", func(c *Server) { *c = Server{} }, "fsync"},
	} {
		t.Run(tc.name, func(t *testing.T) { expect(t, tc.change, tc.want) })
	}
}

func expect(t *testing.T, change func(*Server), want string) {
	t.Helper()
	c := Default()
	change(&c)
	err := c.Validate()
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && err == nil:
		t.Error("accepted")
	case want != "" && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")):
		t.Errorf("error %q, want one line with %q", err, want)
	}
}
