package router

import (
	"bytes"
	"errors"

	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Replies that refuse a RESP command before it is sent: in Redis's words where
// Redis has some. Shared, never changed.
var (
	errCrossSlot = &resp.Error{Code: "CROSSSLOT", Text: "Keys in request don't hash to the same slot"}
	errTooMuch   = &resp.Error{Code: "ERR", Text: "the values asked for exceed output-limit: ask for fewer keys at once"}
	errNotHere   = &resp.Error{Code: "ERR", Text: "a router does not serve this command: ask a node"}
)

// writeError renders any error as RESP has it: its own kind as it is, others by
// their status.
func writeError(w *resp.Writer, err error) {
	var e *resp.Error
	if errors.As(err, &e) {
		w.Error(e)
		return
	}
	status, text := statusOf(err)
	w.Error(&resp.Error{Code: respCode(status), Text: text})
}

// respCode is the error code of a status. The two that tell a client to go
// elsewhere mean nothing behind a router.
func respCode(s wire.Status) string {
	if s == wire.NotLeader || s == wire.WrongEpoch {
		return "TRYAGAIN"
	}
	return s.RESPCode()
}

// appendRESP appends what a RESP client is told about the answer to a COMMAND.
// failed says that it is an error.
func appendRESP(dst []byte, proto int, reply *wire.Response, err error) (out []byte, failed bool) {
	w := resp.Writer{Buf: dst, Proto: proto}
	switch {
	case err != nil:
		writeError(&w, err)
		return w.Buf, true
	case reply.Status != wire.OK:
		text := string(reply.Body)
		if text == "" {
			text = reply.Status.Description()
		}
		w.Error(&resp.Error{Code: respCode(reply.Status), Text: text})
		return w.Buf, true
	case bytes.HasPrefix(reply.Body, []byte("-MOVED ")), bytes.HasPrefix(reply.Body, []byte("-ASK ")):
		w.Error(&resp.Error{Code: "TRYAGAIN", Text: "the key's partition is moving; nothing was executed"})
		return w.Buf, true
	case len(reply.Body) == 0:
		w.Error(&resp.Error{Code: "ERR", Text: "the node's reply was empty"})
		return w.Buf, true
	}
	if len(dst) == 0 {
		return reply.Body, reply.Body[0] == '-'
	}
	return append(dst, reply.Body...), reply.Body[0] == '-'
}
