package router

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/resp"
)

// clientNames are what a client calls itself and its library.
type clientNames struct{ name, libName, libVer string }

// clientInfo is what CLIENT LIST shows of a connection; it is replaced whole.
type clientInfo struct {
	clientNames
	user string
	resp int
}

func clientHandlers() map[string]handler {
	return map[string]handler{
		"client|setname": handleClientSetName, "client|getname": handleClientGetName, "client|setinfo": handleClientSetInfo,
		"client|id": func(c *conn, _ *command.Spec, _ [][]byte) { c.w.Int(int64(c.id)) },
		"client|info": func(c *conn, _ *command.Spec, _ [][]byte) {
			c.w.Verbatim("txt", c.describe(c.r.opts.Clock().UnixMilli())+"\n")
		},
		"client|list": handleClientList,
	}
}

var errClientName = &resp.Error{Code: "ERR", Text: "Client names cannot contain spaces, newlines or special characters."}

// validName reports whether every byte is a visible ASCII character.
func validName(name []byte) bool {
	return !slices.ContainsFunc(name, func(b byte) bool { return b < '!' || b > '~' })
}

func handleClientSetName(c *conn, _ *command.Spec, args [][]byte) {
	if !validName(args[2]) {
		c.w.Error(errClientName)
		return
	}
	c.names.name = string(args[2])
	c.publishInfo()
	c.w.OK()
}

func handleClientGetName(c *conn, _ *command.Spec, _ [][]byte) {
	if c.names.name == "" {
		c.w.Null()
		return
	}
	c.w.BulkString(c.names.name)
}

func handleClientSetInfo(c *conn, _ *command.Spec, args [][]byte) {
	attribute := strings.ToLower(string(args[2]))
	switch {
	case attribute != "lib-name" && attribute != "lib-ver":
		c.w.Errorf("ERR", "Unrecognized option '%s'", args[2])
		return
	case !validName(args[3]):
		c.w.Errorf("ERR", "%s cannot contain spaces, newlines or special characters.", attribute)
		return
	case attribute == "lib-name":
		c.names.libName = string(args[3])
	default:
		c.names.libVer = string(args[3])
	}
	c.publishInfo()
	c.w.OK()
}

// publishInfo makes what the client calls itself visible to CLIENT LIST.
func (c *conn) publishInfo() {
	info := &clientInfo{clientNames: c.names, resp: c.w.Proto}
	if c.user != nil {
		info.user = c.user.Name
	}
	c.info.Store(info)
}

// describe is the connection's line in CLIENT LIST. Safe from any goroutine.
func (c *conn) describe(now int64) string {
	info := c.info.Load()
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=-1 name=%s age=%d idle=%d flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 user=%s lib-name=%s lib-ver=%s resp=%d protocol=%s",
		c.id, c.remote, c.local, info.name, (now-c.openedAt.UnixMilli())/1000, max(now-c.lastActive.Load(), 0)/1000,
		info.user, info.libName, info.libVer, info.resp, protocol(c.proto.Load()))
}

func handleClientList(c *conn, _ *command.Spec, args [][]byte) {
	keep := func(*conn) bool { return true }
	for rest := args[2:]; len(rest) > 0; {
		switch option := strings.ToLower(string(rest[0])); {
		case option == "type" && len(rest) >= 2:
			kind := strings.ToLower(string(rest[1]))
			if !slices.Contains([]string{"normal", "master", "replica", "slave", "pubsub"}, kind) {
				c.w.Errorf("ERR", "Unknown client type '%s'", rest[1])
				return
			}
			if kind != "normal" { // clients of the other kinds do not exist here
				keep = func(*conn) bool { return false }
			}
			rest = rest[2:]
		case option == "id" && len(rest) >= 2:
			wanted := map[uint64]bool{}
			for _, arg := range rest[1:] {
				id, ok := resp.ParseInt(arg)
				if !ok || id < 1 {
					c.w.Errorf("ERR", "Invalid client ID")
					return
				}
				wanted[uint64(id)] = true
			}
			keep = func(o *conn) bool { return wanted[o.id] }
			rest = nil
		default:
			c.w.Error(errSyntax)
			return
		}
	}
	all := c.r.list()
	slices.SortFunc(all, func(a, b *conn) int { return int(a.id) - int(b.id) })
	var text strings.Builder
	now := c.r.opts.Clock().UnixMilli()
	for _, o := range all {
		if keep(o) {
			text.WriteString(o.describe(now))
			text.WriteByte('\n')
		}
	}
	c.w.Verbatim("txt", text.String())
}
