package server

import (
	"context"
	"errors"
	"strings"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/resp"
)

// redisVersion is the Redis release whose commands and replies RESP clients can
// count on; clients compare it to decide what they may send.
const redisVersion = "7.2.0"

func connectionHandlers() map[string]handler {
	return map[string]handler{
		"ping": handlePing, "echo": handleEcho, "auth": handleAuth, "hello": handleHello,
		"select": handleSelect, "quit": handleQuit, "reset": handleReset,
	}
}

func handlePing(s *Session, spec *command.Spec, args [][]byte) {
	switch len(args) {
	case 1:
		s.w.Simple("PONG")
	case 2:
		s.w.Bulk(args[1])
	default:
		s.w.Error(resp.Errorf("ERR", "wrong number of arguments for 'ping' command"))
	}
}

func handleEcho(s *Session, _ *command.Spec, args [][]byte) { s.w.Bulk(args[1]) }

// handleSelect accepts the one database there is.
func handleSelect(s *Session, _ *command.Spec, args [][]byte) {
	switch db, ok := resp.ParseInt(args[1]); {
	case !ok:
		s.w.Errorf("ERR", "value is not an integer or out of range")
	case db != 0:
		s.w.Errorf("ERR", "DB index is out of range")
	default:
		s.w.OK()
	}
}

func handleQuit(s *Session, _ *command.Spec, _ [][]byte) {
	s.w.OK()
	s.fail(closedByPeer, nil)
}

// handleReset brings the connection back to how it was when it was opened.
func handleReset(s *Session, _ *command.Spec, _ [][]byte) {
	s.w.Proto = 2
	s.name = ""
	s.reads = readState{}
	if s.needAuth {
		s.user = nil
		s.setParserLimits()
	}
	s.publishInfo()
	s.w.Simple("RESET")
}

// logIn makes the session that of user.
func (s *Session) logIn(user *auth.User) {
	s.user = user
	_, s.userGeneration = s.srv.users.Current(user.Name)
	s.setParserLimits()
	s.publishInfo()
}

var errWrongPass = &resp.Error{Code: "WRONGPASS", Text: "invalid username-password pair or user is disabled."}

func handleAuth(s *Session, spec *command.Spec, args [][]byte) {
	if len(args) > 3 {
		s.w.Error(errSyntax)
		return
	}
	name, password := auth.DefaultName, string(args[len(args)-1])
	if len(args) == 3 {
		name = string(args[1])
	}
	if !s.needAuth {
		if len(args) == 2 {
			s.w.Errorf("ERR", "AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
		} else if name == auth.DefaultName { // Redis's default user without a password takes any
			s.w.OK()
		} else {
			s.w.Error(errWrongPass)
		}
		return
	}
	s.authenticate(spec, name, password, (*resp.Writer).OK)
}

// authenticate checks a password on a goroutine of its own, since a key
// derivation takes longer than an event loop may, and then replies.
func (s *Session) authenticate(spec *command.Spec, name, password string, success func(*resp.Writer)) {
	var user *auth.User
	w := s.async(spec, func(_ context.Context, w *resp.Writer) {
		var err error
		var limited *auth.LimitedError
		switch user, err = s.srv.users.Login(s.srv.failures, s.remote.Addr(), name, password); {
		case errors.As(err, &limited):
			w.Errorf("ERR", "too many failed logins from this address, try again in %d s", int(limited.RetryAfter.Seconds())+1)
		case err != nil:
			w.Error(errWrongPass)
		}
	}, nil)
	w.asyncFn = func() {
		s.barrier = false
		if user == nil {
			s.srv.stats.authFailures.Add(1)
			return
		}
		s.logIn(user)
		success(&w.reply)
	}
}

// handleHello negotiates the protocol version, and may authenticate and name the
// connection on the way.
func handleHello(s *Session, spec *command.Spec, args [][]byte) {
	proto := s.w.Proto
	if len(args) > 1 {
		v, ok := resp.ParseInt(args[1])
		if !ok {
			s.w.Errorf("ERR", "Protocol version is not an integer or out of range")
			return
		}
		if v != 2 && v != 3 {
			s.w.Errorf("NOPROTO", "unsupported protocol version")
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
				s.w.Error(errClientName)
				return
			}
		default:
			s.w.Errorf("ERR", "Syntax error in HELLO option '%s'", rest[0])
			return
		}
	}
	newName := string(name)
	finish := func(w *resp.Writer) {
		s.w.Proto, w.Proto = proto, proto
		if name != nil {
			s.name = newName
		}
		s.publishInfo()
		s.writeHello(w)
	}
	switch {
	case user != nil && s.needAuth:
		s.authenticate(spec, string(user), string(password), finish)
	case user != nil && string(user) != auth.DefaultName:
		s.w.Error(errWrongPass)
	case s.user == nil:
		s.w.Errorf("NOAUTH", "HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
	default:
		finish(&s.w)
	}
}

// redisMode is what HELLO and INFO call the way the server is run. A lone node answers
// cluster clients as well, but has no need of them.
func (s *Server) redisMode() string {
	if s.node.Clustered() {
		return "cluster"
	}
	return "standalone"
}

func (s *Session) writeHello(w *resp.Writer) {
	w.Map(7)
	w.BulkString("server")
	w.BulkString("redis")
	w.BulkString("version")
	w.BulkString(redisVersion)
	w.BulkString("proto")
	w.Int(int64(w.Proto))
	w.BulkString("id")
	w.Int(int64(s.id))
	w.BulkString("mode")
	w.BulkString(s.srv.redisMode())
	w.BulkString("role")
	w.BulkString("master")
	w.BulkString("modules")
	w.Array(0)
}
