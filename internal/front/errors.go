package front

import "github.com/prakashpandey/vegadb/internal/resp"

// Replies that refuse a RESP command, in Redis's words where Redis has some. Shared,
// never changed.
var (
	ErrNoAuth        = &resp.Error{Code: "NOAUTH", Text: "Authentication required."}
	ErrNoKeys        = &resp.Error{Code: "NOPERM", Text: "No permissions to access a key"}
	ErrNoPerm        = &resp.Error{Code: "NOPERM", Text: "this user has no permissions to run this command"}
	ErrSyntax        = &resp.Error{Code: "ERR", Text: "syntax error"}
	ErrNotInteger    = &resp.Error{Code: "ERR", Text: "value is not an integer or out of range"}
	ErrWrongPassword = &resp.Error{Code: "WRONGPASS", Text: "invalid username-password pair or user is disabled."}
	// ErrHelloNoAuth answers a HELLO that needed an AUTH.
	ErrHelloNoAuth = &resp.Error{Code: "NOAUTH", Text: "HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"}

	errNoPassword = &resp.Error{Code: "ERR", Text: "AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"}
	errClientName = &resp.Error{Code: "ERR", Text: "Client names cannot contain spaces, newlines or special characters."}
)
