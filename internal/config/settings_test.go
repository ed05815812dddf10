package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestDefaultsAreValid(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
}

// Every field of Server is one row of the table and every row one field, so
// that no value is out of reach of a flag and no flag is without effect.
func TestEachFieldHasExactlyOneSetting(t *testing.T) {
	bound := map[string]string{}
	for _, s := range Settings() {
		c := Default()
		if err := s.Set(&c, s.Example); err != nil {
			t.Errorf("example of %s: %v", s.Name, err)
			continue
		}
		before, after := reflect.ValueOf(Default()), reflect.ValueOf(c)
		var changed []string
		for i := range after.NumField() {
			if !reflect.DeepEqual(before.Field(i).Interface(), after.Field(i).Interface()) {
				changed = append(changed, after.Type().Field(i).Name)
			}
		}
		if len(changed) != 1 {
			t.Errorf("%s with its example changes fields %v, want exactly one", s.Name, changed)
			continue
		}
		if other, ok := bound[changed[0]]; ok {
			t.Errorf("%s and %s both set %s", other, s.Name, changed[0])
		}
		bound[changed[0]] = s.Name
	}
	for i, typ := 0, reflect.TypeFor[Server](); i < typ.NumField(); i++ {
		if bound[typ.Field(i).Name] == "" {
			t.Errorf("no setting sets Server.%s", typ.Field(i).Name)
		}
	}
}

func TestTheTableIsWellFormed(t *testing.T) {
	names := map[string]bool{FileFlag: true}
	groups := map[string]bool{}
	for _, g := range Groups() {
		groups[g] = true
	}
	for _, d := range derivedParameters() {
		names[d.name] = true
	}
	for _, s := range Settings() {
		for _, n := range []string{s.Name, s.Redis} {
			if n == "" || n == s.Name && n == s.Redis && names[n] {
				continue
			}
			if names[n] {
				t.Errorf("the name %s is used twice", n)
			}
			names[n] = true
			if n != strings.ToLower(n) || strings.Contains(n, "_") {
				t.Errorf("%s is not lower case with hyphens", n)
			}
			if Lookup(strings.ToUpper(n)).Name != s.Name {
				t.Errorf("Lookup(%s) finds another setting", n)
			}
		}
		if !groups[s.Group] {
			t.Errorf("%s is in an unknown group %q", s.Name, s.Group)
		}
		if s.Help == "" || strings.HasSuffix(s.Help, ".") {
			t.Errorf("help of %s is empty or ends with a full stop", s.Name)
		}
	}
	if Lookup("no-such-setting") != nil || Lookup("") != nil {
		t.Error("Lookup finds what is not there")
	}
}

// CONFIG GET shows every setting, so none may hold a secret.
func TestNoSettingHoldsASecret(t *testing.T) {
	for _, s := range Settings() {
		for _, word := range []string{"password", "secret", "token"} {
			if strings.Contains(s.Name, word) {
				t.Errorf("%s looks like a secret: CONFIG GET and vega-server config would show it", s.Name)
			}
		}
	}
}
