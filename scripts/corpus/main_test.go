package main

import (
	"path/filepath"
	"testing"
)

func TestChooseTakesWhatReachesMostThenTheSmallest(t *testing.T) {
	from := []input{
		{"known", 1, []string{"a"}},
		{"large", 90, []string{"b", "c", "d"}},
		{"small", 9, []string{"b", "c", "d"}},
		{"within", 1, []string{"b"}},
		{"other", 50, []string{"c", "e"}},
	}
	names := func(most int) (out []string) {
		for _, c := range choose(map[string]bool{"a": true}, from, most) {
			out = append(out, c.file)
		}
		return out
	}
	if got := names(9); len(got) != 2 || got[0] != "small" || got[1] != "other" {
		t.Errorf("chose %q", got)
	}
	if got := names(1); len(got) != 1 || got[0] != "small" {
		t.Errorf("of one: %q", got)
	}
	if got := names(-1); len(got) != 0 {
		t.Errorf("of none: %q", got)
	}
}

// A corpus belongs to a target: one that has none any more is a leftover, and its inputs are run by nobody.
func TestEveryCorpusHasItsTarget(t *testing.T) {
	corpora, err := filepath.Glob("../../internal/*/testdata/fuzz/*")
	if err != nil || len(corpora) < 30 {
		t.Fatalf("%d corpora, %v", len(corpora), err)
	}
	for _, c := range corpora {
		targets, err := targetsIn(filepath.Join(c, "..", "..", ".."))
		if err != nil {
			t.Fatal(err)
		}
		has := false
		for _, name := range targets {
			has = has || name == filepath.Base(c)
		}
		inputs, err := filepath.Glob(filepath.Join(c, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if !has || len(inputs) == 0 {
			t.Errorf("%s: its target is there: %v; %d inputs", c, has, len(inputs))
		}
	}
}
