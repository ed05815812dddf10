package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/resp"
)

func serverHandlers() map[string]handler {
	return map[string]handler{
		"save": handleSave, "bgsave": handleBGSave,
		"lastsave": func(s *Session, _ *command.Spec, _ [][]byte) { s.w.Int(s.srv.lastSaveUnix()) },
		"info":     handleInfo,
		"config|get": func(s *Session, _ *command.Spec, args [][]byte) {
			front.WriteConfig(&s.w, args, func(match func(string) bool) []config.Pair { return config.Parameters(s.srv.live.Current(), match) })
		},
		"config|set":       handleConfigSet,
		"config|resetstat": func(s *Session, _ *command.Spec, _ [][]byte) { s.srv.stats.reset(); s.w.OK() },
		"time":             func(s *Session, _ *command.Spec, _ [][]byte) { front.WriteTime(&s.w, s.srv.opts.Clock()) },
		"shutdown":         handleShutdown,
	}
}

// lastSaveUnix is when the last snapshot was complete, or the server started.
func (s *Server) lastSaveUnix() int64 {
	if at := s.node.SnapshotStatus().LastOK; !at.IsZero() {
		return at.Unix()
	}
	return s.stats.startedAt.Unix()
}

func handleSave(s *Session, spec *command.Spec, _ [][]byte) {
	s.async(spec, func(ctx context.Context, w *resp.Writer) {
		if err := s.srv.node.Snapshot(ctx); err != nil {
			writeError(w, err)
			return
		}
		w.OK()
	}, nil)
}

func handleBGSave(s *Session, _ *command.Spec, args [][]byte) {
	if len(args) > 2 || len(args) == 2 && !strings.EqualFold(string(args[1]), "schedule") {
		s.w.Error(front.ErrSyntax)
		return
	}
	if s.srv.node.SnapshotStatus().Running && len(args) == 1 {
		s.w.Errorf("ERR", "Background save already in progress")
		return
	}
	if _, err := s.srv.node.StartSnapshot(); err != nil {
		writeError(&s.w, err)
		return
	}
	s.w.Simple("Background saving started")
}

// handleShutdown ends the process as SIGTERM does. Nothing that was acknowledged
// needs saving, so SAVE and NOSAVE differ only in whether a snapshot is written
// to make the next start quicker.
func handleShutdown(s *Session, spec *command.Spec, args [][]byte) {
	save := false
	for _, arg := range args[1:] {
		switch strings.ToLower(string(arg)) {
		case "save":
			save = true
		case "nosave", "now", "force":
		case "abort":
			s.w.Errorf("ERR", "No shutdown in progress.")
			return
		default:
			s.w.Error(front.ErrSyntax)
			return
		}
	}
	if s.srv.opts.Shutdown == nil {
		s.w.Errorf("ERR", "this server is part of another program, which alone can stop it")
		return
	}
	s.async(spec, func(ctx context.Context, w *resp.Writer) {
		if save {
			if err := s.srv.node.Snapshot(ctx); err != nil && !errors.Is(err, node.ErrNotPersistent) {
				writeError(w, err)
				return
			}
		}
		s.srv.opts.Shutdown()
	}, func() { s.fail(front.ClosedShutdown, nil) })
}

func handleConfigSet(s *Session, _ *command.Spec, args [][]byte) {
	if len(args)%2 != 0 {
		s.w.Errorf("ERR", "wrong number of arguments for 'config|set' command")
		return
	}
	var pairs []config.Pair
	for i := 2; i < len(args); i += 2 {
		pairs = append(pairs, config.Pair{Name: strings.ToLower(string(args[i])), Value: string(args[i+1])})
	}
	name, err := s.srv.live.Set(pairs, s.srv.applySettings)
	switch {
	case err == nil:
		s.w.OK()
	case errors.Is(err, config.ErrUnknown):
		s.w.Errorf("ERR", "Unknown option or number of arguments for CONFIG SET - '%s'", name)
	case errors.Is(err, config.ErrFixed):
		s.w.Errorf("ERR", "CONFIG SET failed (possibly related to argument '%s') - can't set immutable config", name)
	default:
		s.w.Errorf("ERR", "CONFIG SET failed (possibly related to argument '%s') - %s", name, err)
	}
}

// applySettings carries out what CONFIG SET changed, besides what is read from
// the settings each time it is needed.
func (s *Server) applySettings(old, now *config.Server) error {
	s.memory.SetLimit(now.MemoryLimit)
	if s.opts.SettingsChanged != nil {
		return s.opts.SettingsChanged(old, now)
	}
	return nil
}

// uptime is how long the server has been running.
func (s *Server) uptime() time.Duration { return s.opts.Clock().Sub(s.stats.startedAt) }
