package router

import (
	"errors"
	"strings"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/resp"
)

// redisVersion is the Redis release whose commands and replies RESP clients can
// count on: that of a node.
const redisVersion = "7.2.0"

func connectionHandlers() map[string]handler {
	return map[string]handler{
		"ping": handlePing, "echo": func(c *conn, _ *command.Spec, args [][]byte) { c.w.Bulk(args[1]) },
		"auth": handleAuth, "hello": handleHello, "select": handleSelect, "quit": handleQuit, "reset": handleReset,
	}
}

func handlePing(c *conn, spec *command.Spec, args [][]byte) {
	switch {
	case tooMany(c, spec, args, 2):
	case len(args) == 2:
		c.w.Bulk(args[1])
	default:
		c.w.Simple("PONG")
	}
}

// handleSelect accepts the one database there is.
func handleSelect(c *conn, _ *command.Spec, args [][]byte) {
	switch db, ok := resp.ParseInt(args[1]); {
	case !ok:
		c.w.Error(errNotInt)
	case db != 0:
		c.w.Errorf("ERR", "DB index is out of range")
	default:
		c.w.OK()
	}
}

func handleQuit(c *conn, _ *command.Spec, _ [][]byte) {
	c.w.OK()
	c.respond()
	c.fail(closedByPeer, nil)
}

// handleReset brings the connection back to how it was when it was opened.
func handleReset(c *conn, _ *command.Spec, _ [][]byte) {
	c.w.Proto = 2
	c.names = clientNames{}
	c.mu.Lock()
	c.reads = reads{}
	c.mu.Unlock()
	if c.r.users != nil {
		c.user = nil
		c.setParserLimits()
	}
	c.publishInfo()
	c.w.Simple("RESET")
}

// logIn makes the connection that of user.
func (c *conn) logIn(user *auth.User) {
	c.user = user
	_, c.userGen = c.r.users.Current(user.Name)
	c.setParserLimits()
	c.publishInfo()
}

// currentUser returns the connection's user as the users file has it now: a user who
// was removed must log in again.
func (c *conn) currentUser() *auth.User {
	if c.r.users == nil || c.user == nil {
		return c.user
	}
	if g := c.r.users.Generation(); g != c.userGen {
		c.user, c.userGen = c.r.users.Current(c.user.Name)
		c.setParserLimits()
	}
	return c.user
}

func handleAuth(c *conn, _ *command.Spec, args [][]byte) {
	if len(args) > 3 {
		c.w.Error(errSyntax)
		return
	}
	name, password := auth.DefaultName, string(args[len(args)-1])
	if len(args) == 3 {
		name = string(args[1])
	}
	switch {
	case c.r.users != nil:
		if c.authenticate(name, password) {
			c.w.OK()
		}
	case len(args) == 2:
		c.w.Errorf("ERR", "AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
	case name == auth.DefaultName: // Redis's default user without a password takes any
		c.w.OK()
	default:
		c.w.Error(errWrongPass)
	}
}

// authenticate checks a password, and writes the refusal if it is wrong. It takes as
// long as a key derivation does: nothing else of this connection goes on meanwhile.
func (c *conn) authenticate(name, password string) bool {
	c.work.Signal() // what was answered by now goes out meanwhile
	user, err := c.r.users.Login(c.r.failures, c.remote.Addr(), name, password)
	var limited *auth.LimitedError
	switch {
	case err == nil:
		c.logIn(user)
		return true
	case errors.As(err, &limited):
		c.w.Errorf("ERR", "too many failed logins from this address, try again in %d s", int(limited.RetryAfter.Seconds())+1)
	default:
		c.w.Error(errWrongPass)
	}
	c.r.stats.authFailures.Add(1)
	return false
}

// handleHello negotiates the protocol version, and may authenticate and name the
// connection on the way.
func handleHello(c *conn, _ *command.Spec, args [][]byte) {
	proto := c.w.Proto
	if len(args) > 1 {
		v, ok := resp.ParseInt(args[1])
		if !ok {
			c.w.Errorf("ERR", "Protocol version is not an integer or out of range")
			return
		}
		if v != 2 && v != 3 {
			c.w.Errorf("NOPROTO", "unsupported protocol version")
			return
		}
		proto = int(v)
	}
	var user, password, name []byte
	for rest := args[min(len(args), 2):]; len(rest) > 0; {
		switch option := strings.ToLower(string(rest[0])); {
		case option == "auth" && len(rest) >= 3:
			user, password, rest = rest[1], rest[2], rest[3:]
		case option == "setname" && len(rest) >= 2:
			name, rest = rest[1], rest[2:]
			if !validName(name) {
				c.w.Error(errClientName)
				return
			}
		default:
			c.w.Errorf("ERR", "Syntax error in HELLO option '%s'", rest[0])
			return
		}
	}
	switch {
	case user != nil && c.r.users != nil:
		if !c.authenticate(string(user), string(password)) {
			return
		}
	case user != nil && string(user) != auth.DefaultName:
		c.w.Error(errWrongPass)
		return
	case c.user == nil:
		c.w.Errorf("NOAUTH", "HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
		return
	}
	c.w.Proto = proto
	if name != nil {
		c.names.name = string(name)
	}
	c.publishInfo()
	c.writeHello()
}

func (c *conn) writeHello() {
	c.w.Map(7)
	c.w.BulkString("server")
	c.w.BulkString("redis")
	c.w.BulkString("version")
	c.w.BulkString(redisVersion)
	c.w.BulkString("proto")
	c.w.Int(int64(c.w.Proto))
	c.w.BulkString("id")
	c.w.Int(int64(c.id))
	c.w.BulkString("mode")
	c.w.BulkString("standalone")
	c.w.BulkString("role")
	c.w.BulkString("master")
	c.w.BulkString("modules")
	c.w.Array(0)
}
