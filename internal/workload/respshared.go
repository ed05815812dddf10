package workload

import (
	"context"
	"sync"
)

// respShared lets several callers use one connection: requests that are waiting
// when the connection is free travel together, as one pipeline.
type respShared struct {
	conn  *respConn
	queue chan respJob
	done  sync.WaitGroup
}

// sharedQueue bounds the jobs that wait for one connection, and so those that
// travel together.
const sharedQueue = 256

func newRESPShared(conn *respConn) *respShared {
	s := &respShared{conn: conn, queue: make(chan respJob, sharedQueue)}
	s.done.Go(s.run)
	return s
}

// close ends the connection once all callers are done with it.
func (s *respShared) close() {
	close(s.queue)
	s.done.Wait()
	_ = s.conn.Close() // nothing is under way any more
}

func (s *respShared) run() {
	var jobs []respJob
	for first := range s.queue {
		jobs = append(jobs[:0], first)
		for more := true; more && len(jobs) < sharedQueue; {
			select {
			case job, open := <-s.queue:
				if more = open; open {
					jobs = append(jobs, job)
				}
			default:
				more = false
			}
		}
		// The dialer's own time-out bounds a reconnection.
		s.conn.do(context.Background(), jobs)
		for _, job := range jobs {
			job.ready <- struct{}{}
		}
	}
}

// respHandle is one caller's view of a shared connection.
type respHandle struct {
	shared *respShared
	ready  chan struct{} // capacity 1
}

// Do waits for its turn; see Conn.
func (h respHandle) Do(_ context.Context, ops []Op, batch bool) {
	h.shared.queue <- respJob{ops: ops, batch: batch, ready: h.ready}
	<-h.ready
}

// Close leaves the connection to the target.
func (h respHandle) Close() error { return nil }
