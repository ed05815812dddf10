//go:build unix

package clustertest

import (
	"encoding/hex"
	"io"
	"net"
	"sync"
	"time"
)

// mesh is the network of proxies: one listener for each node, in front of its peer port.
type mesh struct {
	mu        sync.Mutex
	nodes     map[int]*Node         // guarded by mu
	ids       map[string]int        // nodes by identity; guarded by mu
	links     map[[2]int]*link      // by caller and called; guarded by mu
	listeners []net.Listener        // guarded by mu
	conns     map[net.Conn]struct{} // that have come in; guarded by mu
	relays    map[*relay]struct{}   // those of them whose caller is known; guarded by mu
	closed    bool                  // guarded by mu
	running   sync.WaitGroup
}

func newMesh() *mesh {
	return &mesh{nodes: map[int]*Node{}, ids: map[string]int{}, links: map[[2]int]*link{},
		conns: map[net.Conn]struct{}{}, relays: map[*relay]struct{}{}}
}

func (m *mesh) prepare(int) error    { return nil }
func (m *mesh) host(int) string      { return "127.0.0.1" }
func (m *mesh) enter(*Node) []string { return nil }

// advertise opens the proxy of a node.
func (m *mesh) advertise(n *Node) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nodes[n.Number] = n
	m.listeners = append(m.listeners, l)
	m.running.Go(func() { m.accept(l, n) })
	return l.Addr().String(), nil
}

func (m *mesh) accept(l net.Listener, to *Node) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed
		}
		m.running.Go(func() { m.serve(conn, to) })
	}
}

// A node's first message on a connection: "VPEER", three bytes, and the identities of the cluster, of the caller and of
// the called, 16 bytes each. See package transport.
const (
	helloMagic  = "VPEER"
	helloCaller = 24 // where the caller's identity is
	helloPeek   = 40 // up to its end
)

// helloWithin bounds the wait for it.
const helloWithin = 10 * time.Second

// serve carries one connection, from a node that is found out to another.
func (m *mesh) serve(caller net.Conn, to *Node) {
	if !m.add(caller) {
		return
	}
	defer m.remove(caller)
	hello := make([]byte, helloPeek)
	caller.SetReadDeadline(time.Now().Add(helloWithin))
	n, err := io.ReadFull(caller, hello)
	if err != nil {
		return
	}
	caller.SetReadDeadline(time.Time{})
	link := m.link(m.who(hello), to.Number)
	called, err := net.Dial("tcp", to.Peer)
	if err != nil {
		return
	}
	defer called.Close()
	r := &relay{link: link, ends: [2]net.Conn{caller, called}, broken: make(chan struct{})}
	m.track(r, true)
	defer m.track(r, false)
	r.run(hello[:n])
}

// who finds the node that says hello; 0 if it is none of ours or does not speak in the clear.
func (m *mesh) who(hello []byte) int {
	if string(hello[:len(helloMagic)]) != helloMagic {
		return 0
	}
	id := hex.EncodeToString(hello[helloCaller:helloPeek])
	m.mu.Lock()
	defer m.mu.Unlock()
	if number, ok := m.ids[id]; ok {
		return number
	}
	for number, node := range m.nodes {
		if its, err := node.ID(); err == nil {
			m.ids[its] = number
		}
	}
	return m.ids[id]
}

func (m *mesh) link(from, to int) *link {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.links[[2]int{from, to}]
	if l == nil {
		l = newLink()
		m.links[[2]int{from, to}] = l
	}
	return l
}

// add keeps a connection where close finds it, unless that has been called.
func (m *mesh) add(conn net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		conn.Close()
		return false
	}
	m.conns[conn] = struct{}{}
	return true
}

func (m *mesh) remove(conn net.Conn) {
	conn.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.conns, conn)
}

// track keeps a relay where Reset finds it.
func (m *mesh) track(r *relay, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if on {
		m.relays[r] = struct{}{}
	} else {
		delete(m.relays, r)
	}
	if m.closed {
		r.cut()
	}
}

func (m *mesh) Block(from, to int) error {
	m.link(from, to).hold()
	return nil
}

func (m *mesh) Unblock(from, to int) error {
	m.link(from, to).release()
	return nil
}

func (m *mesh) Slow(from, to int, delay time.Duration, bytesPerSecond int) error {
	m.link(from, to).slow(delay, bytesPerSecond)
	return nil
}

func (m *mesh) Shuffle(from, to int, on bool) (frames int, err error) {
	return m.link(from, to).shuffle(on), nil
}

func (m *mesh) Reset(from, to int) error {
	l := m.link(from, to)
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := range m.relays {
		if r.link == l {
			r.cut()
		}
	}
	return nil
}

func (m *mesh) close() {
	m.mu.Lock()
	m.closed = true
	for _, l := range m.listeners {
		l.Close()
	}
	for conn := range m.conns {
		conn.Close()
	}
	for r := range m.relays {
		r.cut()
	}
	m.mu.Unlock()
	m.running.Wait()
}
