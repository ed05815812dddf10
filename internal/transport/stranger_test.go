package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// stranger listens and does with each connection what answer says, until the test ends.
func stranger(t *testing.T, answer func(c net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			answer(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// untilLineEnd reads up to an empty line, as a server of lines does before it says anything.
func untilLineEnd(c net.Conn) {
	var seen []byte
	b := make([]byte, 1)
	for !bytes.HasSuffix(seen, []byte("\r\n\r\n")) {
		if _, err := c.Read(b); err != nil {
			return
		}
		seen = append(seen, b[0])
	}
}

func TestWhatIsNoPeerPortIsRecognised(t *testing.T) {
	a := startNode(t, newBook(), 1, func(o *Options) { o.Limits.Handshake = 300 * time.Millisecond })
	for name, test := range map[string]struct {
		answer func(c net.Conn)
		want   string
	}{
		"a RESP server at once":           {func(c net.Conn) { io.WriteString(c, "-ERR Protocol error: no\r\n"); untilLineEnd(c) }, "a port for clients answers there"},
		"a RESP server that wants a line": {func(c net.Conn) { untilLineEnd(c); io.WriteString(c, "-NOAUTH Authentication required\r\n") }, "a port for clients answers there"},
		"an HTTP server":                  {func(c net.Conn) { untilLineEnd(c); io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n") }, "HTTP answers there"},
		"a TLS server":                    {func(c net.Conn) { c.Write([]byte{0x15, 3, 3, 0, 2, 2, 10}) }, "give both the same peer TLS settings"},
		"another server":                  {func(c net.Conn) { io.WriteString(c, "SSH-2.0-x\r\n") }, `"SSH-2"`},
	} {
		t.Run(name, func(t *testing.T) {
			addr := stranger(t, test.answer)
			_, err := a.Call(t.Context(), addr, 1, nil)
			if !errors.As(err, new(*StrangerError)) || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), addr) {
				t.Error(err)
			}
		})
	}
	for name, answer := range map[string]func(c net.Conn){
		"silence":                func(c net.Conn) { io.Copy(io.Discard, c) },
		"the end":                func(c net.Conn) {},
		"a node that takes time": func(c net.Conn) { untilLineEnd(c); c.Write((&answer{version: 1, node: nodeID(3)}).append(nil)) },
	} {
		if _, err := a.Call(t.Context(), stranger(t, answer), 1, nil); err == nil || errors.As(err, new(*StrangerError)) {
			t.Errorf("%s: %v: that may be a node in trouble", name, err)
		}
	}
}
