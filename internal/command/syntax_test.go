package command

import (
	"reflect"
	"strings"
	"testing"
)

func TestSyntaxBecomesArguments(t *testing.T) {
	token := func(word string) ArgDoc {
		return ArgDoc{Name: strings.ToLower(word), Type: ArgToken, Token: word}
	}
	key := ArgDoc{Name: "key", Type: ArgKey}
	value := ArgDoc{Name: "value", Type: ArgString}
	for _, c := range []struct {
		syntax string
		want   []ArgDoc
		plain  string
	}{
		{"", nil, ""},
		{"key value", []ArgDoc{key, value}, "key value"},
		{"key...", []ArgDoc{{Name: "key", Type: ArgKey, Multiple: true}}, "key [key ...]"},
		{"[GET]", []ArgDoc{{Name: "get", Type: ArgToken, Token: "GET", Optional: true}}, "[GET]"},
		{"condition:[NX | XX]", []ArgDoc{{Name: "condition", Type: ArgOneOf, Optional: true, Args: []ArgDoc{token("NX"), token("XX")}}}, "[NX | XX]"},
		{"[EX seconds | PERSIST]", []ArgDoc{{Name: "option", Type: ArgOneOf, Optional: true, Args: []ArgDoc{
			{Name: "seconds", Type: ArgInteger, Token: "EX"}, token("PERSIST")}}}, "[EX seconds | PERSIST]"},
		{"data:(key value)...", []ArgDoc{{Name: "data", Type: ArgBlock, Multiple: true, Args: []ArgDoc{key, value}}}, "key value [key value ...]"},
		{"[AUTH username password]", []ArgDoc{{Name: "auth", Type: ArgBlock, Token: "AUTH", Optional: true, Args: []ArgDoc{
			{Name: "username", Type: ArgString}, {Name: "password", Type: ArgString}}}}, "[AUTH username password]"},
		{"index:integer", []ArgDoc{{Name: "index", Type: ArgInteger}}, "index"},
		{"[ID id:integer...]", []ArgDoc{{Name: "id", Type: ArgInteger, Token: "ID", Optional: true, Multiple: true}}, "[ID id [id ...]]"},
		{"[TYPE kind:(A | B)]", []ArgDoc{{Name: "kind", Type: ArgOneOf, Token: "TYPE", Optional: true, Args: []ArgDoc{token("A"), token("B")}}}, "[TYPE <A | B>]"},
	} {
		got, err := parseSyntax(c.syntax)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v, %v", c.syntax, got, err)
		}
		if plain := plainSyntax(got); plain != c.plain {
			t.Errorf("%q prints as %q, want %q", c.syntax, plain, c.plain)
		}
	}
}

func TestFaultySyntaxIsRefused(t *testing.T) {
	for _, syntax := range []string{"[key", "key]", "(a", "a | b", "[]", "[a |]", "[a | ]", "()", ":", "key :", ")"} {
		if args, err := parseSyntax(syntax); err == nil {
			t.Errorf("%q: %+v", syntax, args)
		}
	}
}
