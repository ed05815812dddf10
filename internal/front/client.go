package front

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/prakashpandey/vegadb/internal/resp"
)

// Names are what a client calls itself and its library.
type Names struct{ Name, LibName, LibVersion string }

// validName reports whether every byte is a visible ASCII character.
func validName(name []byte) bool {
	return !slices.ContainsFunc(name, func(b byte) bool { return b < '!' || b > '~' })
}

// SetName carries out CLIENT SETNAME.
func (n *Names) SetName(args [][]byte) *resp.Error {
	if !validName(args[2]) {
		return errClientName
	}
	n.Name = string(args[2])
	return nil
}

// WriteName answers CLIENT GETNAME.
func (n *Names) WriteName(w *resp.Writer) {
	if n.Name == "" {
		w.Null()
		return
	}
	w.BulkString(n.Name)
}

// SetInfo carries out CLIENT SETINFO.
func (n *Names) SetInfo(args [][]byte) *resp.Error {
	attribute := strings.ToLower(string(args[2]))
	switch {
	case attribute != "lib-name" && attribute != "lib-ver":
		return resp.Errorf("ERR", "Unrecognized option '%s'", args[2])
	case !validName(args[3]):
		return resp.Errorf("ERR", "%s cannot contain spaces, newlines or special characters.", attribute)
	case attribute == "lib-name":
		n.LibName = string(args[3])
	default:
		n.LibVersion = string(args[3])
	}
	return nil
}

// ClientInfo is what a client has said about itself. It is replaced whole, so that
// others can read it.
type ClientInfo struct {
	Names
	User string // "": not logged in
	RESP int    // 2 or 3
}

// Client is one connection as CLIENT LIST and CLIENT INFO show it. Times are in unix ms.
type Client struct {
	ID                   uint64
	Remote, Local        netip.AddrPort
	OpenedAt, LastActive int64
	Protocol             Protocol
	*ClientInfo
}

// line is the client's line, with its end.
func (c *Client) line(now int64) string {
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=-1 name=%s age=%d idle=%d flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 user=%s lib-name=%s lib-ver=%s resp=%d protocol=%s\n",
		c.ID, c.Remote, c.Local, c.Name, (now-c.OpenedAt)/1000, max(now-c.LastActive, 0)/1000,
		c.User, c.LibName, c.LibVersion, c.RESP, c.Protocol)
}

// WriteClientInfo answers CLIENT INFO.
func WriteClientInfo(w *resp.Writer, c Client, now int64) { w.Verbatim("txt", c.line(now)) }

// WriteClientList answers CLIENT LIST. all returns the connections that are open, in any
// order.
func WriteClientList(w *resp.Writer, args [][]byte, now int64, all func() []Client) {
	keep, err := parseClientList(args)
	if err != nil {
		w.Error(err)
		return
	}
	clients := all()
	slices.SortFunc(clients, func(a, b Client) int { return cmp.Compare(a.ID, b.ID) })
	var text strings.Builder
	for i := range clients {
		if keep(clients[i].ID) {
			text.WriteString(clients[i].line(now))
		}
	}
	w.Verbatim("txt", text.String())
}

// parseClientList takes CLIENT LIST's arguments: which connections are wanted.
func parseClientList(args [][]byte) (keep func(id uint64) bool, err *resp.Error) {
	keep = func(uint64) bool { return true }
	for rest := args[2:]; len(rest) > 0; {
		switch option := strings.ToLower(string(rest[0])); {
		case option == "type" && len(rest) >= 2:
			kind := strings.ToLower(string(rest[1]))
			if !slices.Contains([]string{"normal", "master", "replica", "slave", "pubsub"}, kind) {
				return nil, resp.Errorf("ERR", "Unknown client type '%s'", rest[1])
			}
			if kind != "normal" { // clients of the other kinds do not exist here
				keep = func(uint64) bool { return false }
			}
			rest = rest[2:]
		case option == "id" && len(rest) >= 2:
			wanted := map[uint64]bool{}
			for _, arg := range rest[1:] {
				id, ok := resp.ParseInt(arg)
				if !ok || id < 1 {
					return nil, resp.Errorf("ERR", "Invalid client ID")
				}
				wanted[uint64(id)] = true
			}
			keep = func(id uint64) bool { return wanted[id] }
			rest = nil
		default:
			return nil, ErrSyntax
		}
	}
	return keep, nil
}
