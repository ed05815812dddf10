package history

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Kind is what an operation does.
type Kind string

const (
	Get           Kind = "get"
	Put           Kind = "put"
	Delete        Kind = "delete"
	Increment     Kind = "increment"
	CompareAndPut Kind = "compare-and-put"
)

// Writes reports whether an operation of this kind may change the entry.
func (k Kind) Writes() bool { return k != Get }

// Level is the consistency a read asks for. The zero value is linearizable.
type Level string

const (
	Linearizable Level = ""
	Lease        Level = "lease"
	Session      Level = "session"
	Bounded      Level = "bounded"
	Local        Level = "local"
)

// Linearizes reports whether reads of this level promise the latest acknowledged write.
func (l Level) Linearizes() bool { return l == Linearizable || l == Lease }

// Outcome is what is known of an operation's effect.
type Outcome string

const (
	OK      Outcome = "ok"      // the reply came
	Failed  Outcome = "failed"  // it surely was not and will not be executed
	Unknown Outcome = "unknown" // it may have been executed, or may still be
)

// Open is the Return of an operation whose end is not known.
const Open = math.MaxInt64

// Op is one operation: what was asked, when, and what came of it.
type Op struct {
	Client int    `json:"client"`
	Kind   Kind   `json:"kind"`
	Key    string `json:"key"`

	// Asked.
	Value  string        `json:"value,omitempty"`  // put, compare-and-put: what to write
	Expect uint64        `json:"expect,omitempty"` // compare-and-put: the version the entry must have; 0: no entry
	Delta  int64         `json:"delta,omitempty"`  // increment
	Level  Level         `json:"level,omitempty"`  // get
	MaxAge time.Duration `json:"maxAge,omitempty"` // get, bounded: how old the answer may be

	// When, in ns of the recorder's clock.
	Call   int64 `json:"call"`
	Return int64 `json:"return"` // Open if unknown

	Reply
}

// Reply is what came of an operation.
type Reply struct {
	Outcome Outcome `json:"outcome"`
	// Found: get, delete: there was an entry. Compare-and-put: the version was as expected and the value stored.
	Found bool   `json:"found,omitempty"`
	Got   string `json:"got,omitempty"` // get: the value
	Sum   int64  `json:"sum,omitempty"` // increment: the new value
	// Version of the entry read or written; of a compare-and-put that did not match, the present one, 0 if there is
	// no entry. Otherwise 0 means that the reply did not tell.
	Version uint64 `json:"version,omitempty"`
	Node    string `json:"node,omitempty"`  // who answered, for the reader
	Error   string `json:"error,omitempty"` // why it failed, for the reader
}

// String shows the operation on one line, without times.
func (o Op) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "client %d: %s", o.Client, o.call())
	b.WriteString(" → ")
	b.WriteString(o.reply())
	if o.Node != "" {
		b.WriteString(" by " + o.Node)
	}
	if o.Error != "" {
		b.WriteString(" (" + o.Error + ")")
	}
	return b.String()
}

func (o Op) call() string {
	switch o.Kind {
	case Put:
		return fmt.Sprintf("put %s = %s", o.Key, short(o.Value))
	case CompareAndPut:
		return fmt.Sprintf("compare-and-put %s = %s if version %d", o.Key, short(o.Value), o.Expect)
	case Increment:
		return fmt.Sprintf("increment %s by %d", o.Key, o.Delta)
	case Get:
		switch o.Level {
		case Linearizable:
			return "get " + o.Key
		case Bounded:
			return fmt.Sprintf("get %s (bounded, %s)", o.Key, o.MaxAge)
		}
		return fmt.Sprintf("get %s (%s)", o.Key, o.Level)
	}
	return string(o.Kind) + " " + o.Key
}

func (o Op) reply() string {
	if o.Outcome != OK {
		return string(o.Outcome)
	}
	text := "ok"
	switch {
	case o.Kind == CompareAndPut && !o.Found:
		return fmt.Sprintf("mismatch, the version is %d", o.Version)
	case (o.Kind == Get || o.Kind == Delete) && !o.Found:
		return "not found"
	case o.Kind == Get:
		text = short(o.Got)
	case o.Kind == Increment:
		text = strconv.FormatInt(o.Sum, 10)
	}
	if o.Version != 0 {
		text += fmt.Sprintf(", version %d", o.Version)
	}
	return text
}

// short keeps padded values from filling the screen.
func short(value string) string {
	const most = 24
	if len(value) > most {
		return value[:most] + "…"
	}
	return strconv.Quote(value)
}
