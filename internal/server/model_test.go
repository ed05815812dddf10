package server

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// model is what a session must look like from outside: commands one after another
// on a map.
type model struct {
	data map[string]string
	ttl  map[string]int
	name string
}

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func integer(n int) string { return fmt.Sprintf(":%d\r\n", n) }

const (
	modelNil    = "$-1\r\n"
	modelOK     = "+OK\r\n"
	modelNotInt = "-ERR value is not an integer or out of range\r\n"
)

func (m *model) get(key string) string {
	if v, ok := m.data[key]; ok {
		return bulk(v)
	}
	return modelNil
}

func (m *model) set(key, value string) {
	m.data[key] = value
	delete(m.ttl, key)
}

func (m *model) remove(key string) bool {
	_, ok := m.data[key]
	delete(m.data, key)
	delete(m.ttl, key)
	return ok
}

func (m *model) count(keys []string, f func(string) bool) string {
	n := 0
	for _, k := range keys {
		if f(k) {
			n++
		}
	}
	return integer(n)
}

func (m *model) has(key string) bool { _, ok := m.data[key]; return ok }

// do executes one command and returns its reply.
func (m *model) do(args []string) string {
	switch args[0] {
	case "SET":
		m.set(args[1], args[2])
		return modelOK
	case "SETGET":
		old := m.get(args[1])
		m.set(args[1], args[2])
		return old
	case "SETNX":
		if m.has(args[1]) {
			return integer(0)
		}
		m.set(args[1], args[2])
		return integer(1)
	case "GET":
		return m.get(args[1])
	case "GETDEL":
		old := m.get(args[1])
		m.remove(args[1])
		return old
	case "APPEND":
		m.data[args[1]] += args[2]
		return integer(len(m.data[args[1]]))
	case "STRLEN":
		return integer(len(m.data[args[1]]))
	case "INCR":
		n := 0
		if old, ok := m.data[args[1]]; ok {
			var err error
			if n, err = strconv.Atoi(old); err != nil {
				return modelNotInt
			}
		}
		m.data[args[1]] = strconv.Itoa(n + 1)
		return integer(n + 1)
	case "DEL":
		return m.count(args[1:], m.remove)
	case "EXISTS":
		return m.count(args[1:], m.has)
	case "MSET":
		for i := 1; i < len(args); i += 2 {
			m.set(args[i], args[i+1])
		}
		return modelOK
	case "MGET":
		out := fmt.Sprintf("*%d\r\n", len(args)-1)
		for _, k := range args[1:] {
			out += m.get(k)
		}
		return out
	case "EXPIRE":
		if !m.has(args[1]) {
			return integer(0)
		}
		m.ttl[args[1]], _ = strconv.Atoi(args[2])
		return integer(1)
	case "PERSIST":
		return m.count(args[1:], func(k string) bool { _, ok := m.ttl[k]; delete(m.ttl, k); return ok })
	case "TTL":
		if t, ok := m.ttl[args[1]]; ok {
			return integer(t)
		}
		if m.has(args[1]) {
			return integer(-1)
		}
		return integer(-2)
	}
	return m.doServer(args)
}

// doServer is do for commands that are neither reads nor writes of keys.
func (m *model) doServer(args []string) string {
	switch args[0] {
	case "PING":
		return "+PONG\r\n"
	case "ECHO":
		return bulk(args[1])
	case "DBSIZE":
		return integer(len(m.data))
	case "KEYS":
		if m.has(args[1]) {
			return "*1\r\n" + bulk(args[1])
		}
		return "*0\r\n"
	case "FLUSHALL":
		clear(m.data)
		clear(m.ttl)
		return modelOK
	case "SETNAME":
		m.name = args[1]
		return modelOK
	case "GETNAME":
		if m.name == "" {
			return modelNil
		}
		return bulk(m.name)
	case "RESET":
		m.name = ""
		return "+RESET\r\n"
	case "SELECT":
		if args[1] == "0" {
			return modelOK
		}
		return "-ERR DB index is out of range\r\n"
	case "AUTH":
		return modelOK
	case "GETX":
		return "-ERR unknown command 'GETX', with args beginning with: 'a' \r\n"
	case "TWO":
		return "-ERR wrong number of arguments for 'get' command\r\n"
	}
	panic(args[0])
}

// wireForm is the command as it is sent, where that differs from the model's.
func wireForm(args []string) []string {
	switch args[0] {
	case "SETGET":
		return []string{"set", args[1], args[2], "GET"}
	case "SETNAME", "GETNAME":
		return append([]string{"CLIENT"}, args...)
	case "AUTH":
		return []string{"AUTH", "default", "anything"}
	case "GETX":
		return []string{"GETX", "a"}
	case "TWO":
		return []string{"GET", "a", "b"}
	}
	return args
}

// modelKeys share partitions and stripes here and there.
var modelKeys = []string{"a", "b", "c", "{a}1", "{a}2", "d", "e"}

func drawCommand(t *rapid.T) []string {
	key := func() string { return rapid.SampledFrom(modelKeys).Draw(t, "key") }
	value := func() string {
		if rapid.IntRange(0, 20).Draw(t, "large") == 0 {
			return strings.Repeat("v", rapid.SampledFrom([]int{5000, 90_000, 180_000}).Draw(t, "size"))
		}
		return rapid.SampledFrom([]string{"1", "2", "xyz", "", "long enough to be a value", "\r\n*1\r\n"}).Draw(t, "value")
	}
	keys := func() []string {
		return rapid.SliceOfN(rapid.Custom(func(*rapid.T) string { return key() }), 1, 5).Draw(t, "keys")
	}
	name := rapid.SampledFrom([]string{
		"SET", "SET", "SET", "GET", "GET", "GET", "INCR", "INCR", "INCR", "DEL", "MSET", "MGET", "SETGET", "SETNX", "GETDEL", "APPEND", "STRLEN", "EXISTS",
		"EXPIRE", "PERSIST", "TTL", "PING", "ECHO", "DBSIZE", "KEYS", "FLUSHALL", "SETNAME", "GETNAME", "RESET", "SELECT", "AUTH", "GETX", "TWO",
	}).Draw(t, "command")
	switch name {
	case "SET", "SETGET", "SETNX", "APPEND":
		return []string{name, key(), value()}
	case "DEL", "EXISTS", "MGET":
		return append([]string{name}, keys()...)
	case "MSET":
		args := []string{name}
		for _, k := range keys() {
			args = append(args, k, value())
		}
		return args
	case "EXPIRE":
		return []string{name, key(), strconv.Itoa(rapid.IntRange(1, 1000).Draw(t, "seconds"))}
	case "ECHO":
		return []string{name, value()}
	case "SETNAME":
		return []string{name, key()}
	case "SELECT":
		return []string{name, strconv.Itoa(rapid.IntRange(0, 1).Draw(t, "db"))}
	case "GET", "INCR", "GETDEL", "STRLEN", "PERSIST", "TTL", "KEYS":
		return []string{name, key()}
	}
	return []string{name}
}

// appendCommand writes a command as an array, or as a line where that is possible.
func appendCommand(dst []byte, args []string, line bool) []byte {
	args = wireForm(args)
	text := strings.Join(args, " ")
	if line && len(text) < 10_000 && len(strings.Fields(text)) == len(args) && !strings.Contains(text, "\n") {
		return append(append(dst, text...), "\r\n"...)
	}
	dst = fmt.Appendf(dst, "*%d\r\n", len(args))
	for _, arg := range args {
		dst = append(dst, bulk(arg)...)
	}
	return dst
}

// TestPipelinesAreAnsweredAsIfOneByOne sends random pipelines, cut at random, while
// finished writes come back and output is taken at random moments.
func TestPipelinesAreAnsweredAsIfOneByOne(t *testing.T) {
	for name, o := range policies() {
		for _, ballast := range []int{0, aheadFrom} { // with it, commands are looked at ahead
			t.Run(fmt.Sprint(name, "/ballast=", ballast), func(t *testing.T) {
				h := newHarness(t, o)
				base := &model{data: map[string]string{}}
				for i := range ballast / (500 << 10) {
					base.set(fmt.Sprint("ballast-", i), strings.Repeat("b", 512<<10))
					h.connect().setLarge(fmt.Sprint("ballast-", i), 512<<10)
				}
				rapid.Check(t, func(rt *rapid.T) {
					c := h.connect()
					defer h.srv.forget(c.ses)
					m := &model{data: maps.Clone(base.data), ttl: map[string]int{}}
					c.send("DEL " + strings.Join(modelKeys, " ") + "\r\n")
					var input []byte
					var want strings.Builder
					var asked []string
					for range rapid.IntRange(1, 60).Draw(rt, "commands") {
						args := drawCommand(rt)
						if args[0] == "FLUSHALL" && ballast > 0 {
							continue
						}
						input = appendCommand(input, args, rapid.Bool().Draw(rt, "line"))
						want.WriteString(m.do(args))
						asked = append(asked, fmt.Sprintf("%.60q", args))
					}
					rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "interleaving"), 0))
					got := c.drive(rng, input)
					if got != want.String() {
						at := 0
						for at < min(len(got), want.Len()) && got[at] == want.String()[at] {
							at++
						}
						rt.Fatalf("after %d bytes of replies: %.100q, want %.100q\n%s", at, got[at:], want.String()[at:], strings.Join(asked, "\n"))
					}
				})
			})
		}
	}
}

// drive gives the session input in random pieces, mixed with what else a driver
// does, and returns all its output.
func (c *testConn) drive(rng *rand.Rand, input []byte) string {
	for len(input) > 0 {
		switch rng.IntN(5) {
		case 0, 1:
			n := min(len(input), 1+rng.IntN(1<<rng.IntN(20)))
			c.ses.Input(input[:n])
			clear(input[:n]) // the session may not keep it
			input = input[n:]
		case 2:
			select {
			case w := <-c.delivered:
				c.ses.Complete(w)
			default:
			}
		case 3:
			c.ses.Resume()
			c.settleLog()
		case 4:
			c.settleLog()
			c.collect()
		}
	}
	c.settle()
	if c.ses.waits != 0 || c.ses.parked || c.ses.waitHead != nil {
		c.h.t.Fatalf("%d waits, parked %v at the end", c.ses.waits, c.ses.parked)
	}
	return c.take()
}
