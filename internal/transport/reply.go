package transport

import (
	"errors"
	"fmt"
	"io"
)

// A reply is one frame behind any number of keepalives: u8 status, then the body or the error's text.
const (
	replyOK    = 0
	replyError = 1

	maxErrorText = 4 << 10
)

// sendReply writes the Handler's result.
func (c *conn) sendReply(body []byte, err error) error {
	if err != nil {
		text := err.Error()
		return c.send(appendFrame(nil, []byte{replyError}, []byte(text[:min(len(text), maxErrorText)])))
	}
	return c.send(appendFrame(nil, []byte{replyOK}, body))
}

// awaitReply reads keepalives and then the reply. The body is the caller's to keep.
func (c *conn) awaitReply(from answer) ([]byte, error) {
	frames := c.frames(c.t.limits.CallBytes+1, c.t.limits.Idle)
	for {
		frame, err := frames.next()
		switch {
		case err == io.EOF:
			return nil, fmt.Errorf("node %s closed the connection before it replied", from.node)
		case err != nil:
			return nil, fmt.Errorf("reply of node %s: %w", from.node, err)
		case len(frame) == 0:
			continue
		case frame[0] == replyOK:
			return frame[1:], nil
		case frame[0] == replyError:
			return nil, &RemoteError{Node: from.node, Text: printable(frame[1:])}
		}
		return nil, errors.New("a reply with an unknown status")
	}
}
