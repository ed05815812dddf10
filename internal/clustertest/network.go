//go:build unix

package clustertest

import (
	"errors"
	"testing"
	"time"
)

// NetworkKind is how the nodes of a cluster are connected.
type NetworkKind int

const (
	Direct     NetworkKind = iota // nothing in between
	Proxied                       // a proxy in front of each node's peer port
	Namespaces                    // a network namespace for each node
)

// Network is what lies between the nodes. From and to are numbers of nodes. All faults last until they are taken
// back. Its methods may be called by any goroutine.
type Network interface {
	// Block lets nothing more of what one node has to say reach the other. It is silence, not an error: connections stay.
	Block(from, to int) error
	// Unblock takes Block back.
	Unblock(from, to int) error
	// Reset breaks the connections that one node has made to the other. New ones can be made.
	Reset(from, to int) error
	// Slow delays what one node has to say to the other, and limits it to a number of bytes per second; zeros take it back.
	Slow(from, to int, delay time.Duration, bytesPerSecond int) error

	// Shuffle doubles and reorders frames that one node sends the other, or no more. It returns how many so far.
	Shuffle(from, to int, on bool) (frames int, err error)

	prepare(n int) error               // before a node's first start
	host(n int) string                 // address that the node has
	enter(n *Node) []string            // command that runs another in the node's place
	advertise(n *Node) (string, error) // address that peers are told instead of n.Peer; empty: that one
	close()
}

// errNoFaults is what a network says that cannot do what a test asks for.
var errNoFaults = errors.New("this kind of network has no such fault")

// newNetwork makes the network, to be closed by the cluster.
func newNetwork(t testing.TB, kind NetworkKind) (Network, error) {
	switch kind {
	case Proxied:
		return newMesh(), nil
	case Namespaces:
		return newNamespaces(t)
	}
	return direct{}, nil
}

// direct is no network at all.
type direct struct{}

func (direct) Block(int, int) error                    { return errNoFaults }
func (direct) Unblock(int, int) error                  { return nil }
func (direct) Reset(int, int) error                    { return errNoFaults }
func (direct) Slow(int, int, time.Duration, int) error { return errNoFaults }
func (direct) Shuffle(int, int, bool) (int, error)     { return 0, errNoFaults }
func (direct) prepare(int) error                       { return nil }
func (direct) host(int) string                         { return "127.0.0.1" }
func (direct) enter(*Node) []string                    { return nil }
func (direct) advertise(*Node) (string, error)         { return "", nil }
func (direct) close()                                  {}
