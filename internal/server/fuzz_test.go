package server

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// What one fuzzed input may allocate in all, over its whole run. It bounds what a
// length that nobody has sent the bytes for could make the server take.
const (
	fuzzAllocBase      = 48 << 20
	fuzzAllocPerInput  = 4 << 10 // per byte of input
	fuzzAllocPerOutput = 24      // per byte of output: it is copied while it grows
)

// FuzzSession gives a session bytes of either protocol, cut at random places. It
// must not panic, must stay within its memory, and every byte it says must make
// sense to a client.
func FuzzSession(f *testing.F) {
	hello := string((&wire.ClientHello{MinVersion: 1, MaxVersion: 1, ClientName: "fuzz"}).Append(nil))
	login := string((&wire.ClientHello{MinVersion: 1, MaxVersion: 1, Auth: wire.AuthPassword, Username: "root", Password: "root"}).Append(nil))
	for _, seed := range []string{
		"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "SET a 1\r\nINCR a\r\nMGET a b\r\nMSET a 1 b 2\r\nDEL a b\r\n",
		"HELLO 3\r\nMGET a b\r\nCONFIG GET *\r\nHELLO 2 AUTH root root SETNAME x\r\n", "AUTH root root\r\nKEYS *\r\nSCAN 0 MATCH a* COUNT 5 TYPE string\r\nDBSIZE\r\nFLUSHALL\r\nRESET\r\nQUIT\r\n",
		"COMMAND DOCS get\r\nCOMMAND INFO set\r\nCOMMAND COUNT\r\nCLIENT LIST\r\nCLIENT INFO\r\nCLIENT SETNAME x\r\nINFO all\r\nTIME\r\n",
		"CLUSTER SLOTS\r\nCLUSTER SHARDS\r\nCLUSTER NODES\r\nCLUSTER GETKEYSINSLOT 1 5\r\nSELECT 1\r\nECHO x\r\nSHUTDOWN NOSAVE\r\nSAVE\r\nBGSAVE\r\n",
		"SET a b EX 10 GET\r\nGETEX a PERSIST\r\nEXPIRE a 5 NX\r\nTTL a\r\nAPPEND a xyz\r\nSTRLEN a\r\nGETDEL a\r\nOBJECT ENCODING a\r\n", "GET / HTTP/1.1\r\n\r\n", "*1\r\n$99999999999\r\n", "*-1\r\n\r\n\r\n*0\r\nPING\r\n",
		hello + string(request(1, wire.OpPut, 0, wire.AppendPut(nil, 0, "k", "v", 0, 0))) + string(request(2, wire.OpGet, wire.GetMeta, []byte("k"))),
		hello + string(request(3, wire.OpWriteBatch, 0, writeBatchBody(writeItem{op: wire.OpIncrement, body: wire.AppendIncrement(nil, 0, "n", 1, 0)}))) + string(batchOfGets(3)),
		hello + string(request(4, wire.OpScan, 0, wire.AppendScan(nil, 0, 10, "k"))) + string(request(5, wire.OpStats, 0, nil)) + string(request(6, wire.OpTopology, 0, nil)),
		hello + string(request(7, wire.OpFlush, 0, nil)) + string(request(8, wire.OpSnapshot, 1, nil)) + string(request(9, 250, 0, nil)),
		hello + string(commandFrame(11, 0, 2, "SET", "k", "v")) + string(commandFrame(12, wire.CommandReads, 3, "MGET", "k", "{k}2")) + string(request(13, wire.OpAdmin, 0, []byte(`{"op":"status"}`))),
		hello + string((&wire.Request{Op: wire.OpPut, ID: 14, Flags: 0x7f, Sequence: 1, Epoch: 0, DeadlineMs: 50, Body: wire.AppendPut(nil, 0, "k", "v", 0, 0)}).Append(nil)),
		hello + string((&wire.Request{Op: wire.OpGet, ID: 15, Flags: 0x6a, Consistency: wire.SessionReads, Body: []byte("k")}).Append(nil)) + string(batchOfGets(5)),
		"READONLY\r\nGET a\r\nVEGA CONSISTENCY bounded 5\r\nGET a\r\nVEGA CONSISTENCY session\r\nMGET {a}1 {a}2\r\nVEGA INFO\r\nVEGA HELP\r\nREADWRITE\r\nASKING\r\nCLUSTER REPLICAS x\r\nCLUSTER LINKS\r\nCLUSTER MYSHARDID\r\n",
		login + string(request(10, wire.OpPing, 0, []byte("x"))), "\xd6VDB\xff\xff\xff\xff",
	} {
		f.Add([]byte(seed), uint64(len(seed)))
	}
	users, _ := testUsers(f)
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		if len(data) > 16<<10 {
			return
		}
		o := harnessOptions{}
		if seed&1 != 0 {
			o.server = func(so *Options) { so.Users = users }
		}
		if seed&4 != 0 {
			o.peer = newPeer()
		}
		h := newHarness(t, o)
		if o.peer != nil {
			o.peer.quiet = true
			o.peer.elsewhere("10.0.0.2:7000", 2)
			o.peer.work(t, rand.New(rand.NewPCG(seed, 1)))
		}
		if seed&2 != 0 { // commands are looked at ahead
			for i := range aheadFrom>>20 + 1 {
				h.preload(fmt.Sprint("preloaded-", i), 1<<20)
			}
		}
		c := h.connect()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		input := bytes.Clone(data)
		rng := rand.New(rand.NewPCG(seed, 0))
		var out []byte
		for len(input) > 0 && !c.ses.Closing() {
			n := 1 + rng.IntN(len(input))
			c.ses.Input(input[:n])
			clear(input[:n]) // it is not the session's to keep
			input = input[n:]
			c.settle()
			out = append(out, c.take()...)
		}
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, fuzzAllocBase+fuzzAllocPerInput*uint64(len(data))+fuzzAllocPerOutput*uint64(len(out)); got > most {
			t.Errorf("%d bytes of input and %d of output took %d bytes of memory, more than %d", len(data), len(out), got, most)
		}
		if err := wellFormed(c.ses.proto, out); err != nil {
			t.Errorf("%v in %.300q", err, out)
		}
	})
}

func commandFrame(id uint32, flags, version uint8, args ...string) []byte {
	r := commandOf(flags, version, args...)
	r.ID = id
	return r.Append(nil)
}

// wellFormed reports what a client could not read in a session's whole output.
func wellFormed(p front.Protocol, out []byte) error {
	if p == front.ProtocolNative {
		_, n, err := wire.ParseHello(out)
		if err != nil || n == 0 && len(out) > 0 {
			return fmt.Errorf("server hello: %w", errors.Join(err, errShort))
		}
		for out = out[n:]; len(out) > 0; out = out[n:] {
			var frame []byte
			if frame, n, err = wire.ParseFrame(out, 1<<30); err != nil || n == 0 {
				return fmt.Errorf("frame: %w", errors.Join(err, errShort))
			}
			var reply wire.Response
			if err := reply.Decode(frame); err != nil {
				return err
			}
		}
		return nil
	}
	for len(out) > 0 {
		n, err := replyLength(out, 0)
		if err != nil {
			return err
		}
		out = out[n:]
	}
	return nil
}

var errShort = errors.New("cut off")

// replyLength returns the length of the RESP reply at the front of out.
func replyLength(out []byte, depth int) (int, error) {
	line, _, found := bytes.Cut(out, []byte("\r\n"))
	switch {
	case !found:
		return 0, errShort
	case depth > 8:
		return 0, errors.New("nested too deep")
	case len(line) == 0:
		return 0, errors.New("an empty line")
	case bytes.ContainsAny(line, "\r\n"):
		return 0, errors.New("half an end of line")
	}
	n := len(line) + 2
	kind, rest := line[0], string(line[1:])
	switch kind {
	case '+', '-':
		return n, nil
	case ':':
		_, ok := resp.ParseInt([]byte(rest))
		return n, orErr(ok, "not an integer: "+rest)
	case '_':
		return n, orErr(rest == "", "a null with text")
	case '#':
		return n, orErr(rest == "t" || rest == "f", "no boolean")
	case ',', '(':
		return n, orErr(rest != "", "no number")
	}
	count, err := strconv.Atoi(rest)
	switch {
	case err != nil || count < -1 || count == -1 && !strings.ContainsRune("$*", rune(kind)):
		return 0, fmt.Errorf("length %.20q of %q", rest, kind)
	case count == -1:
		return n, nil
	case kind == '$' || kind == '=':
		if len(out) < n+count+2 || string(out[n+count:n+count+2]) != "\r\n" {
			return 0, errShort
		}
		return n + count + 2, nil
	case kind == '%':
		count *= 2
	case kind != '*' && kind != '~' && kind != '>':
		return 0, fmt.Errorf("a reply of kind %q", kind)
	}
	for range count {
		k, err := replyLength(out[n:], depth+1)
		if err != nil {
			return 0, err
		}
		n += k
	}
	return n, nil
}

func orErr(ok bool, text string) error {
	if ok {
		return nil
	}
	return errors.New(text)
}
