package command

import (
	"slices"
	"strings"

	"github.com/prakashpandey/vegadb/internal/resp"
)

// flagNames are the flags in the order and the words of COMMAND INFO. Read only.
var flagNames = []struct {
	flag Flags
	name string
}{
	{FlagWrite, "write"}, {FlagReadOnly, "readonly"}, {FlagDenyOOM, "denyoom"}, {FlagAdmin, "admin"},
	{FlagNoScript, "noscript"}, {FlagLoading, "loading"}, {FlagStale, "stale"}, {FlagFast, "fast"},
	{FlagNoAuth, "no_auth"}, {FlagNoAsyncLoading, "no_async_loading"}, {FlagNoMulti, "no_multi"},
	{FlagAllowBusy, "allow_busy"},
}

func (s *Spec) flagWords() (words []string) {
	for _, f := range flagNames {
		if s.Flags&f.flag != 0 {
			words = append(words, f.name)
		}
	}
	return words
}

// InCategory reports whether the command belongs to an ACL category, named
// without its @.
func (s *Spec) InCategory(name string) bool {
	switch name {
	case "keyspace":
		if s.Group == "generic" {
			return true
		}
	case "read":
		return s.Flags&FlagReadOnly != 0
	case "write":
		return s.Flags&FlagWrite != 0
	case "fast":
		return s.Flags&FlagFast != 0
	case "slow":
		return s.Flags&FlagFast == 0
	case "string":
		return s.Group == "string"
	case "connection":
		if s.Group == "connection" && len(s.Subs) == 0 {
			return true
		}
	case "admin", "dangerous":
		if s.Flags&FlagAdmin != 0 {
			return true
		}
	}
	return slices.Contains(strings.Fields(s.Categories), name)
}

func (s *Spec) categories() (names []string) {
	for _, c := range []string{"keyspace", "read", "write", "string", "admin", "fast", "slow", "dangerous", "connection"} {
		if s.InCategory(c) {
			names = append(names, c)
		}
	}
	return names
}

// WriteInfo writes a command's entry in the reply of COMMAND INFO; nil is an
// unknown command.
func WriteInfo(w *resp.Writer, s *Spec) {
	if s == nil {
		w.Null()
		return
	}
	w.Array(10)
	w.BulkString(s.FullName())
	w.Int(int64(s.Arity))
	writeWords(w, "", s.flagWords())
	w.Int(int64(s.FirstKey))
	w.Int(int64(s.LastKey))
	w.Int(int64(s.KeyStep))
	writeWords(w, "@", s.categories())
	w.Set(len(s.Tips))
	for _, tip := range s.Tips {
		w.BulkString(tip)
	}
	if s.KeyFlags == "" {
		w.Set(0)
	} else {
		w.Set(1)
		writeKeySpec(w, s)
	}
	w.Set(len(s.Subs))
	for _, sub := range s.Subs {
		WriteInfo(w, sub)
	}
}

func writeWords(w *resp.Writer, prefix string, words []string) {
	w.Set(len(words))
	for _, word := range words {
		w.Simple(prefix + word)
	}
}

// writeKeySpec writes how to find the keys: those from FirstKey on, as a range.
func writeKeySpec(w *resp.Writer, s *Spec) {
	w.Map(3)
	w.BulkString("flags")
	writeWords(w, "", strings.Fields(s.KeyFlags))
	w.BulkString("begin_search")
	w.Map(2)
	w.BulkString("type")
	w.BulkString("index")
	w.BulkString("spec")
	w.Map(1)
	w.BulkString("index")
	w.Int(int64(s.FirstKey))
	w.BulkString("find_keys")
	w.Map(2)
	w.BulkString("type")
	w.BulkString("range")
	w.BulkString("spec")
	w.Map(3)
	w.BulkString("lastkey") // relative to the first key, or -1
	w.Int(int64(min(0, s.LastKey)))
	w.BulkString("keystep")
	w.Int(int64(s.KeyStep))
	w.BulkString("limit")
	w.Int(0)
}

// WriteDocs writes a command's name and documentation, one pair of the map that
// COMMAND DOCS replies with.
func WriteDocs(w *resp.Writer, s *Spec) {
	fields := 4
	if len(s.Args) > 0 {
		fields++
	}
	if len(s.Subs) > 0 {
		fields++
	}
	w.BulkString(s.FullName())
	w.Map(fields)
	w.BulkString("summary")
	w.BulkString(s.Summary)
	w.BulkString("since")
	w.BulkString(s.Since)
	w.BulkString("group")
	w.BulkString(s.Group)
	w.BulkString("complexity")
	w.BulkString(s.Complexity)
	if len(s.Args) > 0 {
		w.BulkString("arguments")
		writeArgs(w, s.Args)
	}
	if len(s.Subs) > 0 {
		w.BulkString("subcommands")
		w.Map(len(s.Subs))
		for _, sub := range s.Subs {
			WriteDocs(w, sub)
		}
	}
}

func writeArgs(w *resp.Writer, args []ArgDoc) {
	w.Array(len(args))
	for i := range args {
		writeArg(w, &args[i])
	}
}

func writeArg(w *resp.Writer, a *ArgDoc) {
	leaf := a.Type != ArgToken && a.Type != ArgOneOf && a.Type != ArgBlock
	fields := 2
	for _, present := range []bool{leaf, a.Type == ArgKey, a.Token != "", a.Optional || a.Multiple, len(a.Args) > 0} {
		if present {
			fields++
		}
	}
	w.Map(fields)
	w.BulkString("name")
	w.BulkString(a.Name)
	w.BulkString("type")
	w.BulkString(string(a.Type))
	if leaf {
		w.BulkString("display_text")
		w.BulkString(a.Name)
	}
	if a.Type == ArgKey {
		w.BulkString("key_spec_index")
		w.Int(0)
	}
	if a.Token != "" {
		w.BulkString("token")
		w.BulkString(a.Token)
	}
	if a.Optional || a.Multiple {
		var flags []string
		if a.Optional {
			flags = append(flags, "optional")
		}
		if a.Multiple {
			flags = append(flags, "multiple")
		}
		w.BulkString("flags")
		writeWords(w, "", flags)
	}
	if len(a.Args) > 0 {
		w.BulkString("arguments")
		writeArgs(w, a.Args)
	}
}

// WriteHelp writes the reply of a container's HELP: its subcommands.
func WriteHelp(w *resp.Writer, container *Spec) {
	name := strings.ToUpper(container.Name)
	w.Array(1 + 2*len(container.Subs))
	w.Simple(name + " <subcommand> [<arg> ...]. Subcommands are:")
	for _, sub := range container.Subs {
		line := strings.ToUpper(sub.Name)
		if sub.Syntax != "" {
			line += " " + plainSyntax(sub.Args)
		}
		w.Simple(line)
		w.Simple("    " + sub.Summary)
	}
}
