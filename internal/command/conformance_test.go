package command

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/prakashpandey/vegadb/internal/resp"
)

// With -redis the cases of testdata/conformance are put to a real Redis instead,
// in its databases 0 and 1, which are flushed; add -rewrite to write down what it
// says. That is where the expectations come from. Two addresses, separated by a
// comma, do for servers with one database.
var redisAddr = flag.String("redis", "", "address of a Redis to check the conformance cases against")

// conn executes one command line and returns the reply's bytes.
type conn interface {
	line(line string) string
	advance(d time.Duration)
}

func (x *executor) advance(d time.Duration) { x.now += d.Milliseconds() }

// Each file is a story told twice, to a RESP2 and to a RESP3 connection with
// data of their own. Directives:
//
//	run       each input line is a command, quoted as inline commands are; each
//	          output line is its reply, and behind " | " the reply in RESP3
//	          where that differs
//	advance   the argument is a duration by which both clocks go on
func TestRepliesAreRedissToTheLetter(t *testing.T) {
	datadriven.Walk(t, "testdata/conformance", func(t *testing.T, path string) {
		conns := [2]conn{newExecutor(t, 2), newExecutor(t, 3)}
		if *redisAddr != "" {
			conns = [2]conn{dialRedis(t, 2), dialRedis(t, 3)}
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "advance":
				by, err := time.ParseDuration(d.CmdArgs[0].Key)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				conns[0].advance(by)
				if _, real := conns[1].(*redisConn); !real {
					conns[1].advance(by)
				}
				return ""
			case "run":
				var out strings.Builder
				for line := range strings.Lines(d.Input) {
					line = strings.TrimSuffix(line, "\n")
					two, three := conns[0].line(line), conns[1].line(line)
					out.WriteString(strconv.Quote(two))
					if two != three {
						out.WriteString(" | " + strconv.Quote(three))
					}
					out.WriteByte('\n')
				}
				return out.String()
			}
			d.Fatalf(t, "unknown directive %s", d.Cmd)
			return ""
		})
	})
}

// redisConn speaks to a real Redis.
type redisConn struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader
}

func dialRedis(t testing.TB, proto int) *redisConn {
	addr, other, two := strings.Cut(*redisAddr, ",")
	if two && proto == 3 {
		addr = other
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	rc := &redisConn{t: t, c: c, r: bufio.NewReader(c)}
	rc.line(fmt.Sprintf("HELLO %d", proto))
	if !two {
		rc.line(fmt.Sprintf("SELECT %d", proto-2))
	}
	rc.line("FLUSHDB")
	return rc
}

// advance waits: a real Redis has a clock of its own.
func (rc *redisConn) advance(d time.Duration) { <-time.After(d) }

// line sends the command as an array, as libraries do: inline commands cannot
// hold every byte in every version.
func (rc *redisConn) line(line string) string {
	p := resp.Parser{Limits: resp.DefaultLimits()}
	args, _, err := p.Next([]byte(line+"\r\n"), nil)
	if err != nil || len(args) == 0 {
		rc.t.Fatalf("%q: %v", line, err)
	}
	var w resp.Writer
	w.Array(len(args))
	for _, arg := range args {
		w.Bulk(arg)
	}
	if _, err := rc.c.Write(w.Buf); err != nil {
		rc.t.Fatal(err)
	}
	return rc.reply()
}

func (rc *redisConn) reply() string {
	line, err := rc.r.ReadString('\n')
	if err != nil {
		rc.t.Fatal(err)
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	switch line[0] {
	case '$', '=':
		if n < 0 {
			return line
		}
		body := make([]byte, n+2)
		if _, err := io.ReadFull(rc.r, body); err != nil {
			rc.t.Fatal(err)
		}
		return line + string(body)
	case '%':
		n *= 2
		fallthrough
	case '*', '~', '>':
		for range n {
			line += rc.reply()
		}
	}
	return line
}
