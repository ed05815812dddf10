package front

import (
	"errors"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/resp"
)

// ParseAuth takes AUTH's arguments: AUTH [user] password.
func ParseAuth(args [][]byte) (name, password string, err *resp.Error) {
	switch len(args) {
	case 2:
		return auth.DefaultName, string(args[1]), nil
	case 3:
		return string(args[1]), string(args[2]), nil
	}
	return "", "", ErrSyntax
}

// WriteAuthOpen answers an AUTH that ParseAuth took where there are no users to log in
// as.
func WriteAuthOpen(w *resp.Writer, args [][]byte) {
	switch {
	case len(args) == 2:
		w.Error(errNoPassword)
	case string(args[1]) == auth.DefaultName: // Redis's default user without a password takes any
		w.OK()
	default:
		w.Error(ErrWrongPassword)
	}
}

// LoginError is what a client is told about an error of auth.Users.Login.
func LoginError(err error) *resp.Error {
	var limited *auth.LimitedError
	if errors.As(err, &limited) {
		return resp.Errorf("ERR", "too many failed logins from this address, try again in %d s", int(limited.RetryAfter.Seconds())+1)
	}
	return ErrWrongPassword
}
