package command

import (
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/store"
)

// Flags say what kind of command it is, in the words of COMMAND INFO.
type Flags uint32

// The flags.
const (
	FlagWrite Flags = 1 << iota
	FlagReadOnly
	FlagDenyOOM // refused when the memory limit is reached
	FlagAdmin
	FlagNoScript
	FlagNoAsyncLoading
	FlagLoading // served while data is being loaded
	FlagStale
	FlagFast
	FlagNoAuth // served before authentication
	FlagNoMulti
	FlagAllowBusy
)

// Kind says which of Spec's functions serve the command.
type Kind uint8

const (
	// KindServer commands are served by a handler in package server, found by
	// FullName. A container with subcommands has no handler of its own.
	KindServer Kind = iota
	KindRead
	KindWrite
)

// Merge says how the replies for a command's keys become one.
type Merge uint8

const (
	MergeNone  Merge = iota // one key
	MergeSum                // writes: the sum of Result.Int; reads: the number of keys present
	MergeOK                 // OK
	MergeArray              // reads: an array of what Read writes for each key
)

// Spec is one command: all there is to know about it.
//
// Single-key commands (MergeNone) have their functions called with the whole
// request, args[0] being the command's name. Commands with any number of keys
// have them called once per key, with args beginning at the key and KeyStep long.
type Spec struct {
	ID     uint16 // dense, from 0, subcommands included; not stable across versions
	Name   string // lower case; of a subcommand without its container's
	Parent *Spec  // the container, of a subcommand
	Subs   []*Spec
	Arity  int // arguments, name (and container's name) included; negative: at least -Arity
	Flags  Flags

	FirstKey, LastKey, KeyStep int    // as COMMAND shows them; 0, 0, 0: no keys
	KeyFlags                   string // how the keys are used, in the words of COMMAND INFO; "" without keys

	Group      string // of COMMAND DOCS
	Since      string // the Redis version whose command this is
	Summary    string
	Complexity string
	Syntax     string   // the arguments, see syntax.go
	Args       []ArgDoc // Syntax, parsed
	Categories string   // ACL categories that do not follow from flags and group
	Tips       []string

	Kind  Kind
	Merge Merge

	// Read serves KindRead. e is nil when the key is absent or expired; it is valid
	// during the call. now is unix ms.
	Read func(w *resp.Writer, args [][]byte, e *store.Entry, now int64)

	// Encode serves KindWrite: it appends one op to dst, or returns an *resp.Error
	// and dst as it was. now is unix ms, from which relative times count.
	Encode func(dst []byte, args [][]byte, now int64) ([]byte, error)

	// Check judges a request as a whole before its keys are served one by one.
	// May be nil.
	Check func(args [][]byte) error

	// Mode tells what Reply must remember of the request, which may be gone by
	// then. May be nil, for 0.
	Mode func(args [][]byte) uint8

	// Reply renders the result of a KindWrite command without Merge.
	Reply func(w *resp.Writer, r *Result, mode uint8)
}

// FullName is the name with its container's: "client|list".
func (s *Spec) FullName() string {
	if s.Parent != nil {
		return s.Parent.Name + "|" + s.Name
	}
	return s.Name
}

// ArityOK reports whether a request of n arguments, name included, has the right
// number of them.
func (s *Spec) ArityOK(n int) bool {
	if s.Arity >= 0 {
		return n == s.Arity
	}
	return n >= -s.Arity
}

// Sub finds a subcommand by name in any case; nil when there is none.
func (s *Spec) Sub(name []byte) *Spec {
	for _, sub := range s.Subs {
		if resp.EqualFold(name, sub.Name) {
			return sub
		}
	}
	return nil
}

// Resolve finds what a request asks for, subcommands included, and checks its
// number of arguments. The error is an *resp.Error with Redis's text.
func Resolve(args [][]byte) (*Spec, error) {
	s := Lookup(args[0])
	if s == nil {
		return nil, unknownCommand(args)
	}
	if len(s.Subs) > 0 && len(args) > 1 {
		sub := s.Sub(args[1])
		if sub == nil {
			return nil, unknownSubcommand(s, args[1])
		}
		s = sub
	}
	if !s.ArityOK(len(args)) {
		return nil, s.errArity()
	}
	return s, nil
}
