package router

import (
	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
)

func connectionHandlers() map[string]handler {
	return map[string]handler{
		"ping":   func(c *conn, spec *command.Spec, args [][]byte) { front.WritePing(&c.w, spec, args) },
		"echo":   func(c *conn, _ *command.Spec, args [][]byte) { c.w.Bulk(args[1]) },
		"select": func(c *conn, _ *command.Spec, args [][]byte) { front.WriteSelect(&c.w, args) },
		"auth":   handleAuth, "hello": handleHello, "quit": handleQuit, "reset": handleReset,
	}
}

func handleQuit(c *conn, _ *command.Spec, _ [][]byte) {
	c.w.OK()
	c.respond()
	c.fail(front.ClosedByPeer, nil)
}

// handleReset brings the connection back to how it was when it was opened.
func handleReset(c *conn, _ *command.Spec, _ [][]byte) {
	c.w.Proto = 2
	c.names.Name = "" // what it has said of its library stays, as in Redis
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
	name, password, err := front.ParseAuth(args)
	switch {
	case err != nil:
		c.w.Error(err)
	case c.r.users == nil:
		front.WriteAuthOpen(&c.w, args)
	case c.authenticate(name, password):
		c.w.OK()
	}
}

// authenticate checks a password, and writes the refusal if it is wrong. It takes as
// long as a key derivation does: nothing else of this connection goes on meanwhile.
func (c *conn) authenticate(name, password string) bool {
	c.work.Signal() // what was answered by now goes out meanwhile
	user, err := c.r.users.Login(c.r.failures, c.remote.Addr(), name, password)
	if err != nil {
		c.w.Error(front.LoginError(err))
		c.r.stats.authFailures.Add(1)
		return false
	}
	c.logIn(user)
	return true
}

// handleHello negotiates the protocol version, and may authenticate and name the
// connection on the way.
func handleHello(c *conn, _ *command.Spec, args [][]byte) {
	h, err := front.ParseHello(args, c.w.Proto)
	switch {
	case err != nil:
		c.w.Error(err)
		return
	case h.User != nil && c.r.users != nil:
		if !c.authenticate(string(h.User), string(h.Password)) {
			return
		}
	case h.User != nil && string(h.User) != auth.DefaultName:
		c.w.Error(front.ErrWrongPassword)
		return
	case c.user == nil:
		c.w.Error(front.ErrHelloNoAuth)
		return
	}
	c.w.Proto = h.Proto
	if h.Name != nil {
		c.names.Name = string(h.Name)
	}
	c.publishInfo()
	front.WriteHello(&c.w, c.id, "standalone")
}
