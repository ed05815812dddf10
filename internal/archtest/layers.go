package archtest

// module is the import path of the repository's root.
const module = "github.com/prakashpandey/vegadb"

// layers lists the packages from the top down. A package may import packages of layers below its own, and of its
// own layer only those named in siblings.
//
// Paths are relative to the module; "." is package vegadb itself.
var layers = [][]string{
	{"cmd/server", "cmd/client", "cmd/router"},
	{"internal/servercmd", "vegadbtest"},
	{"."},
	{"internal/server", "internal/admin"},
	{"internal/node"},
	{"internal/datadir", "internal/transport", "internal/mover", "internal/driver", "internal/grant", "internal/retention", "internal/recovery", "internal/lender"},
	{"internal/replica", "internal/meta", "internal/wal", "internal/snapshot"},
	{"internal/command"},
	{"internal/store", "internal/ring", "internal/wire", "internal/resp"},
	{"internal/vfs", "internal/invariants", "internal/mutant", "internal/logclock"},
}

// aside lists the packages beside the layers with all they may import of ours: the Go client and the command line
// tool built on it, and leaves that only use the floor.
var aside = map[string][]string{
	// What a node and a router show their clients alike.
	"internal/front":  {"internal/auth", "internal/command", "internal/config", "internal/resp", "internal/wire"},
	"internal/config": {"internal/vfs", "internal/invariants"},
	"internal/auth":   {"internal/vfs", "internal/invariants"},
	"client":          {"internal/attempt", "internal/wire", "internal/ring"},
	// How a client sends a request: the Go client's rules, which the simulator's clients go by as well.
	"internal/attempt": {"internal/wire", "internal/mutant"},
	"internal/cli": {"client", "internal/checker", "internal/history", "internal/loader", "internal/workload", "internal/backup", "internal/wire", "internal/resp", "internal/vfs",
		"internal/version"},
	"internal/backup":   {"client", "internal/wire", "internal/snapshot", "internal/store", "internal/vfs", "internal/mutant"},
	"internal/loader":   {"client"},
	"internal/workload": {"client", "internal/resp"},
	"internal/certs":    {},
	"internal/version":  {},
	// A disk and a clock that fail on command; built in by a tag alone.
	"internal/faultfs": {"internal/vfs"},
	"internal/router": {"client", "internal/admin", "internal/auth", "internal/certs", "internal/command", "internal/config", "internal/front",
		"internal/resp", "internal/ring", "internal/vfs", "internal/wire"},
	"internal/routercmd": {"internal/router", "internal/program", "internal/config", "internal/version"},
	// What the command lines of both have in common.
	"internal/program":  {"internal/config", "internal/version"},
	"internal/archtest": {},
	"internal/history":  {},
	"internal/checker":  {"client", "internal/history"},
	// Tests of the built server use it, and what it needs to be a client.
	"internal/clustertest": {"client", "internal/checker", "internal/history", "internal/ring", "internal/wire", "internal/invariants", "internal/faultfs"},
	"test":                 {},
	// The simulator runs the product's packages in a world of its own.
	"internal/sim": {"internal/replica", "internal/logclock", "internal/driver", "internal/grant", "internal/retention", "internal/recovery", "internal/meta", "internal/mover", "internal/wal", "internal/snapshot", "internal/datadir", "internal/command",
		"internal/store", "internal/ring", "internal/wire", "internal/vfs", "internal/history", "internal/attempt", "internal/mutant",
		"internal/lender", "internal/backup", "internal/loader", "client"},
	"internal/sim/cmd": {"internal/sim", "internal/mutant"},
	// It runs the simulator and other packages' tests with known bugs in them.
	"internal/mutant/cmd": {"internal/sim", "internal/mutant"},
	"scripts/corpus":      {},
}

// asideUsers says who may import each of them, besides tests and those named in aside.
var asideUsers = map[string][]string{
	"internal/config":    {"internal/servercmd", ".", "internal/server", "internal/admin"},
	"internal/auth":      {"internal/servercmd", ".", "internal/server", "internal/admin"},
	"internal/front":     {".", "internal/server"},
	"internal/certs":     {"."},
	"internal/version":   {"."},
	"internal/router":    {},
	"internal/routercmd": {"cmd/router"},
	"internal/program":   {"internal/servercmd"},
	"client":             {"cmd/client", ".", "vegadbtest"},
	"internal/cli":       {"cmd/client"},
	"internal/loader":    {"cmd/client"},
	"internal/backup":    {"cmd/client"},
	"internal/workload":  {"cmd/client"},
	"internal/archtest":  {},
	"internal/history":   {},
	"internal/checker":   {},
	"internal/attempt":   {},

	"internal/faultfs":     {"."},
	"internal/clustertest": {},
	"internal/sim":         {},
	"internal/sim/cmd":     {},
	"internal/mutant/cmd":  {},
	"scripts/corpus":       {},
}

// siblings are the imports within one layer that are meant.
var siblings = map[string][]string{
	"internal/replica": {"internal/wal"},        // what a group appends are the log's records
	"internal/resp":    {"internal/wire"},       // a RESP error is one of the shared status codes
	"internal/vfs":     {"internal/invariants"}, // assertions have no dependency of their own
}

// purity: packages whose promise is that they have no clock, randomness, files or sockets of their own; these come
// in through constructors and arguments. Only non-test files are judged.
var purity = map[string][]string{
	"internal/replica":   {"os", "net", "math/rand", "math/rand/v2", "crypto/rand", "io/ioutil"},
	"internal/recovery":  {"os", "net", "time", "math/rand", "math/rand/v2", "crypto/rand", "sync"},
	"internal/retention": {"os", "net", "time", "math/rand", "math/rand/v2", "crypto/rand", "sync"},
	"internal/grant":     {"os", "net", "time", "math/rand", "math/rand/v2", "crypto/rand"},
	"internal/lender":    {"os", "net", "math/rand", "math/rand/v2", "crypto/rand"},
	"internal/driver":    {"os", "net", "math/rand", "math/rand/v2", "crypto/rand", "sync"},
	"internal/mover":     {"os", "net", "math/rand", "math/rand/v2", "crypto/rand", "sync"},
	"internal/attempt":   {"os", "net", "math/rand", "math/rand/v2", "crypto/rand", "sync", "context"},
	"internal/meta":      {"os", "net", "time", "math/rand", "math/rand/v2", "crypto/rand"},
	"internal/command":   {"os", "net", "math/rand", "math/rand/v2", "crypto/rand"},
	"internal/wire":      {"os", "net", "math/rand", "math/rand/v2"},
	"internal/resp":      {"os", "net", "math/rand", "math/rand/v2"},
	"internal/ring":      {"os", "net", "time", "math/rand", "math/rand/v2"},
	"internal/snapshot":  {"net", "math/rand"},
	"internal/wal":       {"net", "math/rand"},
}

// noDirectFiles are the packages whose every file access goes through vfs, so that tests can crash, tear and fill
// the disk under them. They may import os for error values, never call what opens or changes files.
var noDirectFiles = []string{
	"internal/wal", "internal/snapshot", "internal/node", "internal/replica", "internal/store", "internal/command",
	"internal/auth", "internal/backup",
}

// fileCalls are the functions of package os that noDirectFiles may not call.
var fileCalls = map[string]bool{
	"Create": true, "CreateTemp": true, "Mkdir": true, "MkdirAll": true, "MkdirTemp": true, "Open": true,
	"OpenFile": true, "ReadDir": true, "ReadFile": true, "Remove": true, "RemoveAll": true, "Rename": true,
	"Stat": true, "Truncate": true, "WriteFile": true, "Link": true, "Symlink": true,
}
