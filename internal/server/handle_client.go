package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/resp"
)

func clientHandlers() map[string]handler {
	return map[string]handler{
		"client|setname": handleClientSetName, "client|getname": handleClientGetName, "client|setinfo": handleClientSetInfo,
		"client|id":   func(s *Session, _ *command.Spec, _ [][]byte) { s.w.Int(int64(s.id)) },
		"client|info": func(s *Session, _ *command.Spec, _ [][]byte) { s.w.Verbatim("txt", s.describe(s.srv.nowMs())+"\n") },
		"client|list": handleClientList,
	}
}

var errClientName = &resp.Error{Code: "ERR", Text: "Client names cannot contain spaces, newlines or special characters."}

// validName reports whether every byte is a visible ASCII character.
func validName(name []byte) bool {
	return !slices.ContainsFunc(name, func(c byte) bool { return c < '!' || c > '~' })
}

func handleClientSetName(s *Session, _ *command.Spec, args [][]byte) {
	if !validName(args[2]) {
		s.w.Error(errClientName)
		return
	}
	s.name = string(args[2])
	s.publishInfo()
	s.w.OK()
}

func handleClientGetName(s *Session, _ *command.Spec, _ [][]byte) {
	if s.name == "" {
		s.w.Null()
		return
	}
	s.w.BulkString(s.name)
}

func handleClientSetInfo(s *Session, _ *command.Spec, args [][]byte) {
	attribute := strings.ToLower(string(args[2]))
	if attribute != "lib-name" && attribute != "lib-ver" {
		s.w.Errorf("ERR", "Unrecognized option '%s'", args[2])
		return
	}
	if !validName(args[3]) {
		s.w.Errorf("ERR", "%s cannot contain spaces, newlines or special characters.", attribute)
		return
	}
	if attribute == "lib-name" {
		s.libName = string(args[3])
	} else {
		s.libVer = string(args[3])
	}
	s.publishInfo()
	s.w.OK()
}

// publishInfo makes what the client calls itself visible to CLIENT LIST.
func (s *Session) publishInfo() {
	info := &clientInfo{name: s.name, libName: s.libName, libVer: s.libVer, resp: s.w.Proto}
	if s.user != nil {
		info.user = s.user.Name
	}
	s.meta.info.Store(info)
}

// describe is the session's line in CLIENT LIST. Safe from any goroutine.
func (s *Session) describe(now int64) string {
	info := s.meta.info.Load()
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=-1 name=%s age=%d idle=%d flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 user=%s lib-name=%s lib-ver=%s resp=%d protocol=%s",
		s.id, s.remote, s.local, info.name, (now-s.meta.openedAt)/1000, max(now-s.meta.lastActive.Load(), 0)/1000,
		info.user, info.libName, info.libVer, info.resp, protocol(s.meta.proto.Load()))
}

func handleClientList(s *Session, _ *command.Spec, args [][]byte) {
	keep := func(*Session) bool { return true }
	for rest := args[2:]; len(rest) > 0; {
		switch option := strings.ToLower(string(rest[0])); {
		case option == "type" && len(rest) >= 2:
			kind := strings.ToLower(string(rest[1]))
			if !slices.Contains([]string{"normal", "master", "replica", "slave", "pubsub"}, kind) {
				s.w.Errorf("ERR", "Unknown client type '%s'", rest[1])
				return
			}
			if kind != "normal" { // clients of the other kinds do not exist here
				keep = func(*Session) bool { return false }
			}
			rest = rest[2:]
		case option == "id" && len(rest) >= 2:
			wanted := map[uint64]bool{}
			for _, arg := range rest[1:] {
				id, ok := resp.ParseInt(arg)
				if !ok || id < 1 {
					s.w.Errorf("ERR", "Invalid client ID")
					return
				}
				wanted[uint64(id)] = true
			}
			keep = func(o *Session) bool { return wanted[o.id] }
			rest = nil
		default:
			s.w.Error(errSyntax)
			return
		}
	}
	all := s.srv.list()
	slices.SortFunc(all, func(a, b *Session) int { return int(a.id) - int(b.id) })
	var text strings.Builder
	now := s.srv.nowMs()
	for _, o := range all {
		if keep(o) {
			text.WriteString(o.describe(now))
			text.WriteByte('\n')
		}
	}
	s.w.Verbatim("txt", text.String())
}
