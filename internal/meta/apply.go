package meta

import (
	"fmt"
	"slices"
	"strings"
)

// Code says how a command ended.
type Code uint8

const (
	OK           Code = iota
	Invalid           // it could never be allowed
	UnknownNode       // the node is not a member
	RemovedNode       // the node was removed and cannot come back under its id
	Conflict          // another node has what it wants
	WrongCluster      // it is meant for another cluster
	NotNow            // the state forbids it at present
	Stale             // it was decided from a state that has changed since
	LimitReached      // a bound of limits.go
)

var codes = []string{"ok", "invalid", "unknown-node", "removed-node", "conflict", "wrong-cluster", "not-now", "stale", "limit-reached"}

func (c Code) String() string { return nameOf(codes, int(c)) }

// MarshalText makes JSON show the name.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Result is what became of a command. Unless Code is OK, nothing was changed and Text says why and what to do.
type Result struct {
	Code Code   `json:"code"`
	Text string `json:"text"`
}

// refuse returns the result of a command that changes nothing.
func refuse(code Code, format string, args ...any) Result {
	text := fmt.Sprintf(format, args...)
	if len(text) > maxResultText {
		text = strings.ToValidUTF8(text[:maxResultText], "")
	}
	return Result{code, text}
}

// request is a command that was applied, with its result.
type request struct {
	id     RequestID
	result Result
}

// Apply carries out a command of the log. index is its place there, stampMs its log time; neither goes back.
//
// An error means that this version does not understand the command, or that it was handed the same index twice:
// the state is unchanged, and must not be used any further.
func (s *State) Apply(index uint64, stampMs int64, command []byte) (Result, error) {
	if index <= s.Index {
		return Result{}, fmt.Errorf("meta command at index %d: the state is already at index %d", index, s.Index)
	}
	id, op, err := DecodeCommand(command)
	if err != nil {
		return Result{}, fmt.Errorf("at index %d: %w", index, err)
	}
	s.Index, s.StampMs = index, max(s.StampMs, stampMs)
	if result, done := s.Lookup(id); done {
		return result, nil
	}
	changed, result := op.apply(s)
	if changed {
		s.Epoch++
	}
	s.remember(id, result)
	return result, nil
}

// Lookup returns the result of a command that was applied lately.
func (s *State) Lookup(id RequestID) (Result, bool) {
	remembered := s.remembered()
	// From the newest on: who waits for a result asks for one of the last.
	for i := len(remembered) - 1; i >= 0; i-- {
		if remembered[i].id == id {
			return remembered[i].result, true
		}
	}
	return Result{}, false
}

// remembered returns the requests that count, oldest first. There may be older ones before them: they are cleared away
// by the thousand, and into another array because clones share this one.
func (s *State) remembered() []request { return s.recent[max(0, len(s.recent)-maxRecent):] }

func (s *State) remember(id RequestID, result Result) {
	if len(s.recent) >= 2*maxRecent {
		s.recent = slices.Clone(s.recent[len(s.recent)-maxRecent:])
	}
	s.recent = append(s.recent, request{id, result})
}
