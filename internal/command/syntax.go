package command

import (
	"fmt"
	"strings"
)

// ArgDoc describes an argument as COMMAND DOCS does.
type ArgDoc struct {
	Name     string
	Type     ArgType
	Token    string // the literal word that introduces the argument, if any
	Optional bool
	Multiple bool
	Args     []ArgDoc // of a block or a choice
}

// ArgType is an argument's type in the words of COMMAND DOCS.
type ArgType string

// The types of arguments.
const (
	ArgKey     ArgType = "key"
	ArgString  ArgType = "string"
	ArgInteger ArgType = "integer"
	ArgTime    ArgType = "unix-time"
	ArgPattern ArgType = "pattern"
	ArgToken   ArgType = "pure-token"
	ArgOneOf   ArgType = "oneof"
	ArgBlock   ArgType = "block"
)

// typeOfName gives the names that mean something other than a string. Read only.
var typeOfName = map[string]ArgType{
	"key": ArgKey, "pattern": ArgPattern,
	"seconds": ArgInteger, "milliseconds": ArgInteger, "increment": ArgInteger, "decrement": ArgInteger,
	"count": ArgInteger, "cursor": ArgInteger, "protover": ArgInteger,
	"unix-time-seconds": ArgTime, "unix-time-milliseconds": ArgTime,
}

// parseSyntax reads the notation of Spec.Syntax, which is what manuals print:
//
//	key            an argument; its type follows from its name, or name:integer
//	TOKEN          a literal word
//	TOKEN arg...   a literal word with arguments, inside [ ], ( ) or a choice
//	[ ... ]        may be left out
//	( ... )        belongs together
//	a | b          one of them, inside [ ] or ( )
//	x...           may be repeated
//	name:[ ... ]   names a group, as does name:( ... )
func parseSyntax(syntax string) ([]ArgDoc, error) {
	p := syntaxParser{rest: syntax}
	args, err := p.sequence()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("unexpected %q", p.rest)
	}
	return args, err
}

type syntaxParser struct{ rest string }

func (p *syntaxParser) skipSpace() { p.rest = strings.TrimLeft(p.rest, " ") }

// take removes s from the front if it is there.
func (p *syntaxParser) take(s string) bool {
	rest, ok := strings.CutPrefix(p.rest, s)
	p.rest = rest
	return ok
}

func (p *syntaxParser) word() string {
	n := strings.IndexAny(p.rest+" ", " []()|:.")
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

// sequence reads arguments up to a closing bracket, a | or the end.
func (p *syntaxParser) sequence() (args []ArgDoc, err error) {
	for p.skipSpace(); p.rest != "" && !strings.ContainsAny(p.rest[:1], "])|"); p.skipSpace() {
		arg, err := p.item()
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	return args, nil
}

func (p *syntaxParser) item() (arg ArgDoc, err error) {
	var name string
	if !strings.ContainsAny(p.rest[:1], "[(") {
		if name = p.word(); name == "" {
			return arg, fmt.Errorf("unexpected %q", p.rest)
		}
	}
	switch {
	case name == "" || strings.HasPrefix(p.rest, ":[") || strings.HasPrefix(p.rest, ":("):
		p.take(":")
		if arg, err = p.group(); err != nil {
			return arg, err
		}
		if name != "" {
			arg.Name = name
		}
	case name == strings.ToUpper(name):
		arg = ArgDoc{Name: strings.ToLower(name), Type: ArgToken, Token: name}
	default:
		arg = ArgDoc{Name: name, Type: ArgString}
		if t, ok := typeOfName[name]; ok {
			arg.Type = t
		}
		if p.take(":") {
			arg.Type = ArgType(p.word())
		}
	}
	if p.take("...") {
		arg.Multiple = true
	}
	return arg, nil
}

// group reads what stands in brackets.
func (p *syntaxParser) group() (ArgDoc, error) {
	closing, optional := ")", false
	if p.take("[") {
		closing, optional = "]", true
	} else {
		p.take("(")
	}
	var choices []ArgDoc
	for {
		items, err := p.sequence()
		if err != nil {
			return ArgDoc{}, err
		}
		if len(items) == 0 {
			return ArgDoc{}, fmt.Errorf("nothing before %q", p.rest)
		}
		choices = append(choices, join(items))
		if !p.take("|") {
			break
		}
	}
	if !p.take(closing) {
		return ArgDoc{}, fmt.Errorf("no %s before %q", closing, p.rest)
	}
	arg := choices[0]
	if len(choices) > 1 {
		arg = ArgDoc{Name: "option", Type: ArgOneOf, Args: choices}
	}
	arg.Optional = arg.Optional || optional
	return arg, nil
}

// join makes one argument of a sequence: a token and what it introduces, or a
// block.
func join(items []ArgDoc) ArgDoc {
	if len(items) == 1 {
		return items[0]
	}
	first := items[0]
	if first.Type != ArgToken {
		return ArgDoc{Name: first.Name, Type: ArgBlock, Args: items}
	}
	if len(items) == 2 {
		arg := items[1]
		arg.Token = first.Token
		return arg
	}
	return ArgDoc{Name: first.Name, Type: ArgBlock, Token: first.Token, Args: items[1:]}
}

// plainSyntax prints arguments the way manuals do, names of groups left out.
func plainSyntax(args []ArgDoc) string {
	words := make([]string, len(args))
	for i := range args {
		words[i] = args[i].plain()
	}
	return strings.Join(words, " ")
}

func (a *ArgDoc) plain() string {
	var text string
	switch a.Type {
	case ArgToken:
		text = a.Token
	case ArgBlock:
		text = plainSyntax(a.Args)
	case ArgOneOf:
		choices := make([]string, len(a.Args))
		for i := range a.Args {
			choices[i] = a.Args[i].plain()
		}
		text = strings.Join(choices, " | ")
	default:
		text = a.Name
	}
	if a.Multiple {
		text += " [" + text + " ...]"
	}
	if a.Token != "" && a.Type != ArgToken {
		if a.Type == ArgOneOf {
			text = "<" + text + ">"
		}
		text = a.Token + " " + text
	}
	if a.Optional {
		text = "[" + text + "]"
	} else if a.Type == ArgOneOf && a.Token == "" {
		text = "<" + text + ">"
	}
	return text
}
