package router

import (
	"bytes"

	"github.com/prakashpandey/vegadb/internal/resp"
)

// maxReplyDepth bounds how deep the aggregates of a reply may be nested.
const maxReplyDepth = 8

// cutLine takes a line of RESP, its first byte and CR LF excepted, off b.
func cutLine(b []byte) (kind byte, text, rest []byte, ok bool) {
	end := bytes.Index(b, []byte("\r\n"))
	if end < 1 {
		return 0, nil, nil, false
	}
	return b[0], b[1:end], b[end+2:], true
}

// intReply reads a reply that is an integer and nothing else.
func intReply(b []byte) (n int64, ok bool) {
	kind, text, rest, ok := cutLine(b)
	if !ok || kind != ':' || len(rest) > 0 {
		return 0, false
	}
	return resp.ParseInt(text)
}

// arrayReply reads the head of a reply that is an array; its elements are in rest.
func arrayReply(b []byte) (n int, rest []byte, ok bool) {
	kind, text, rest, ok := cutLine(b)
	if !ok || kind != '*' {
		return 0, nil, false
	}
	v, ok := resp.ParseInt(text)
	if !ok || v < 0 || v > int64(len(rest)) {
		return 0, nil, false
	}
	return int(v), rest, true
}

// valueBytes returns how many bytes the value at the front of b takes, in RESP2 or
// RESP3. ok is false when it is cut short, malformed or nested deeper than depth.
func valueBytes(b []byte, depth int) (n int, ok bool) {
	kind, text, rest, ok := cutLine(b)
	if !ok {
		return 0, false
	}
	n = len(b) - len(rest)
	switch kind {
	case '+', '-', ':', '_', '#', ',', '(':
		return n, true
	}
	v, ok := resp.ParseInt(text)
	if !ok || v < -1 || v > int64(len(rest)) {
		return 0, false
	}
	switch kind {
	case '$', '=', '!':
		if v < 0 { // null of RESP2
			return n, true
		}
		if int64(len(rest)) < v+2 || rest[v] != '\r' || rest[v+1] != '\n' {
			return 0, false
		}
		return n + int(v) + 2, true
	case '%':
		v *= 2
	case '*', '~', '>':
	default:
		return 0, false
	}
	if depth == 0 {
		return 0, false
	}
	for range v {
		size, ok := valueBytes(rest, depth-1)
		if !ok {
			return 0, false
		}
		n += size
		rest = rest[size:]
	}
	return n, true
}
