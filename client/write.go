package client

import "runtime"

// maxKeptBuffer bounds the memory that an idle connection keeps for writing
// and for reading.
const maxKeptBuffer = 256 << 10

// write is the writer goroutine: it takes everything that callers have encoded
// and writes it at once.
func (cn *conn) write() {
	var spare []byte
	for {
		out, large, ok := cn.take(spare)
		if !ok {
			return
		}
		written, err := 0, error(nil)
		if len(out) > 0 {
			written, err = cn.nc.Write(out)
		}
		for i := 0; i < len(large) && err == nil; i++ {
			var n int
			n, err = cn.nc.Write(large[i])
			written += n
		}
		if err != nil {
			if written == 0 {
				cn.untake(out, large)
			}
			cn.fail(err)
			return
		}
		spare = out
		if cap(spare) > maxKeptBuffer {
			spare = nil
		}
	}
}

// untake gives back what was taken when not one byte of it could be written:
// those requests have surely not left.
func (cn *conn) untake(out []byte, large [][]byte) {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	cn.taken -= uint64(len(out))
	for _, frame := range large {
		cn.taken -= uint64(len(frame))
	}
}

// take waits until there is something to write and takes all of it, leaving
// spare for what comes next. It returns false when the connection is dead.
func (cn *conn) take(spare []byte) (out []byte, large [][]byte, ok bool) {
	cn.mu.Lock()
	for cn.err == nil && cn.appended == cn.taken {
		cn.writerIdle = true
		cn.mu.Unlock()
		<-cn.wake
		cn.gather()
		cn.mu.Lock()
	}
	if cn.err != nil {
		cn.mu.Unlock()
		return nil, nil, false
	}
	out, large = cn.out, cn.large
	cn.out, cn.large = spare[:0], nil
	cn.taken = cn.appended
	cn.mu.Unlock()
	return out, large, true
}

// maxYields bounds how often the writer steps back for more requests.
const maxYields = 4

// gather steps back while other goroutines add requests: the replies of the last
// write have just woken many callers, the first of which woke the writer, and
// the others are about to run. Writing at once would send them one by one. With
// nothing else to run a step costs a fraction of a microsecond.
func (cn *conn) gather() {
	before := uint64(0)
	for range maxYields {
		runtime.Gosched()
		cn.mu.Lock()
		now := cn.appended
		cn.mu.Unlock()
		if now == before {
			return
		}
		before = now
	}
}
