package front

import (
	"strconv"
	"strings"

	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// levels are the words for what reads can rely on, in settings and commands. Never
// changed.
var levels = [...]string{
	wire.ConsistencyDefault: "default", wire.Linearizable: "linearizable", wire.Lease: "lease",
	wire.SessionReads: "session", wire.Bounded: "bounded", wire.Local: "local",
}

// LevelName is the word for a level.
func LevelName(level wire.Consistency) string { return levels[level] }

// LevelOf finds a level by its word, in lower case.
func LevelOf(word string) (wire.Consistency, bool) {
	for level, w := range levels {
		if w == word {
			return wire.Consistency(level), true
		}
	}
	return 0, false
}

// ReadLevel is what a connection has chosen for its reads.
type ReadLevel struct {
	Level    wire.Consistency
	MaxAgeMs uint64 // of Bounded
}

// String is the choice in the words of VEGA CONSISTENCY.
func (r ReadLevel) String() string {
	if r.Level == wire.Bounded {
		return levels[r.Level] + " " + strconv.FormatUint(r.MaxAgeMs, 10)
	}
	return levels[r.Level]
}

// maxReadAgeMs is the greatest age that a connection may ask for: an hour, as in the
// setting read-max-age.
const maxReadAgeMs = 3_600_000

// ParseReadLevel takes the arguments of VEGA CONSISTENCY where there are some.
func ParseReadLevel(args [][]byte) (r ReadLevel, err *resp.Error) {
	level, ok := LevelOf(strings.ToLower(string(args[2])))
	if !ok {
		return r, resp.Errorf("ERR", "unknown level '%.50s': linearizable, lease, session, bounded <ms>, local or default", args[2])
	}
	r.Level = level
	want := 3
	if level == wire.Bounded {
		want = 4
	}
	if len(args) != want {
		return r, ErrSyntax
	}
	if level == wire.Bounded {
		ms, ok := resp.ParseInt(args[3])
		if !ok || ms < 0 || ms > maxReadAgeMs {
			return r, resp.Errorf("ERR", "the age is not a number of milliseconds up to %d", maxReadAgeMs)
		}
		r.MaxAgeMs = uint64(ms)
	}
	return r, nil
}
