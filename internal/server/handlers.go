package server

import (
	"fmt"

	"github.com/prakashpandey/vegadb/internal/command"
)

// handler serves one KindServer command. It writes its reply to s.w, or starts
// an async reply.
type handler func(s *Session, spec *command.Spec, args [][]byte)

// handlers are the handlers by Spec.ID.
type handlers []handler

// serve runs the handler of spec.
func (h handlers) serve(s *Session, spec *command.Spec, args [][]byte) { h[spec.ID](s, spec, args) }

// newHandlers binds the table's KindServer commands to their handlers. A command
// without one, or a handler without a command, is a programming error that any
// test of this package meets.
func newHandlers() handlers {
	named := map[string]handler{}
	for _, group := range []map[string]handler{connectionHandlers(), clientHandlers(), keyspaceHandlers(), serverHandlers(), clusterHandlers(), vegaHandlers()} {
		for name, h := range group {
			named[name] = h
		}
	}
	h := make(handlers, command.MaxID()+1)
	for id := range h {
		spec := command.ByID(uint16(id))
		if spec.Kind != command.KindServer {
			continue
		}
		name := spec.FullName()
		switch {
		case named[name] != nil:
			h[id] = named[name]
			delete(named, name)
		case spec.Parent != nil && spec.Name == "help":
			h[id] = func(s *Session, spec *command.Spec, _ [][]byte) { command.WriteHelp(&s.w, spec.Parent) }
		case spec.Parent != nil && spec.Parent.Name == "command", len(spec.Subs) > 0:
			h[id] = func(s *Session, _ *command.Spec, args [][]byte) { command.WriteCommand(&s.w, args) }
		default:
			panic(fmt.Sprintf("server: no handler for %s", name))
		}
	}
	for name := range named {
		panic(fmt.Sprintf("server: handler for %s, which is not in the command table", name))
	}
	return h
}
