package server

import (
	"context"
	"strconv"
	"strings"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/store"
)

func keyspaceHandlers() map[string]handler {
	return map[string]handler{
		"scan": handleScan, "keys": handleKeys,
		"dbsize":   func(s *Session, _ *command.Spec, _ [][]byte) { s.w.Int(s.srv.keys(s.shown())) },
		"flushall": handleFlush, "flushdb": handleFlush,
	}
}

// scanOptions are SCAN's arguments.
type scanOptions struct {
	cursor  uint64
	count   int
	pattern []byte // nil: all
	kind    []byte // nil: all
}

// maxScanCount bounds the work of one SCAN, whatever COUNT asks for: the cursor
// lets the client go on.
const maxScanCount = 10_000

func parseScan(args [][]byte) (o scanOptions, err *resp.Error) {
	cursor, perr := strconv.ParseUint(string(args[1]), 10, 64)
	if perr != nil {
		return o, &resp.Error{Code: "ERR", Text: "invalid cursor"}
	}
	o = scanOptions{cursor: cursor, count: 10}
	for rest := args[2:]; len(rest) > 0; rest = rest[2:] {
		if len(rest) < 2 {
			return o, errSyntax
		}
		switch strings.ToLower(string(rest[0])) {
		case "count":
			n, ok := resp.ParseInt(rest[1])
			if !ok {
				return o, errNotInteger
			}
			if n < 1 {
				return o, errSyntax
			}
			o.count = int(min(n, maxScanCount))
		case "match":
			o.pattern = rest[1]
		case "type":
			o.kind = rest[1]
		default:
			return o, errSyntax
		}
	}
	return o, nil
}

// matches reports whether an entry belongs into a client's listing.
func matches(e *store.Entry, now int64, user *auth.User, pattern, kind []byte) bool {
	return !command.Expired(e.ExpireAt, now) && user.AllowsKey(e.Key) &&
		(pattern == nil || command.Match(pattern, e.Key)) &&
		(kind == nil || strings.EqualFold(string(kind), command.TypeName(e.Kind)))
}

func handleScan(s *Session, _ *command.Spec, args [][]byte) {
	o, err := parseScan(args)
	if err != nil {
		s.w.Error(err)
		return
	}
	// The number of keys is not known until they have been visited: write them
	// behind the place where it goes.
	var keys resp.Writer
	n := 0
	next, shown := o.cursor, s.shown()
	for left := o.count; ; { // in steps, since keys may be large: COUNT is a hint
		next = s.srv.scan(next, min(left, scanStep), shown, func(e *store.Entry) {
			if matches(e, s.now, s.user, o.pattern, o.kind) {
				keys.Bulk(e.Key)
				n++
			}
		})
		if left -= scanStep; next == 0 || left <= 0 || len(keys.Buf) > scanPageBytes {
			break
		}
	}
	s.w.Array(2)
	s.w.BulkString(strconv.FormatUint(next, 10))
	s.w.Array(n)
	s.w.Buf = append(s.w.Buf, keys.Buf...)
}

// keysStep is how many entries KEYS visits between two looks at whether it should
// stop.
const keysStep = 1024

// handleKeys lists on a goroutine of its own: it holds up nobody but its client.
func handleKeys(s *Session, spec *command.Spec, args [][]byte) {
	pattern := append([]byte(nil), args[1]...)
	user, now, limit, shown := s.user, s.now, s.srv.live.Current().OutputLimit, s.shown()
	s.async(spec, func(ctx context.Context, w *resp.Writer) {
		keys := resp.Writer{Proto: w.Proto}
		n := 0
		for cursor := uint64(0); ; {
			cursor = s.srv.scan(cursor, keysStep, shown, func(e *store.Entry) {
				if matches(e, now, user, pattern, nil) {
					keys.Bulk(e.Key)
					n++
				}
			})
			if limit > 0 && int64(len(keys.Buf)) > limit {
				w.Errorf("ERR", "the keys that match exceed output-limit (%d bytes): use SCAN", limit)
				return
			}
			if cursor == 0 {
				break
			}
			if ctx.Err() != nil {
				w.Error(errShutdown)
				return
			}
		}
		w.Array(n)
		w.Buf = append(w.Buf, keys.Buf...)
	}, nil)
}

func handleFlush(s *Session, spec *command.Spec, args [][]byte) {
	if len(args) > 2 {
		s.w.Error(errSyntax)
		return
	}
	if len(args) == 2 {
		// Emptying takes no time that grows with the data: both words mean the same.
		if mode := strings.ToLower(string(args[1])); mode != "async" && mode != "sync" {
			s.w.Error(errSyntax)
			return
		}
	}
	s.async(spec, func(ctx context.Context, w *resp.Writer) {
		if err := s.srv.node.FlushAll(ctx); err != nil {
			writeError(w, err)
			return
		}
		w.OK()
	}, nil)
}
