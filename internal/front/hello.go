package front

import (
	"strings"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/resp"
)

// RedisVersion is the Redis release whose commands and replies RESP clients can
// count on; clients compare it to decide what they may send.
const RedisVersion = "7.2.0"

// Hello is what a HELLO asks for. The slices are nil when it does not.
type Hello struct {
	Proto          int
	User, Password []byte
	Name           []byte
}

// ParseHello takes HELLO's arguments. proto is what the connection speaks now.
func ParseHello(args [][]byte, proto int) (h Hello, err *resp.Error) {
	h.Proto = proto
	if len(args) > 1 {
		v, ok := resp.ParseInt(args[1])
		if !ok {
			return h, resp.Errorf("ERR", "Protocol version is not an integer or out of range")
		}
		if v != 2 && v != 3 {
			return h, resp.Errorf("NOPROTO", "unsupported protocol version")
		}
		h.Proto = int(v)
	}
	for rest := args[min(len(args), 2):]; len(rest) > 0; {
		switch option := strings.ToLower(string(rest[0])); {
		case option == "auth" && len(rest) >= 3:
			h.User, h.Password, rest = rest[1], rest[2], rest[3:]
		case option == "setname" && len(rest) >= 2:
			h.Name, rest = rest[1], rest[2:]
			if !validName(h.Name) {
				return h, errClientName
			}
		default:
			return h, resp.Errorf("ERR", "Syntax error in HELLO option '%s'", rest[0])
		}
	}
	return h, nil
}

// WriteHello writes HELLO's reply. mode is "standalone" or "cluster".
func WriteHello(w *resp.Writer, id uint64, mode string) {
	w.Map(7)
	w.BulkString("server")
	w.BulkString("redis")
	w.BulkString("version")
	w.BulkString(RedisVersion)
	w.BulkString("proto")
	w.Int(int64(w.Proto))
	w.BulkString("id")
	w.Int(int64(id))
	w.BulkString("mode")
	w.BulkString(mode)
	w.BulkString("role")
	w.BulkString("master")
	w.BulkString("modules")
	w.Array(0)
}

// WritePing answers PING [message].
func WritePing(w *resp.Writer, spec *command.Spec, args [][]byte) {
	switch len(args) {
	case 1:
		w.Simple("PONG")
	case 2:
		w.Bulk(args[1])
	default:
		w.Errorf("ERR", "wrong number of arguments for '%s' command", spec.FullName())
	}
}

// WriteSelect answers SELECT: there is one database.
func WriteSelect(w *resp.Writer, args [][]byte) {
	switch db, ok := resp.ParseInt(args[1]); {
	case !ok:
		w.Error(ErrNotInteger)
	case db != 0:
		w.Errorf("ERR", "DB index is out of range")
	default:
		w.OK()
	}
}
