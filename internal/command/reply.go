package command

import (
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func replyOK(w *resp.Writer, r *Result, _ uint8) {
	if r.Status != wire.OK {
		writeFailure(w, r.Status)
		return
	}
	w.OK()
}

// replySet serves SET: OK, or null when a condition kept it from being done; with
// GET the old value either way.
func replySet(w *resp.Writer, r *Result, mode uint8) {
	if mode&modeReturnOld != 0 {
		replyOld(w, r, mode)
		return
	}
	switch r.Status {
	case wire.OK:
		w.OK()
	case wire.AlreadyExists, wire.NotFound:
		w.Null()
	default:
		writeFailure(w, r.Status)
	}
}

func replySetNX(w *resp.Writer, r *Result, _ uint8) {
	switch r.Status {
	case wire.OK:
		w.Int(1)
	case wire.AlreadyExists:
		w.Int(0)
	default:
		writeFailure(w, r.Status)
	}
}

// replyOld serves what returns the value from before, whether or not the op then
// had anything to do.
func replyOld(w *resp.Writer, r *Result, _ uint8) {
	switch r.Kind {
	case ResultBytes:
		w.Bulk(r.Bytes)
	case ResultNil:
		w.Null()
	default:
		writeFailure(w, r.Status)
	}
}

// replyInt serves what returns a number: of the new state, or of the entries
// that were changed.
func replyInt(w *resp.Writer, r *Result, _ uint8) {
	if r.Kind != ResultInt {
		writeFailure(w, r.Status)
		return
	}
	w.Int(r.Int)
}
