package server

// argsCopy is a copy of a command's arguments: the input they are in moves on.
type argsCopy struct {
	buf  []byte
	args [][]byte
}

func (c *argsCopy) set(args [][]byte) {
	c.buf, c.args = c.buf[:0], c.args[:0]
	for _, arg := range args {
		c.buf = append(c.buf, arg...)
	}
	rest := c.buf
	for _, arg := range args {
		c.args = append(c.args, rest[:len(arg):len(arg)])
		rest = rest[len(arg):]
	}
}

// release lets go of unusually large buffers.
func (c *argsCopy) release() {
	if cap(c.buf) > keepWaitBytes || cap(c.args) > keepArgs {
		*c = argsCopy{}
	}
}

// keepArgs is the longest list of arguments that is kept for reuse.
const keepArgs = 64

// heldCommand is a command that has been taken off the input but must wait for
// what is in flight before it.
type heldCommand struct {
	full bool
	argsCopy
}

// hold parks the session with a command.
func (s *Session) hold(args [][]byte) {
	s.parked = true
	s.held.full = true
	s.held.set(args)
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
	if !h.full && len(args) <= keepArgs {
		clear(args) // they would hold on to the buffer
		h.args = args[:0]
	}
	if cap(h.buf) > keepBufferBytes && !h.full {
		h.buf = nil
	}
	return !s.parked && !s.closing
}
