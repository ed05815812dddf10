package router

import (
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/resp"
)

func clientHandlers() map[string]handler {
	return map[string]handler{
		"client|setname": func(c *conn, _ *command.Spec, args [][]byte) { c.named(c.names.SetName(args)) },
		"client|setinfo": func(c *conn, _ *command.Spec, args [][]byte) { c.named(c.names.SetInfo(args)) },
		"client|getname": func(c *conn, _ *command.Spec, _ [][]byte) { c.names.WriteName(&c.w) },
		"client|id":      func(c *conn, _ *command.Spec, _ [][]byte) { c.w.Int(int64(c.id)) },
		"client|info": func(c *conn, _ *command.Spec, _ [][]byte) {
			front.WriteClientInfo(&c.w, c.describe(), c.r.nowMs())
		},
		"client|list": handleClientList,
	}
}

// named ends a command by which the client has named itself, or could not.
func (c *conn) named(err *resp.Error) {
	if err != nil {
		c.w.Error(err)
		return
	}
	c.publishInfo()
	c.w.OK()
}

// publishInfo makes what the client calls itself visible to CLIENT LIST.
func (c *conn) publishInfo() {
	info := &front.ClientInfo{Names: c.names, RESP: c.w.Proto}
	if c.user != nil {
		info.User = c.user.Name
	}
	c.info.Store(info)
}

// describe is the connection as CLIENT LIST shows it. Safe from any goroutine.
func (c *conn) describe() front.Client {
	return front.Client{
		ID: c.id, Remote: c.remote, Local: c.local, OpenedAt: c.openedAt.UnixMilli(), LastActive: c.lastActive.Load(),
		Protocol: front.Protocol(c.proto.Load()), ClientInfo: c.info.Load(),
	}
}

func handleClientList(c *conn, _ *command.Spec, args [][]byte) {
	front.WriteClientList(&c.w, args, c.r.nowMs(), func() (all []front.Client) {
		for _, o := range c.r.door.Open() {
			all = append(all, o.describe())
		}
		return all
	})
}
