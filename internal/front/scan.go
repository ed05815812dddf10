package front

import (
	"strconv"
	"strings"

	"github.com/prakashpandey/vegadb/internal/resp"
)

// Scan is what a SCAN asks for.
type Scan struct {
	Cursor  uint64
	Count   int    // 1 to maxScanCount
	Pattern []byte // nil: all
	Kind    []byte // nil: all
}

// maxScanCount bounds the work of one SCAN, whatever COUNT asks for: the cursor
// lets the client go on.
const maxScanCount = 10_000

// ParseScan takes SCAN's arguments.
func ParseScan(args [][]byte) (o Scan, err *resp.Error) {
	cursor, bad := strconv.ParseUint(string(args[1]), 10, 64)
	if bad != nil {
		return o, &resp.Error{Code: "ERR", Text: "invalid cursor"}
	}
	o = Scan{Cursor: cursor, Count: 10}
	for rest := args[2:]; len(rest) > 0; rest = rest[2:] {
		if len(rest) < 2 {
			return o, ErrSyntax
		}
		switch strings.ToLower(string(rest[0])) {
		case "count":
			n, ok := resp.ParseInt(rest[1])
			if !ok {
				return o, ErrNotInteger
			}
			if n < 1 {
				return o, ErrSyntax
			}
			o.Count = int(min(n, maxScanCount))
		case "match":
			o.Pattern = rest[1]
		case "type":
			o.Kind = rest[1]
		default:
			return o, ErrSyntax
		}
	}
	return o, nil
}

// WriteScan writes SCAN's reply: the cursor to go on with, and n keys that have been
// written to keys.
func WriteScan(w *resp.Writer, next uint64, n int, keys []byte) {
	w.Array(2)
	w.BulkString(strconv.FormatUint(next, 10))
	w.Array(n)
	w.Buf = append(w.Buf, keys...)
}

// CheckFlush checks the arguments of FLUSHALL and FLUSHDB. Emptying takes no time that
// grows with the data: ASYNC and SYNC mean the same.
func CheckFlush(args [][]byte) *resp.Error {
	switch {
	case len(args) > 2:
		return ErrSyntax
	case len(args) == 2 && !resp.EqualFold(args[1], "async") && !resp.EqualFold(args[1], "sync"):
		return ErrSyntax
	}
	return nil
}
