package command

import (
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/store"
)

// readValue serves GET, and MGET for each key, where a value of another kind is
// no error but absent.
func readValue(w *resp.Writer, args [][]byte, e *store.Entry, _ int64) {
	switch {
	case e == nil:
		w.Null()
	case e.Kind == KindString:
		w.Bulk(e.Value)
	case len(args) == 1: // MGET
		w.Null()
	default:
		w.Error(errWrongType)
	}
}

func readLength(w *resp.Writer, _ [][]byte, e *store.Entry, _ int64) {
	switch {
	case e == nil:
		w.Int(0)
	case e.Kind == KindString:
		w.Int(int64(len(e.Value)))
	default:
		w.Error(errWrongType)
	}
}

func readExists(w *resp.Writer, _ [][]byte, e *store.Entry, _ int64) {
	if e == nil {
		w.Int(0)
		return
	}
	w.Int(1)
}

func readType(w *resp.Writer, _ [][]byte, e *store.Entry, _ int64) {
	if e == nil {
		w.Simple("none")
		return
	}
	w.Simple(TypeName(e.Kind))
}

// TypeName returns what TYPE calls an entry's kind.
func TypeName(kind uint8) string {
	if kind == KindString {
		return "string"
	}
	return "unknown"
}

// Replies of the expiry reads for a key without an expiry, and for no key.
const (
	replyNoExpiry = -1
	replyNoKey    = -2
)

func readTTL(w *resp.Writer, _ [][]byte, e *store.Entry, now int64) {
	writeExpiry(w, e, now, true)
}

func readPTTL(w *resp.Writer, _ [][]byte, e *store.Entry, now int64) {
	writeExpiry(w, e, now, false)
}

func readExpireTime(w *resp.Writer, _ [][]byte, e *store.Entry, _ int64) {
	writeExpiry(w, e, 0, true)
}

func readPExpireTime(w *resp.Writer, _ [][]byte, e *store.Entry, _ int64) {
	writeExpiry(w, e, 0, false)
}

// writeExpiry replies with the ms, or the seconds to the nearest, from since to
// the entry's expiry.
func writeExpiry(w *resp.Writer, e *store.Entry, since int64, seconds bool) {
	switch {
	case e == nil:
		w.Int(replyNoKey)
	case e.ExpireAt == 0:
		w.Int(replyNoExpiry)
	case seconds:
		ms := e.ExpireAt - since
		w.Int(ms/1000 + (ms%1000+500)/1000)
	default:
		w.Int(e.ExpireAt - since)
	}
}
