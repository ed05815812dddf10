package node

import (
	"context"
	"fmt"
	"log/slog"
)

// raftLogger gives what the Raft library has to say to the node's log. Most of it is
// of interest to somebody who debugs elections.
type raftLogger struct{ l *slog.Logger }

func (r raftLogger) log(level slog.Level, text func() string) {
	if r.l.Enabled(context.Background(), level) {
		r.l.Log(context.Background(), level, "raft: "+text())
	}
}

// levelTrace is below debug: every election of every group would drown the rest.
const levelTrace = slog.LevelDebug - 4

// Debug and the others are the library's.
func (r raftLogger) Debug(v ...any) { r.log(levelTrace, func() string { return fmt.Sprint(v...) }) }

// Debugf is the library's.
func (r raftLogger) Debugf(f string, v ...any) {
	r.log(levelTrace, func() string { return fmt.Sprintf(f, v...) })
}

// Info is the library's.
func (r raftLogger) Info(v ...any) { r.log(levelTrace, func() string { return fmt.Sprint(v...) }) }

// Infof is the library's.
func (r raftLogger) Infof(f string, v ...any) {
	r.log(levelTrace, func() string { return fmt.Sprintf(f, v...) })
}

// Warning is the library's.
func (r raftLogger) Warning(v ...any) {
	r.log(slog.LevelDebug, func() string { return fmt.Sprint(v...) })
}

// Warningf is the library's.
func (r raftLogger) Warningf(f string, v ...any) {
	r.log(slog.LevelDebug, func() string { return fmt.Sprintf(f, v...) })
}

// Error is the library's.
func (r raftLogger) Error(v ...any) {
	r.log(slog.LevelWarn, func() string { return fmt.Sprint(v...) })
}

// Errorf is the library's.
func (r raftLogger) Errorf(f string, v ...any) {
	r.log(slog.LevelWarn, func() string { return fmt.Sprintf(f, v...) })
}

// Fatal is the library's: going on is not safe.
func (r raftLogger) Fatal(v ...any) { panic(fmt.Sprint(v...)) }

// Fatalf is the library's.
func (r raftLogger) Fatalf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }

// Panic is the library's.
func (r raftLogger) Panic(v ...any) { panic(fmt.Sprint(v...)) }

// Panicf is the library's.
func (r raftLogger) Panicf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
