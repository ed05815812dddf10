package router

// slot is the place of one RESP reply in its connection's order.
type slot struct {
	next *slot
	buf  []byte // the reply, once done
	done bool
}

// replies are the replies of one connection that have not left, in the order of
// the requests. Guarded by the connection's mu.
type replies struct {
	head, tail *slot
	n          int
}

// push adds the place of the next reply.
func (q *replies) push() *slot {
	s := &slot{}
	if q.tail == nil {
		q.head = s
	} else {
		q.tail.next = s
	}
	q.tail = s
	q.n++
	return s
}

func (q *replies) empty() bool { return q.head == nil }

// pop hands the replies over that have none unfinished before them.
func (q *replies) pop(take func([]byte)) {
	for q.head != nil && q.head.done {
		take(q.head.buf)
		q.head = q.head.next
		q.n--
	}
	if q.head == nil {
		q.tail = nil
	}
}
