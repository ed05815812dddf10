package server

// heldCommand is a command that has been taken off the input but must wait for
// what is in flight before it. Its arguments are copies: the input moves on.
type heldCommand struct {
	full bool
	buf  []byte
	args [][]byte
}

// hold parks the session with a command.
func (s *Session) hold(args [][]byte) {
	s.parked = true
	h := &s.held
	h.full, h.buf, h.args = true, h.buf[:0], h.args[:0]
	for _, arg := range args {
		h.buf = append(h.buf, arg...)
	}
	rest := h.buf
	for _, arg := range args {
		h.args = append(h.args, rest[:len(arg):len(arg)])
		rest = rest[len(arg):]
	}
}

// resumeHeld serves the held command, if there is one. It reports whether the
// session can go on with its input.
func (s *Session) resumeHeld() bool {
	h := &s.held
	if !h.full {
		return true
	}
	h.full = false
	args := h.args
	h.args = nil // should the session be parked again, by this very command
	s.batch.begin()
	s.execute(args)
	s.batch.end(s.srv)
	if !h.full && len(args) <= 64 {
		clear(args) // they would hold on to the buffer
		h.args = args[:0]
	}
	if cap(h.buf) > keepBufferBytes && !h.full {
		h.buf = nil
	}
	return !s.parked && !s.closing
}
