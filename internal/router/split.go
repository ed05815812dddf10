package router

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// share is what one partition has to do of a command that was cut.
type share struct {
	partition int
	args      [][]byte // with the command's name
	places    []int    // of its keys among those of the request, ascending
}

// cut divides a command by partition, in the order in which they occur.
func cut(spec *command.Spec, args [][]byte, partitions int) []share {
	first, step, count := spec.KeyRange(args)
	var shares []share
	index := make(map[int]int)
	for i := range count {
		at := first + i*step
		p := ring.PartitionOf(args[at], partitions)
		s, known := index[p]
		if !known {
			s = len(shares)
			index[p] = s
			shares = append(shares, share{partition: p, args: append([][]byte(nil), args[:first]...)})
		}
		shares[s].args = append(shares[s].args, args[at:at+step]...)
		shares[s].places = append(shares[s].places, i)
	}
	return shares
}

// joining is a cut command on its way. Guarded by its connection's mu.
type joining struct {
	spec   *command.Spec
	proto  int
	shares []share
	bodies [][]byte // of the replies, by share
	count  int      // keys of the request
	left   int
	bytes  int // of bodies; they count as held by the connection
	most   int // of bytes
	failed []byte
}

// forwardParts sends a command whose keys are in several partitions, in parts.
func (c *conn) forwardParts(spec *command.Spec, args [][]byte, partitions int) {
	size := commandBytes(args)
	if !c.admit(size, maxPipeline) {
		return
	}
	c.r.stats.split.Add(1)
	_, _, count := spec.KeyRange(args)
	j := &joining{spec: spec, proto: c.w.Proto, shares: cut(spec, args, partitions), count: count, most: int(c.r.front.OutputLimit)}
	j.left, j.bodies = len(j.shares), make([][]byte, len(j.shares))
	tasks := make([]*task, len(j.shares))
	for i := range j.shares {
		part := &j.shares[i]
		t := c.newTask(spec, part.partition)
		t.req.Body = appendCommand(make([]byte, 0, commandBytes(part.args)), j.proto, part.args)
		c.nameKeys(t, spec, part.args)
		part.args = nil // they live in the input
		tasks[i] = t
	}
	began := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.replies.push()
	for i, t := range tasks {
		t.done = func(reply *wire.Response, err error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			before := j.bytes
			complete := j.take(i, reply, err)
			if !c.broken {
				c.hold(j.bytes - before)
			}
			if !complete {
				return
			}
			if !c.broken {
				c.hold(-j.bytes)
			}
			buf := j.reply()
			c.fill(s, buf)
			c.answered(size)
			c.r.stats.commands[spec.ID].Observe(time.Since(began), buf[0] == '-')
		}
		if c.order.add(t) {
			c.start(t)
		}
	}
}

// take files the answer of one share, and reports whether it was the last.
func (j *joining) take(i int, reply *wire.Response, err error) (complete bool) {
	body, failed := appendRESP(nil, j.proto, reply, err)
	j.left--
	switch {
	case j.failed != nil: // the first failure is told
	case failed:
		j.fail(body)
	case j.bytes+len(body) > j.most:
		w := resp.Writer{Proto: j.proto}
		w.Error(errTooMuch)
		j.failed, j.bodies, j.bytes = w.Buf, nil, 0
	default:
		j.bodies[i] = body
		j.bytes += len(body)
	}
	return j.left == 0
}

// partly is added to the error of a write that was cut: what other partitions did
// stays.
const partly = " (the command was cut by partition: other keys of it may have been changed)"

func (j *joining) fail(body []byte) {
	j.bodies, j.bytes = nil, 0
	if j.spec.Kind == command.KindWrite && len(body) > 2 {
		body = append(append(append([]byte(nil), body[:len(body)-2]...), partly...), "\r\n"...)
	}
	j.failed = body
}

// reply joins the answers of all shares.
func (j *joining) reply() []byte {
	if j.failed != nil {
		return j.failed
	}
	w := resp.Writer{Proto: j.proto}
	var ok bool
	switch j.spec.Merge {
	case command.MergeSum:
		ok = j.sum(&w)
	case command.MergeOK:
		w.OK()
		ok = true
	case command.MergeArray:
		ok = j.array(&w)
	}
	if !ok {
		w.Buf = w.Buf[:0]
		w.Errorf("ERR", "a node's reply to a part of the command cannot be understood")
	}
	return w.Buf
}

func (j *joining) sum(w *resp.Writer) bool {
	total := int64(0)
	for _, body := range j.bodies {
		n, ok := intReply(body)
		if !ok {
			return false
		}
		total += n
	}
	w.Int(total)
	return true
}

// array puts the elements of the shares' arrays in the places of their keys.
func (j *joining) array(w *resp.Writer) bool {
	elements := make([][]byte, j.count)
	for i, body := range j.bodies {
		places := j.shares[i].places
		n, rest, ok := arrayReply(body)
		if !ok || n != len(places) {
			return false
		}
		for _, at := range places {
			size, ok := valueBytes(rest, maxReplyDepth)
			if !ok {
				return false
			}
			elements[at], rest = rest[:size], rest[size:]
		}
		if len(rest) > 0 {
			return false
		}
	}
	w.Buf = make([]byte, 0, j.bytes+16)
	w.Array(j.count)
	for _, e := range elements {
		w.Buf = append(w.Buf, e...)
	}
	return true
}
