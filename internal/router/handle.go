package router

import (
	"github.com/prakashpandey/vegadb/internal/command"
)

// handler serves a command that is not sent to a key's partition. It writes its
// reply to c.w and runs on the reader's goroutine: it may wait.
type handler func(c *conn, spec *command.Spec, args [][]byte)

// newHandlers binds the table's KindServer commands to their handlers. A command
// without one is a node's and not a router's.
func newHandlers() []handler {
	named := map[string]handler{}
	for _, group := range []map[string]handler{connectionHandlers(), clientHandlers(), keyspaceHandlers(), serverHandlers(), clusterHandlers(), vegaHandlers()} {
		for name, h := range group {
			named[name] = h
		}
	}
	all := make([]handler, command.MaxID()+1)
	for id := range all {
		spec := command.ByID(uint16(id))
		if spec.Kind != command.KindServer {
			continue
		}
		switch {
		case named[spec.FullName()] != nil:
			all[id] = named[spec.FullName()]
		case spec.Parent != nil && spec.Name == "help":
			all[id] = func(c *conn, spec *command.Spec, _ [][]byte) { command.WriteHelp(&c.w, spec.Parent) }
		case spec.Parent != nil && spec.Parent.Name == "command", len(spec.Subs) > 0 && spec.Name == "command":
			all[id] = func(c *conn, _ *command.Spec, args [][]byte) { command.WriteCommand(&c.w, args) }
		default:
			all[id] = func(c *conn, _ *command.Spec, _ [][]byte) { c.w.Error(errNotHere) }
		}
	}
	return all
}
