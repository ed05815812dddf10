package server

import (
	"context"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/resp"
)

func connectionHandlers() map[string]handler {
	return map[string]handler{
		"ping":   func(s *Session, spec *command.Spec, args [][]byte) { front.WritePing(&s.w, spec, args) },
		"echo":   func(s *Session, _ *command.Spec, args [][]byte) { s.w.Bulk(args[1]) },
		"select": func(s *Session, _ *command.Spec, args [][]byte) { front.WriteSelect(&s.w, args) },
		"auth":   handleAuth, "hello": handleHello, "quit": handleQuit, "reset": handleReset,
	}
}

func handleQuit(s *Session, _ *command.Spec, _ [][]byte) {
	s.w.OK()
	s.fail(front.ClosedByPeer, nil)
}

// handleReset brings the connection back to how it was when it was opened.
func handleReset(s *Session, _ *command.Spec, _ [][]byte) {
	s.w.Proto = 2
	s.names.Name = "" // what it has said of its library stays, as in Redis
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

func handleAuth(s *Session, spec *command.Spec, args [][]byte) {
	name, password, err := front.ParseAuth(args)
	switch {
	case err != nil:
		s.w.Error(err)
	case !s.needAuth:
		front.WriteAuthOpen(&s.w, args)
	default:
		s.authenticate(spec, name, password, (*resp.Writer).OK)
	}
}

// authenticate checks a password on a goroutine of its own, since a key
// derivation takes longer than an event loop may, and then replies.
func (s *Session) authenticate(spec *command.Spec, name, password string, success func(*resp.Writer)) {
	var user *auth.User
	w := s.async(spec, func(_ context.Context, w *resp.Writer) {
		var err error
		if user, err = s.srv.users.Login(s.srv.failures, s.remote.Addr(), name, password); err != nil {
			w.Error(front.LoginError(err))
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
	h, err := front.ParseHello(args, s.w.Proto)
	if err != nil {
		s.w.Error(err)
		return
	}
	newName := string(h.Name) // the arguments are gone when a login is over
	finish := func(w *resp.Writer) {
		s.w.Proto, w.Proto = h.Proto, h.Proto
		if h.Name != nil {
			s.names.Name = newName
		}
		s.publishInfo()
		front.WriteHello(w, s.id, s.srv.redisMode())
	}
	switch {
	case h.User != nil && s.needAuth:
		s.authenticate(spec, string(h.User), string(h.Password), finish)
	case h.User != nil && string(h.User) != auth.DefaultName:
		s.w.Error(front.ErrWrongPassword)
	case s.user == nil:
		s.w.Error(front.ErrHelloNoAuth)
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
