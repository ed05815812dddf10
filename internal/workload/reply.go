package workload

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// reply is one RESP2 reply; of an array only its length, the elements follow.
type reply struct {
	kind byte   // '+', '-', ':', '$' or '*'
	bulk []byte // text of '+', '-' and '$'; reuses the array it comes with
	n    int64  // ':' the number, '*' the length
	null bool
}

// ServerError is an error reply, such as "OOM command not allowed …".
type ServerError string

func (e ServerError) Error() string { return string(e) }

// Class is the reply's first word.
func (e ServerError) Class() string {
	class, _, _ := strings.Cut(string(e), " ")
	return class
}

func (r *reply) err() error {
	if r.kind == '-' {
		return ServerError(r.bulk)
	}
	return nil
}

func (r *reply) describe() string {
	if r.kind == '*' || r.kind == ':' {
		return fmt.Sprintf("%c%d", r.kind, r.n)
	}
	return fmt.Sprintf("%c%.60q", r.kind, r.bulk)
}

// replyReader reads replies from a server that is trusted no further than
// maxReply.
type replyReader struct{ r *bufio.Reader }

const maxReply = 512 << 20

var errReply = errors.New("not a RESP2 reply")

func newReplyReader(r io.Reader) *replyReader { return &replyReader{bufio.NewReaderSize(r, 64<<10)} }

// read reads one reply, of an array its head.
func (rr *replyReader) read(out *reply) error {
	line, err := rr.r.ReadSlice('\n')
	if err != nil {
		if err == io.EOF {
			err = errors.New("the server closed the connection")
		}
		return err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return fmt.Errorf("%w: %.60q", errReply, line)
	}
	kind, text := line[0], line[1:len(line)-2]
	*out = reply{kind: kind, bulk: out.bulk[:0]}
	switch kind {
	case '+', '-':
		out.bulk = append(out.bulk, text...)
		return nil
	case ':', '*', '$':
		if out.n, err = strconv.ParseInt(string(text), 10, 64); err != nil || (kind != ':' && (out.n < -1 || out.n > maxReply)) {
			return fmt.Errorf("%w: %.60q", errReply, line)
		}
	default:
		return fmt.Errorf("%w: %.60q", errReply, line)
	}
	if out.n == -1 && kind != ':' {
		out.null, out.n = true, 0
		return nil
	}
	if kind == '$' {
		return rr.readBulk(out)
	}
	return nil
}

// readBulk reads the bytes of a bulk string. The buffer grows with what
// arrives, not with what is announced.
func (rr *replyReader) readBulk(out *reply) error {
	const piece = 1 << 20
	for left := int(out.n); left > 0; {
		n := min(left, piece)
		start := len(out.bulk)
		if cap(out.bulk)-start < n {
			out.bulk = append(out.bulk, make([]byte, n)...)
		}
		out.bulk = out.bulk[:start+n]
		if _, err := io.ReadFull(rr.r, out.bulk[start:]); err != nil {
			return fmt.Errorf("read a value: %w", err)
		}
		left -= n
	}
	if end, err := rr.r.Peek(2); err != nil || string(end) != "\r\n" {
		return fmt.Errorf("%w: a value does not end where it should", errReply)
	}
	_, err := rr.r.Discard(2)
	return err
}

// skip reads one reply with its elements, which are no arrays themselves.
func (rr *replyReader) skip() error {
	var r reply
	if err := rr.read(&r); err != nil {
		return err
	}
	if r.kind != '*' {
		return r.err()
	}
	for n := r.n; n > 0; n-- {
		if err := rr.read(&r); err != nil {
			return err
		}
	}
	return nil
}
