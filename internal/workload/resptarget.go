package workload

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/resp"
)

// RESPOptions say how to reach a server that speaks RESP: VegaDB, Redis, Valkey.
type RESPOptions struct {
	Address  string
	Username string
	Password string
	TLS      *tls.Config   // nil: plain TCP
	Timeout  time.Duration // of one exchange, connecting included; 0: 5 s
	// Connections for all callers together. 0, or as many as callers: each
	// caller has its own. Fewer: they are shared, and requests of several callers
	// travel together.
	Connections int
}

// RESP is a server under load through RESP2.
type RESP struct {
	options RESPOptions

	mu     sync.Mutex
	shared []*respShared // guarded by mu
	opened int           // guarded by mu: conns handed out
}

// NewRESP returns the target; callers is how many conns will be asked for.
func NewRESP(o RESPOptions, callers int) *RESP {
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	r := &RESP{options: o}
	if o.Connections > 0 && o.Connections < callers {
		r.shared = make([]*respShared, o.Connections)
	}
	return r
}

// Conn connects one more caller.
func (r *RESP) Conn(ctx context.Context) (Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.opened
	r.opened++
	if len(r.shared) == 0 {
		conn := &respConn{options: &r.options}
		return conn, conn.connect(ctx)
	}
	slot := &r.shared[i%len(r.shared)]
	if *slot == nil {
		conn := &respConn{options: &r.options}
		if err := conn.connect(ctx); err != nil {
			return nil, err
		}
		*slot = newRESPShared(conn)
	}
	return respHandle{*slot, make(chan struct{}, 1)}, nil
}

// Close ends the shared connections; those of single callers are theirs to close.
func (r *RESP) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.shared {
		if s != nil {
			s.close()
		}
	}
	return nil
}

// respConn is one connection, for one goroutine. After an error it connects
// anew at the next Do.
type respConn struct {
	options *RESPOptions
	nc      net.Conn // nil: not connected
	w       resp.Writer
	r       *replyReader
	cursor  []byte   // where the next scan goes on
	page    [][]byte // the keys of scans, whose values are still to be read
	single  [1]respJob
}

func (c *respConn) connect(ctx context.Context) error {
	dialer := net.Dialer{Timeout: c.options.Timeout}
	nc, err := dialer.DialContext(ctx, "tcp", c.options.Address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if c.options.TLS != nil {
		nc = tls.Client(nc, c.options.TLS)
	}
	c.nc, c.r, c.cursor = nc, newReplyReader(nc), append(c.cursor[:0], '0')
	if c.options.Password != "" {
		if err := c.authenticate(); err != nil {
			_ = c.Close() // the first error says what is wrong
			return err
		}
	}
	return nil
}

func (c *respConn) authenticate() error {
	c.w.Buf = c.w.Buf[:0]
	if c.options.Username != "" {
		c.command("AUTH", []byte(c.options.Username), []byte(c.options.Password))
	} else {
		c.command("AUTH", []byte(c.options.Password))
	}
	var reply reply
	if err := c.exchange(func() error { return c.r.read(&reply) }); err != nil {
		return err
	}
	return reply.err()
}

// Close ends the connection.
func (c *respConn) Close() error {
	if c.nc == nil {
		return nil
	}
	err := c.nc.Close()
	c.nc = nil
	return err
}

// command appends a command to the output.
func (c *respConn) command(name string, args ...[]byte) {
	c.w.Array(1 + len(args))
	c.w.BulkString(name)
	for _, arg := range args {
		c.w.Bulk(arg)
	}
}

// Do carries out ops; see Conn.
func (c *respConn) Do(ctx context.Context, ops []Op, batch bool) {
	c.single[0] = respJob{ops: ops, batch: batch}
	c.do(ctx, c.single[:])
}

// respJob is one caller's ops. Their requests stand together.
type respJob struct {
	ops   []Op
	batch bool
	ready chan struct{} // respShared tells here that the job is done
}

// do carries out jobs as one pipeline. An error of the connection is every
// op's, because what was answered before it cannot be told from the rest by
// those who wait; the next call connects anew.
func (c *respConn) do(ctx context.Context, jobs []respJob) {
	err := error(nil)
	if c.nc == nil {
		err = c.connect(ctx)
	}
	if err == nil {
		c.w.Buf, c.page = c.w.Buf[:0], c.page[:0]
		for i := range jobs {
			c.request(jobs[i].ops, jobs[i].batch)
		}
		err = c.exchange(func() error { return c.replies(jobs) })
	}
	if err == nil && len(c.page) > 0 {
		// The values of what was scanned, so that a scan moves the same data as
		// on the native protocol.
		c.command("MGET", c.page...)
		err = c.exchange(c.r.skip)
	}
	if err != nil {
		_ = c.Close() // what it would say is in err already
		for i := range jobs {
			failAll(jobs[i].ops, err)
		}
	}
}

// exchange writes what has been gathered and reads the replies. Much output is
// written while reading: a server that waits for its replies to be taken
// before it reads on would otherwise wait for us, and we for it.
func (c *respConn) exchange(read func() error) error {
	if err := c.nc.SetDeadline(time.Now().Add(c.options.Timeout)); err != nil {
		return err
	}
	const little = 32 << 10
	out := c.w.Buf
	c.w.Buf = c.w.Buf[:0]
	if len(out) <= little {
		if _, err := c.nc.Write(out); err != nil {
			return err
		}
		return read()
	}
	written := make(chan error, 1)
	go func() {
		_, err := c.nc.Write(out)
		written <- err
	}()
	err := read()
	if err != nil {
		_ = c.nc.Close() // so that the writer ends
	}
	if writeErr := <-written; err == nil {
		err = writeErr
	}
	return err
}

func failAll(ops []Op, err error) {
	for i := range ops {
		ops[i].Err = err
	}
}

// request appends the commands of ops.
func (c *respConn) request(ops []Op, batch bool) {
	if batch {
		c.batchRequest(ops)
		return
	}
	for i := range ops {
		op := &ops[i]
		switch op.Kind {
		case Read:
			c.command("GET", op.Key)
		case Scan:
			c.command("SCAN", c.cursor, []byte("COUNT"), strconv.AppendInt(nil, int64(op.Limit), 10))
		default:
			c.command("SET", op.Key, op.Value)
		}
	}
}

func (c *respConn) batchRequest(ops []Op) {
	if ops[0].Kind == Read {
		c.w.Array(1 + len(ops))
		c.w.BulkString("MGET")
		for i := range ops {
			c.w.Bulk(ops[i].Key)
		}
		return
	}
	c.w.Array(1 + 2*len(ops))
	c.w.BulkString("MSET")
	for i := range ops {
		c.w.Bulk(ops[i].Key)
		c.w.Bulk(ops[i].Value)
	}
}

// replies reads the outcome of jobs. The error is the connection's; an op's
// own is in Op.Err.
func (c *respConn) replies(jobs []respJob) error {
	for i := range jobs {
		read := c.singleReplies
		if jobs[i].batch {
			read = c.batchReply
		}
		if err := read(jobs[i].ops); err != nil {
			return err
		}
	}
	return nil
}

func (c *respConn) singleReplies(ops []Op) error {
	var reply reply
	for i := range ops {
		reply.bulk = ops[i].Got
		if err := c.r.read(&reply); err != nil {
			return err
		}
		if err := c.outcome(&ops[i], &reply); err != nil {
			return err
		}
	}
	return nil
}

func (c *respConn) batchReply(ops []Op) error {
	var reply reply
	if err := c.r.read(&reply); err != nil {
		return err
	}
	err := reply.err()
	if err != nil || ops[0].Kind != Read {
		failAll(ops, err)
		return nil
	}
	if reply.kind != '*' || reply.n != int64(len(ops)) {
		return fmt.Errorf("MGET of %d keys was answered with %s", len(ops), reply.describe())
	}
	for i := range ops {
		reply.bulk = ops[i].Got
		if err := c.r.read(&reply); err != nil {
			return err
		}
		ops[i].Got, ops[i].Found, ops[i].Err = reply.bulk, !reply.null, reply.err()
	}
	return nil
}

// outcome settles one op by its reply.
func (c *respConn) outcome(op *Op, reply *reply) error {
	op.Err = reply.err()
	if op.Err != nil {
		return nil
	}
	switch op.Kind {
	case Read:
		op.Got, op.Found = reply.bulk, !reply.null
	case Scan:
		return c.scanOutcome(op, reply)
	}
	return nil
}

// scanOutcome reads the two parts of a SCAN's reply and notes the keys for do.
func (c *respConn) scanOutcome(op *Op, outer *reply) error {
	if outer.kind != '*' || outer.n != 2 {
		return fmt.Errorf("SCAN was answered with %s", outer.describe())
	}
	var part reply
	if err := c.r.read(&part); err != nil {
		return err
	}
	c.cursor = append(c.cursor[:0], part.bulk...)
	if err := c.r.read(&part); err != nil {
		return err
	}
	if part.kind != '*' {
		return fmt.Errorf("SCAN was answered with %s for its keys", part.describe())
	}
	op.Scanned = int(part.n)
	for range part.n {
		var key reply
		if err := c.r.read(&key); err != nil {
			return err
		}
		c.page = append(c.page, key.bulk)
	}
	return nil
}
