package resp

import (
	"errors"
	"fmt"
)

// Error is an error as RESP transmits it: a code in capitals that clients match
// on, and a text for people.
type Error struct{ Code, Text string }

func (e *Error) Error() string { return e.Code + " " + e.Text }

// Errorf makes an Error whose text is formatted.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// ErrHTTP says that the peer speaks HTTP, most likely a browser that was
// tricked into it. Close the connection without a reply.
var ErrHTTP = errors.New("resp: the peer sent an HTTP request; HTTP is served on the admin address")

// protocolError makes the error after which the connection must be closed: the
// position of the next command is unknown.
func protocolError(text string) *Error {
	return &Error{Code: "ERR", Text: "Protocol error: " + text}
}

// IsProtocolError reports whether err came from a Parser, in which case the
// connection is beyond use once the error has been sent.
func IsProtocolError(err error) bool {
	var e *Error
	const prefix = "Protocol error: "
	return errors.As(err, &e) && len(e.Text) >= len(prefix) && e.Text[:len(prefix)] == prefix
}
