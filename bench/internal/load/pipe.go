package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// Protocol is what a Pipe speaks.
type Protocol struct {
	Name string
	// Get and Set append a request.
	Get func(dst, key []byte) []byte
	Set func(dst, key, value []byte) []byte
	// Skip reads one reply and judges it: an error reply, or a GET that found nothing, is an error.
	Skip func(*bufio.Reader) error
}

// RESP is Redis's protocol.
var RESP = Protocol{
	Name: "RESP",
	Get: func(dst, key []byte) []byte {
		dst = append(dst, "*2\r\n$3\r\nGET\r\n"...)
		return appendBulk(dst, key)
	},
	Set: func(dst, key, value []byte) []byte {
		dst = append(dst, "*3\r\n$3\r\nSET\r\n"...)
		return appendBulk(appendBulk(dst, key), value)
	},
	Skip: skipRESP,
}

// Memcache is memcached's text protocol.
var Memcache = Protocol{
	Name: "memcached text",
	Get: func(dst, key []byte) []byte {
		dst = append(append(dst, "get "...), key...)
		return append(dst, "\r\n"...)
	},
	Set: func(dst, key, value []byte) []byte {
		dst = append(append(dst, "set "...), key...)
		dst = strconv.AppendInt(append(dst, " 0 0 "...), int64(len(value)), 10)
		dst = append(append(dst, "\r\n"...), value...)
		return append(dst, "\r\n"...)
	},
	Skip: skipMemcache,
}

var errMissing = errors.New("a key that was filled in is missing")

func skipRESP(r *bufio.Reader) error {
	line, err := readLine(r)
	if err != nil {
		return err
	}
	switch line[0] {
	case '+', ':':
		return nil
	case '$':
		n, err := strconv.Atoi(string(line[1:]))
		if err != nil {
			return fmt.Errorf("malformed reply %q", line)
		}
		if n < 0 {
			return errMissing
		}
		_, err = r.Discard(n + 2)
		return err
	default: // errors, and kinds that these requests do not lead to
		return fmt.Errorf("unexpected reply %q", line)
	}
}

func skipMemcache(r *bufio.Reader) error {
	line, err := readLine(r)
	if err != nil {
		return err
	}
	switch s := string(line); {
	case s == "STORED":
		return nil
	case s == "END":
		return errMissing
	case len(s) > 6 && s[:6] == "VALUE ":
		// VALUE key flags bytes CRLF data CRLF END CRLF
		at := len(s) - 1
		for s[at] != ' ' {
			at--
		}
		n, err := strconv.Atoi(s[at+1:])
		if err != nil || n < 0 {
			return fmt.Errorf("malformed reply %q", s)
		}
		_, err = r.Discard(n + len("\r\nEND\r\n"))
		return err
	default:
		return fmt.Errorf("unexpected reply %q", s)
	}
}

// readLine returns a line of at least one byte without its CRLF; it is valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return nil, fmt.Errorf("malformed line %q", line)
	}
	return line[:len(line)-2], nil
}

// Pipe is one connection that sends requests in batches and waits for all replies of a batch.
type Pipe struct {
	Protocol Protocol
	conn     net.Conn
	r        *bufio.Reader
	buf      []byte
	queued   int
}

// Dial opens a connection. It closes with the context, so that a stuck server cannot hold a run up.
func Dial(ctx context.Context, addr string, p Protocol) (*Pipe, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return &Pipe{Protocol: p, conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// Close closes the connection.
func (p *Pipe) Close() error { return p.conn.Close() }

// Get queues a GET.
func (p *Pipe) Get(key []byte) { p.buf = p.Protocol.Get(p.buf, key); p.queued++ }

// Set queues a SET.
func (p *Pipe) Set(key, value []byte) { p.buf = p.Protocol.Set(p.buf, key, value); p.queued++ }

// Flush sends what is queued and reads as many replies.
func (p *Pipe) Flush() error {
	if _, err := p.conn.Write(p.buf); err != nil {
		return err
	}
	n := p.queued
	p.buf, p.queued = p.buf[:0], 0
	for range n {
		if err := p.Protocol.Skip(p.r); err != nil {
			if errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}
