package vegadb

import (
	"fmt"
	"net"
	"strconv"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/certs"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// peerPortOffset is how far above the data port the peer port is, unless it is set:
// 8344 beside 8342.
const peerPortOffset = 2

// clusterOptions are how the node meets other nodes; nil: it has none.
func (n *Node) clusterOptions() (*node.ClusterOptions, error) {
	c := &n.cfg
	if c.PeerAddr == config.PeerNone || c.InMemory {
		if c.InMemory && c.Join != "" {
			return nil, fmt.Errorf("join: a node that keeps nothing on disk (in-memory) cannot have peers")
		}
		return nil, nil
	}
	o := &node.ClusterOptions{
		PeerAddr: c.PeerAddr, AdvertisePeer: c.AdvertisePeerAddr, Join: c.Seeds(), Zone: c.Zone,
		Capacity: uint32(c.Capacity), Replicas: c.Replicas, Version: Version,
		Users: &node.UserHooks{Check: checkUsers, Changed: n.usersChanged},
	}
	if c.PeerAddr == config.PeerAuto {
		o.PeerAddr = autoPeerAddr(c.Addr)
	}
	if err := probe(o.PeerAddr); err != nil {
		if c.PeerAddr != config.PeerAuto {
			return nil, fmt.Errorf("cannot serve peers on --peer-addr %s: %w", o.PeerAddr, err)
		}
		n.cfg.Logger.Info("the usual port for peers is taken: another one is used; see --peer-addr", "taken", o.PeerAddr)
		o.PeerAddr = "127.0.0.1:0"
	}
	if c.PeerTLSCert != "" {
		peerCerts, err := certs.Load(certs.Files{Cert: c.PeerTLSCert, Key: c.PeerTLSKey, ClientCA: c.PeerTLSCA, MinVersion: "1.3"})
		if err != nil {
			return nil, err
		}
		if o.TLS, err = peerCerts.Mutual(); err != nil {
			return nil, err
		}
		n.peerCerts = peerCerts
	}
	return o, nil
}

// autoPeerAddr is the usual place beside a data address, on the loopback.
func autoPeerAddr(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	p, perr := strconv.Atoi(port)
	if err != nil || perr != nil || p == 0 || p+peerPortOffset > 65535 {
		return "127.0.0.1:0"
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p+peerPortOffset))
}

// probe makes sure that an address can be listened on, before anything is touched.
func probe(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return ln.Close()
}

// advertised is where clients reach the node.
func (n *Node) advertised() string {
	if n.cfg.AdvertiseAddr != "" {
		return n.cfg.AdvertiseAddr
	}
	return n.Addr()
}

// usersChanged has the cluster's users count in place of the users file.
func (n *Node) usersChanged(document string) {
	if n.users == nil {
		return
	}
	if err := n.users.SetDocument(document); err != nil {
		n.cfg.Logger.Error("the cluster's users are not used", "err", err)
	}
}

func checkUsers(document string) ([]wire.AdminUser, error) {
	users, err := auth.List(document)
	if err != nil {
		return nil, err
	}
	list := make([]wire.AdminUser, len(users))
	for i, u := range users {
		list[i] = wire.AdminUser{Name: u.Name, Role: u.Role.String()}
		for _, prefix := range u.Prefixes {
			list[i].Prefixes = append(list[i].Prefixes, string(prefix))
		}
	}
	return list, nil
}

// PeerAddr is where other nodes reach this one, "" without peers.
func (n *Node) PeerAddr() string { return n.node.PeerAddr() }
