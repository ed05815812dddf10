package router

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/vegadbtest"
)

// randomDataCommand draws any command of the data, right or wrong, whose reply does not
// depend on the moment.
func randomDataCommand(r *rand.Rand) []string {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	key := func() string { return fmt.Sprintf("key:%d", r.IntN(12)) }
	value := func() string {
		return pick("", "1", "-7", "9223372036854775807", "word", "\x00\r\n\xff", strings.Repeat("x", r.IntN(3000)))
	}
	at := func() string { return pick("4102444800", "4102444801", "1", "0", "-5", "x", "99999999999999999999") }
	args := []string{pick("SET", "set", "GET", "GETSET", "GETDEL", "GETEX", "APPEND", "STRLEN", "INCR", "DECR", "INCRBY", "DECRBY",
		"SETNX", "SETEX", "PSETEX", "MSET", "MGET", "DEL", "UNLINK", "EXISTS", "TOUCH", "TYPE", "EXPIREAT", "PEXPIREAT", "PERSIST",
		"EXPIRETIME", "PEXPIRETIME", "TTL", "DBSIZE")}
	switch strings.ToUpper(args[0]) {
	case "DBSIZE":
	case "SET":
		args = append(args, key(), value())
		for range r.IntN(3) {
			args = append(args, pick("NX", "XX", "GET", "KEEPTTL", "EXAT", "PXAT", at(), "junk"))
		}
	case "GETSET", "APPEND", "SETNX":
		args = append(args, key(), value())
	case "SETEX", "PSETEX":
		args = append(args, key(), pick("-1", "0", "x"), value()) // a right one would count from now
	case "GETEX":
		args = append(args, key())
		if r.IntN(2) == 0 {
			args = append(args, pick("EXAT", "PERSIST", "junk"), at())
		}
	case "INCRBY", "DECRBY":
		args = append(args, key(), pick("1", "-3", "x", "9223372036854775807"))
	case "EXPIREAT", "PEXPIREAT":
		args = append(args, key(), at())
		if r.IntN(3) == 0 {
			args = append(args, pick("NX", "XX", "GT", "LT", "junk"))
		}
	case "MSET":
		for range 1 + r.IntN(5) {
			args = append(args, key(), value())
		}
	case "MGET", "DEL", "UNLINK", "EXISTS", "TOUCH":
		for range 1 + r.IntN(5) {
			args = append(args, key())
		}
	default:
		args = append(args, key())
	}
	if r.IntN(30) == 0 { // a wrong number of arguments
		args = args[:1+r.IntN(len(args))]
	}
	if args[0] == "TTL" { // counts down
		args[0] = "EXPIRETIME"
	}
	return args
}

func encodeRESP(args []string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return b.Bytes()
}

// readValue reads the bytes of one reply.
func readValue(t *testing.T, c *raw, buf []byte) (value, rest []byte) {
	t.Helper()
	for {
		if n, ok := valueBytes(buf, maxReplyDepth); ok {
			return buf[:n], buf[n:]
		}
		more := make([]byte, 64<<10)
		n, err := c.in.Read(more)
		if err != nil {
			t.Fatalf("behind %q: %v", buf, err)
		}
		buf = append(buf, more[:n]...)
	}
}

func testRepliesAreThoseOfANode(t *testing.T, r *testRouter, proto string) {
	node := vegadbtest.Start(t)
	conn, err := net.Dial("tcp", node.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	direct := &raw{t: t, Conn: conn}
	direct.in = bufioReader(conn)
	through := r.dial()
	for _, c := range []*raw{direct, through} {
		c.send("HELLO " + proto)
		c.reply()
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var leftDirect, leftThrough []byte
	for range 60 {
		var commands [][]string
		var pipeline []byte
		for range 1 + rnd.IntN(60) {
			args := randomDataCommand(rnd)
			commands = append(commands, args)
			pipeline = append(pipeline, encodeRESP(args)...)
		}
		go direct.Write(pipeline)
		go through.Write(pipeline)
		for _, args := range commands {
			var want, got []byte
			want, leftDirect = readValue(t, direct, leftDirect)
			got, leftThrough = readValue(t, through, leftThrough)
			if !bytes.Equal(want, got) {
				t.Fatalf("%q:\n got %.200q\nwant %.200q", args, got, want)
			}
		}
	}
}
