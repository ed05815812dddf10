//go:build unix

package faultfs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Variable is the environment variable that names the socket of the test which gives the orders.
const Variable = "VEGADB_FAULTFS"

// askWithin bounds one exchange.
const askWithin = 20 * time.Second

// message is what a test sends: orders, or the question for a report alone. The server answers each with a Report.
type message struct {
	Orders *Orders `json:",omitempty"`
}

// World is what a server sees of the disk and of time.
type World struct {
	FS      vfs.FS
	Clock   func() time.Time
	Elapsed func() time.Duration
}

// Connect asks the test that listens at a socket for its orders and returns the world of a server whose data directory is
// root. It obeys further orders for as long as the process lives: nothing ends it but that.
func Connect(socket, root string) (World, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return World{}, err
	}
	conn, err := net.DialTimeout("unix", socket, askWithin)
	if err != nil {
		return World{}, fmt.Errorf("faultfs: %s names no test that listens: %w", Variable, err)
	}
	r := newRules(root)
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	if err := obey(in, out, r); err != nil {
		return World{}, fmt.Errorf("faultfs: no orders came from %s: %w", socket, err)
	}
	s, err := openShadow(vfs.OS(), root, r.after)
	if err != nil {
		return World{}, fmt.Errorf("faultfs: %w", err)
	}
	go func() {
		for obey(in, out, r) == nil {
		}
		conn.Close()
	}()
	began := time.Now()
	return World{
		FS:      vfs.Inject(s, r.before),
		Clock:   func() time.Time { return time.Now().Round(0).Add(r.clockOff()) },
		Elapsed: func() time.Duration { return time.Since(began) },
	}, nil
}

// obey carries out one message.
func obey(in *json.Decoder, out *json.Encoder, r *rules) error {
	var m message
	if err := in.Decode(&m); err != nil {
		return err
	}
	if m.Orders != nil {
		r.set(*m.Orders)
	}
	return out.Encode(r.report())
}

// Commander is the test's end: it gives orders to one server, and to each process that takes the place of it.
type Commander struct {
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	orders Orders   // guarded by mu
	conn   net.Conn // to the present process, nil: none; guarded by mu
	in     *json.Decoder
	closed bool
}

// Listen opens a socket and waits for servers there.
func Listen(socket string) (*Commander, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	c := &Commander{listener: l}
	c.running.Go(c.accept)
	return c, nil
}

func (c *Commander) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return // closed
		}
		c.greet(conn)
	}
}

// greet gives a new process its orders.
func (c *Commander) greet(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return
	}
	c.drop()
	c.conn, c.in = conn, json.NewDecoder(conn)
	c.exchange(message{Orders: &c.orders}) // an error means that it has ended already
}

// drop forgets the process. Requires mu.
func (c *Commander) drop() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// errNoProcess is what Report says when there is none.
var errNoProcess = errors.New("faultfs: no process has asked for orders, or it has ended")

// exchange sends a message and returns the answer. Requires mu.
func (c *Commander) exchange(m message) (Report, error) {
	var r Report
	if c.conn == nil {
		return r, errNoProcess
	}
	c.conn.SetDeadline(time.Now().Add(askWithin))
	err := json.NewEncoder(c.conn).Encode(m)
	if err == nil {
		err = c.in.Decode(&r)
	}
	if err != nil {
		c.drop()
		return r, fmt.Errorf("%w: %w", errNoProcess, err)
	}
	return r, nil
}

// Order gives orders, in place of all before them. They are in force when it returns; if no process runs, from the first
// moment of the next.
func (c *Commander) Order(o Orders) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders = o
	c.exchange(message{Orders: &o}) // an error: the next process is told
}

// Report asks the process what has come of the orders.
func (c *Commander) Report() (Report, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exchange(message{})
}

// Close ends it. Servers keep the orders that they have.
func (c *Commander) Close() error {
	c.mu.Lock()
	c.closed = true
	c.drop()
	c.mu.Unlock()
	err := c.listener.Close()
	c.running.Wait()
	return err
}
