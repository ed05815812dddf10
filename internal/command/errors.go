package command

import (
	"strings"

	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Errors whose text never varies. They are shared and never changed.
var (
	errSyntax         = &resp.Error{Code: "ERR", Text: "syntax error"}
	errNotInteger     = &resp.Error{Code: "ERR", Text: "value is not an integer or out of range"}
	errOverflow       = &resp.Error{Code: "ERR", Text: "increment or decrement would overflow"}
	errDecrOverflow   = &resp.Error{Code: "ERR", Text: "decrement would overflow"}
	errWrongType      = &resp.Error{Code: "WRONGTYPE", Text: "Operation against a key holding the wrong kind of value"}
	errStringTooLarge = &resp.Error{Code: "ERR", Text: "string exceeds maximum allowed size (proto-max-bulk-len)"}
	errExpireNX       = &resp.Error{Code: "ERR", Text: "NX and XX, GT or LT options at the same time are not compatible"}
	errExpireGTLT     = &resp.Error{Code: "ERR", Text: "GT and LT options at the same time are not compatible"}
)

func (s *Spec) errArity() *resp.Error {
	return resp.Errorf("ERR", "wrong number of arguments for '%s' command", s.FullName())
}

func errExpireTime(command string) *resp.Error {
	return resp.Errorf("ERR", "invalid expire time in '%s' command", command)
}

// quoteLimit is how much of a client's words an error repeats.
const quoteLimit = 128

// unknownCommand names the command and the beginning of its arguments.
func unknownCommand(args [][]byte) *resp.Error {
	var quoted strings.Builder
	for _, arg := range args[1:] {
		room := quoteLimit - quoted.Len()
		if room <= 0 {
			break
		}
		quoted.WriteByte('\'')
		quoted.Write(cString(arg, room))
		quoted.WriteString("' ")
	}
	return resp.Errorf("ERR", "unknown command '%s', with args beginning with: %s", cString(args[0], quoteLimit), quoted.String())
}

func unknownSubcommand(container *Spec, name []byte) *resp.Error {
	return resp.Errorf("ERR", "unknown subcommand '%s'. Try %s HELP.", cString(name, quoteLimit), strings.ToUpper(container.Name))
}

// cString cuts b as C's printing of at most limit bytes does: a NUL ends it.
func cString(b []byte, limit int) []byte {
	b = b[:min(len(b), limit)]
	for i, c := range b {
		if c == 0 {
			return b[:i]
		}
	}
	return b
}

// writeFailure writes the error for a status that a command has no reply of its
// own for.
func writeFailure(w *resp.Writer, s wire.Status) {
	switch s {
	case wire.WrongType:
		w.Error(errWrongType)
	case wire.NotInteger:
		w.Error(errNotInteger)
	case wire.Overflow:
		w.Error(errOverflow)
	case wire.TooLarge:
		w.Error(errStringTooLarge)
	default:
		w.Error(&resp.Error{Code: s.RESPCode(), Text: s.Description()})
	}
}
