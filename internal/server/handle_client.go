package server

import (
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/resp"
)

func clientHandlers() map[string]handler {
	return map[string]handler{
		"client|setname": func(s *Session, _ *command.Spec, args [][]byte) { s.named(s.names.SetName(args)) },
		"client|setinfo": func(s *Session, _ *command.Spec, args [][]byte) { s.named(s.names.SetInfo(args)) },
		"client|getname": func(s *Session, _ *command.Spec, _ [][]byte) { s.names.WriteName(&s.w) },
		"client|id":      func(s *Session, _ *command.Spec, _ [][]byte) { s.w.Int(int64(s.id)) },
		"client|info": func(s *Session, _ *command.Spec, _ [][]byte) {
			front.WriteClientInfo(&s.w, s.describe(), s.srv.nowMs())
		},
		"client|list": handleClientList,
	}
}

// named ends a command by which the client has named itself, or could not.
func (s *Session) named(err *resp.Error) {
	if err != nil {
		s.w.Error(err)
		return
	}
	s.publishInfo()
	s.w.OK()
}

// publishInfo makes what the client calls itself visible to CLIENT LIST.
func (s *Session) publishInfo() {
	info := &front.ClientInfo{Names: s.names, RESP: s.w.Proto}
	if s.user != nil {
		info.User = s.user.Name
	}
	s.meta.info.Store(info)
}

// describe is the session as CLIENT LIST shows it. Safe from any goroutine.
func (s *Session) describe() front.Client {
	return front.Client{
		ID: s.id, Remote: s.remote, Local: s.local, OpenedAt: s.meta.openedAt, LastActive: s.meta.lastActive.Load(),
		Protocol: front.Protocol(s.meta.proto.Load()), ClientInfo: s.meta.info.Load(),
	}
}

func handleClientList(s *Session, _ *command.Spec, args [][]byte) {
	front.WriteClientList(&s.w, args, s.srv.nowMs(), func() (all []front.Client) {
		for _, o := range s.srv.door.Open() {
			all = append(all, o.describe())
		}
		return all
	})
}
