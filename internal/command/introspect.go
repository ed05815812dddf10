package command

import (
	"github.com/prakashpandey/vegadb/internal/resp"
)

// WriteCommand serves COMMAND and its subcommands. The request has passed
// Resolve.
func WriteCommand(w *resp.Writer, args [][]byte) {
	if len(args) == 1 {
		writeInfoOfAll(w)
		return
	}
	names := args[2:]
	switch container := Lookup(args[0]); container.Sub(args[1]).Name {
	case "count":
		w.Int(int64(len(All())))
	case "docs":
		writeDocsOf(w, names)
	case "getkeys":
		writeKeysOf(w, names)
	case "info":
		if len(names) == 0 {
			writeInfoOfAll(w)
			return
		}
		w.Array(len(names))
		for _, name := range names {
			WriteInfo(w, lookupFull(name))
		}
	case "list":
		writeList(w, names)
	case "help":
		WriteHelp(w, container)
	}
}

func writeInfoOfAll(w *resp.Writer) {
	w.Array(len(All()))
	for _, s := range All() {
		WriteInfo(w, s)
	}
}

func writeDocsOf(w *resp.Writer, names [][]byte) {
	var specs []*Spec
	for _, name := range names {
		if s := lookupFull(name); s != nil {
			specs = append(specs, s)
		}
	}
	if len(names) == 0 {
		specs = All()
	}
	w.Map(len(specs))
	for _, s := range specs {
		WriteDocs(w, s)
	}
}

// lookupFull finds a command or, by a name like "client|list", a subcommand.
func lookupFull(name []byte) *Spec {
	for i, c := range name {
		if c != '|' {
			continue
		}
		if container := Lookup(name[:i]); container != nil {
			return container.Sub(name[i+1:])
		}
		return nil
	}
	return Lookup(name)
}

func writeKeysOf(w *resp.Writer, request [][]byte) {
	s := Lookup(request[0])
	if s != nil && len(s.Subs) > 0 && len(request) > 1 {
		s = s.Sub(request[1])
	}
	switch {
	case s == nil:
		w.Errorf("ERR", "Invalid command specified")
	case s.FirstKey == 0:
		w.Errorf("ERR", "The command has no key arguments")
	case !s.ArityOK(len(request)):
		w.Errorf("ERR", "Invalid number of arguments specified for command")
	default:
		first, step, count := s.KeyRange(request)
		w.Array(count)
		for i := range count {
			w.Bulk(request[first+i*step])
		}
	}
}

// writeList serves COMMAND LIST [FILTERBY how what].
func writeList(w *resp.Writer, filter [][]byte) {
	keep := func(*Spec) bool { return true }
	if len(filter) > 0 {
		if len(filter) != 3 || !resp.EqualFold(filter[0], "filterby") {
			w.Error(errSyntax)
			return
		}
		what := filter[2]
		switch {
		case resp.EqualFold(filter[1], "module"):
			keep = func(*Spec) bool { return false }
		case resp.EqualFold(filter[1], "aclcat"):
			keep = func(s *Spec) bool { return s.InCategory(lower(what)) }
		case resp.EqualFold(filter[1], "pattern"):
			pattern := []byte(lower(what))
			keep = func(s *Spec) bool { return Match(pattern, []byte(s.FullName())) }
		default:
			w.Error(errSyntax)
			return
		}
	}
	var names []string
	for _, s := range theTable.byID {
		// Without a filter Redis lists commands alone; with one, subcommands too.
		if (s.Parent == nil || len(filter) > 0) && keep(s) {
			names = append(names, s.FullName())
		}
	}
	w.Array(len(names))
	for _, name := range names {
		w.BulkString(name)
	}
}

func lower(b []byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		if c-'A' < 26 {
			c |= 0x20
		}
		out[i] = c
	}
	return string(out)
}
