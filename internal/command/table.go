package command

import "fmt"

// table is the commands with what is derived from them.
type table struct {
	commands []*Spec // without subcommands
	byID     []*Spec // with them
	index    *nameIndex
}

// theTable is built when the program starts and never changed.
var theTable = newTable(
	connectionCommands(),
	stringCommands(),
	keyCommands(),
	expiryCommands(),
	serverCommands(),
	clusterCommands(),
	vegaCommands(),
)

// newTable checks the specs and fills in what they leave to be derived. A fault
// in them is a programming error that any test of this package meets.
func newTable(groups ...[]*Spec) *table {
	t := &table{}
	for _, group := range groups {
		for _, s := range group {
			t.commands = append(t.commands, s)
			t.add(s)
			for _, sub := range s.Subs {
				sub.Parent = s
				t.add(sub)
			}
		}
	}
	t.index = newNameIndex(t.commands)
	return t
}

func (t *table) add(s *Spec) {
	s.ID = uint16(len(t.byID))
	t.byID = append(t.byID, s)
	if s.KeyFlags != "" && s.FirstKey == 0 { // the usual case: one key, first argument
		s.FirstKey, s.LastKey, s.KeyStep = 1, 1, 1
	}
	if s.Merge != MergeNone {
		s.LastKey = -1
	}
	if s.Parent != nil {
		s.Group = s.Parent.Group
		if s.Categories == "" {
			s.Categories = s.Parent.Categories
		}
	}
	args, err := parseSyntax(s.Syntax)
	if err != nil {
		panic(fmt.Sprintf("command: syntax of %s: %v", s.FullName(), err))
	}
	s.Args = args
	if err := s.check(); err != nil {
		panic(fmt.Sprintf("command: %s: %v", s.FullName(), err))
	}
}

func (s *Spec) check() error {
	if s.Parent == nil {
		if len(s.Name) == 0 || len(s.Name) > maxName {
			return fmt.Errorf("a name has 1 to %d letters", maxName)
		}
		for _, c := range s.Name {
			if c < 'a' || c > 'z' {
				return fmt.Errorf("a name consists of lower-case letters")
			}
		}
	}
	switch s.Kind {
	case KindRead:
		if s.Read == nil || s.KeyFlags == "" || s.Flags&FlagReadOnly == 0 {
			return fmt.Errorf("a read has a key, a Read function and FlagReadOnly")
		}
	case KindWrite:
		if s.Encode == nil || s.KeyFlags == "" || s.Flags&FlagWrite == 0 || (s.Reply == nil) != (s.Merge != MergeNone) {
			return fmt.Errorf("a write has a key, an Encode function, FlagWrite, and Reply or Merge")
		}
	}
	return nil
}
