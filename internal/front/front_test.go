package front

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// words splits a command into arguments.
func words(line string) (args [][]byte) {
	for _, word := range strings.Fields(line) {
		args = append(args, []byte(word))
	}
	return args
}

// reply is what write writes, in RESP2.
func reply(write func(w *resp.Writer)) string {
	w := resp.Writer{Proto: 2}
	write(&w)
	return string(w.Buf)
}

func TestHelloSaysWhatItAsksFor(t *testing.T) {
	for line, want := range map[string]string{
		"HELLO":                         "2 user= name=",
		"HELLO 3":                       "3 user= name=",
		"HELLO 2 AUTH ann pw SETNAME x": "2 user=ann name=x",
		"hello 3 setname y auth ann pw": "3 user=ann name=y",
		"HELLO three":                   "ERR Protocol version is not an integer or out of range",
		"HELLO 4":                       "NOPROTO unsupported protocol version",
		"HELLO 3 AUTH ann":              "ERR Syntax error in HELLO option 'AUTH'",
		"HELLO 3 SETNAME":               "ERR Syntax error in HELLO option 'SETNAME'",
		"HELLO 3 SETNAME a\x01":         errClientName.Error(),
	} {
		h, err := ParseHello(words(line), 2)
		got := fmt.Sprintf("%d user=%s name=%s", h.Proto, h.User, h.Name)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

func TestAuthIsAnsweredWithoutUsersAsByRedis(t *testing.T) {
	for line, want := range map[string]string{
		"AUTH pw":         "-" + errNoPassword.Error() + "\r\n",
		"AUTH default pw": "+OK\r\n",
		"AUTH ann pw":     "-" + ErrWrongPassword.Error() + "\r\n",
	} {
		if got := reply(func(w *resp.Writer) { WriteAuthOpen(w, words(line)) }); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
	for line, want := range map[string]string{"AUTH pw": "default pw", "AUTH ann pw": "ann pw"} {
		if name, password, err := ParseAuth(words(line)); err != nil || name+" "+password != want {
			t.Errorf("%q: got %s %s %v, want %s", line, name, password, err, want)
		}
	}
	if _, _, err := ParseAuth(words("AUTH a b c")); err != ErrSyntax {
		t.Errorf("too many arguments: got %v", err)
	}
}

func TestALimitedLoginIsToldWhenToTryAgain(t *testing.T) {
	limited := fmt.Errorf("login: %w", &auth.LimitedError{RetryAfter: 1500 * time.Millisecond})
	if got := LoginError(limited).Error(); !strings.HasSuffix(got, "try again in 2 s") {
		t.Errorf("got %q", got)
	}
	if got := LoginError(errors.New("any other")); got != ErrWrongPassword {
		t.Errorf("got %v, want that of a wrong password", got)
	}
}

func TestClientsAreListedInTheOrderOfTheirIDs(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.1:9")
	var names Names
	if err := names.SetName(words("CLIENT SETNAME me")); err != nil {
		t.Fatal(err)
	}
	if err := names.SetInfo(words("CLIENT SETINFO LIB-NAME lib")); err != nil {
		t.Fatal(err)
	}
	if err := names.SetInfo(words("CLIENT SETINFO lib-ver 1")); err != nil {
		t.Fatal(err)
	}
	if got := reply(names.WriteName); got != "$2\r\nme\r\n" {
		t.Errorf("CLIENT GETNAME: %q", got)
	}
	all := func() []Client {
		info := &ClientInfo{Names: names, User: "ann", RESP: 3}
		var list []Client
		for _, id := range []uint64{7, 3, 11} {
			list = append(list, Client{ID: id, Remote: at, Local: at, OpenedAt: 1000, LastActive: 3000, Protocol: ProtocolRESP, ClientInfo: info})
		}
		return list
	}
	line := func(id int) string {
		return fmt.Sprintf("id=%d addr=127.0.0.1:9 laddr=127.0.0.1:9 fd=-1 name=me age=4 idle=2 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 user=ann lib-name=lib lib-ver=1 resp=3 protocol=resp\n", id)
	}
	bulk := func(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }
	for args, want := range map[string]string{
		"CLIENT LIST":             bulk(line(3) + line(7) + line(11)),
		"CLIENT LIST TYPE normal": bulk(line(3) + line(7) + line(11)),
		"CLIENT LIST TYPE pubsub": bulk(""),
		"CLIENT LIST ID 11 3 4":   bulk(line(3) + line(11)),
		"CLIENT LIST ID 0":        "-ERR Invalid client ID\r\n",
		"CLIENT LIST TYPE odd":    "-ERR Unknown client type 'odd'\r\n",
		"CLIENT LIST ID":          "-ERR syntax error\r\n",
	} {
		if got := reply(func(w *resp.Writer) { WriteClientList(w, words(args), 5000, all) }); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", args, got, want)
		}
	}
}

func TestNamesAreVisibleASCII(t *testing.T) {
	var n Names
	for _, name := range []string{"a b", "a\n", "é", "\x7f"} {
		if err := n.SetName([][]byte{nil, nil, []byte(name)}); err != errClientName {
			t.Errorf("SETNAME %q: %v", name, err)
		}
		if err := n.SetInfo([][]byte{nil, nil, []byte("lib-ver"), []byte(name)}); err == nil {
			t.Errorf("SETINFO %q is taken", name)
		}
	}
	if err := n.SetInfo(words("CLIENT SETINFO lib-age 3")); err == nil || n != (Names{}) {
		t.Errorf("an unknown attribute: %v, %+v", err, n)
	}
}

func TestScanArguments(t *testing.T) {
	for line, want := range map[string]string{
		"SCAN 0":                               "0 10  ",
		"SCAN 18446744073709551615 COUNT 1":    "18446744073709551615 1  ",
		"scan 5 match a* count 99999 type set": "5 10000 a* set",
		"SCAN -1":                              "ERR invalid cursor",
		"SCAN 0 COUNT":                         "ERR syntax error",
		"SCAN 0 COUNT 0":                       "ERR syntax error",
		"SCAN 0 COUNT x":                       ErrNotInteger.Error(),
		"SCAN 0 LIMIT 3":                       "ERR syntax error",
	} {
		o, err := ParseScan(words(line))
		got := fmt.Sprintf("%d %d %s %s", o.Cursor, o.Count, o.Pattern, o.Kind)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
	for line, good := range map[string]bool{"FLUSHALL": true, "FLUSHALL async": true, "FLUSHALL SYNC": true, "FLUSHALL now": false, "FLUSHALL sync sync": false} {
		if err := CheckFlush(words(line)); (err == nil) != good {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestReadLevelsAreNamedByTheWordsThatChooseThem(t *testing.T) {
	for level := wire.ConsistencyDefault; level <= wire.Local; level++ {
		line := "VEGA CONSISTENCY " + LevelName(level)
		if level == wire.Bounded {
			line += " 250"
		}
		r, err := ParseReadLevel(words(line))
		if err != nil || r.Level != level || "VEGA CONSISTENCY "+r.String() != line {
			t.Errorf("%q: got %v, %v", line, r, err)
		}
	}
	for _, line := range []string{
		"VEGA CONSISTENCY strong", "VEGA CONSISTENCY bounded", "VEGA CONSISTENCY local 3", "VEGA CONSISTENCY bounded -1",
		"VEGA CONSISTENCY bounded 3600001", "VEGA CONSISTENCY bounded x",
	} {
		if r, err := ParseReadLevel(words(line)); err == nil {
			t.Errorf("%q is taken as %v", line, r)
		}
	}
}

func TestInfoHasTheSectionsThatWereAskedFor(t *testing.T) {
	write := func(of string, b *Info) { b.Field("of", of) }
	sections := []Section[string]{{Name: "One", Write: write}, {Name: "Two", Write: write}, {Name: "More", Write: write, Extra: true}}
	text := func(names ...string) string {
		var parts []string
		for _, name := range names {
			parts = append(parts, "# "+name+"\r\nof:x\r\n")
		}
		joined := strings.Join(parts, "\r\n")
		return fmt.Sprintf("$%d\r\n%s\r\n", len(joined), joined)
	}
	for line, want := range map[string]string{
		"INFO": text("One", "Two"), "INFO default": text("One", "Two"), "INFO TWO": text("Two"), "INFO more one": text("One", "More"),
		"INFO all": text("One", "Two", "More"), "INFO everything": text("One", "Two", "More"), "INFO none": text(),
		"INFO default more": text("One", "Two", "More"),
	} {
		if got := reply(func(w *resp.Writer) { WriteInfo(w, words(line), "x", sections) }); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
	var b Info
	b.Flag("on", true)
	b.CommandStats("get", 4, 1, 10*time.Microsecond)
	if got, want := b.String(), "on:1\r\ncmdstat_get:calls=4,usec=10,usec_per_call=2.50,rejected_calls=0,failed_calls=1\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestConfigGetMatchesInAnyCase(t *testing.T) {
	parameters := func(match func(string) bool) (pairs []config.Pair) {
		for _, name := range []string{"addr", "admin-addr", "fsync"} {
			if match(name) {
				pairs = append(pairs, config.Pair{Name: name, Value: "v"})
			}
		}
		return pairs
	}
	got := reply(func(w *resp.Writer) { WriteConfig(w, words("CONFIG GET ADDR fs*"), parameters) })
	if want := "*4\r\n$4\r\naddr\r\n$1\r\nv\r\n$5\r\nfsync\r\n$1\r\nv\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEveryKeyOfACommandMustBePermitted(t *testing.T) {
	spec := func(line string) (*command.Spec, [][]byte) {
		args := words(line)
		spec, err := command.Resolve(args)
		if err != nil {
			t.Fatal(err)
		}
		return spec, args
	}
	users := map[string]*auth.User{
		"writer": {Name: "writer", Role: auth.Write, Prefixes: [][]byte{[]byte("a:")}}, "reader": {Name: "reader", Role: auth.Read},
	}
	for line, want := range map[string]error{
		"writer GET a:1": nil, "writer MGET a:1 a:2": nil, "writer MGET a:1 b:2": ErrNoKeys, "writer SET a:1 v": nil,
		"writer MSET a:1 v b:2 v": ErrNoKeys, "writer FLUSHALL": ErrNoPerm, "writer CONFIG SET x y": ErrNoPerm, "writer PING": nil,
		"reader GET z": nil, "reader SET z v": ErrNoPerm,
	} {
		name, rest, _ := strings.Cut(line, " ")
		s, args := spec(rest)
		if got := Permit(users[name], s, args); got != want {
			t.Errorf("%s: got %v, want %v", line, got, want)
		}
	}
}
