package server

import (
	"context"
	"strings"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/store"
)

func keyspaceHandlers() map[string]handler {
	return map[string]handler{
		"scan": handleScan, "keys": handleKeys,
		"dbsize":   handleDBSize,
		"flushall": handleFlush, "flushdb": handleFlush,
	}
}

// matches reports whether an entry belongs into a client's listing.
func matches(e *store.Entry, now int64, user *auth.User, pattern, kind []byte) bool {
	return !command.Expired(e.ExpireAt, now) && user.AllowsKey(e.Key) &&
		(pattern == nil || command.Match(pattern, e.Key)) &&
		(kind == nil || strings.EqualFold(string(kind), command.TypeName(e.Kind)))
}

func handleDBSize(s *Session, _ *command.Spec, _ [][]byte) {
	l := s.listing()
	if n := s.srv.keys(l.has); !l.gap {
		s.w.Int(n)
		return
	}
	s.w.Error(errGap)
}

func handleScan(s *Session, _ *command.Spec, args [][]byte) {
	o, err := front.ParseScan(args)
	if err != nil {
		s.w.Error(err)
		return
	}
	// The number of keys is not known until they have been visited: write them
	// behind the place where it goes.
	var keys resp.Writer
	n := 0
	next, l := o.Cursor, s.listing()
	for left := o.Count; ; { // in steps, since keys may be large: COUNT is a hint
		next = s.srv.scan(next, min(left, scanStep), l.has, func(e *store.Entry) {
			if matches(e, s.now, s.user, o.Pattern, o.Kind) {
				keys.Bulk(e.Key)
				n++
			}
		})
		if left -= scanStep; next == 0 || left <= 0 || len(keys.Buf) > scanPageBytes {
			break
		}
	}
	if l.gap {
		s.w.Error(errGap)
		return
	}
	front.WriteScan(&s.w, next, n, keys.Buf)
}

// keysStep is how many entries KEYS visits between two looks at whether it should
// stop.
const keysStep = 1024

// handleKeys lists on a goroutine of its own: it holds up nobody but its client.
func handleKeys(s *Session, spec *command.Spec, args [][]byte) {
	pattern := append([]byte(nil), args[1]...)
	user, now, limit, l := s.user, s.now, s.srv.live.Current().OutputLimit, s.listing()
	s.async(spec, func(ctx context.Context, w *resp.Writer) {
		keys := resp.Writer{Proto: w.Proto}
		n := 0
		for cursor := uint64(0); ; {
			cursor = s.srv.scan(cursor, keysStep, l.has, func(e *store.Entry) {
				if matches(e, now, user, pattern, nil) {
					keys.Bulk(e.Key)
					n++
				}
			})
			if limit > 0 && int64(len(keys.Buf)) > limit {
				w.Errorf("ERR", "the keys that match exceed output-limit (%d bytes): use SCAN", limit)
				return
			}
			if l.gap {
				w.Error(errGap)
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
	if err := front.CheckFlush(args); err != nil {
		s.w.Error(err)
		return
	}
	s.async(spec, func(ctx context.Context, w *resp.Writer) {
		if err := s.srv.node.FlushAll(ctx); err != nil {
			writeError(w, err)
			return
		}
		w.OK()
	}, nil)
}
