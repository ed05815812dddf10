package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// link matches the target of a Markdown link.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksBetweenThePagesLeadSomewhere(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	if len(pages) < 5 {
		t.Fatalf("found %d pages under %s: the patterns are broken", len(pages), root)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			where := page
			if target != "" {
				where = filepath.Join(filepath.Dir(page), target)
			}
			if !hasAnchor(where, anchor) {
				t.Errorf("%s: the link %q leads nowhere", page, match[1])
			}
		}
	}
}

func TestEachDecisionHasItsOwnNumber(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs/decisions/*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no decisions found (%v)", err)
	}
	taken := map[string]string{}
	for _, page := range pages {
		name := filepath.Base(page)
		number, _, ok := strings.Cut(name, "-")
		if !ok || len(number) != 4 {
			t.Errorf("%s: decisions are named NNNN-title.md", name)
		}
		if other := taken[number]; other != "" {
			t.Errorf("%s and %s have the same number", other, name)
		}
		taken[number] = name
	}
}

// hasAnchor says whether a file or directory exists and, for a page and a name, has a heading of that name.
func hasAnchor(path, anchor string) bool {
	info, err := os.Stat(path)
	if err != nil || anchor == "" || info.IsDir() || !strings.HasSuffix(path, ".md") {
		return err == nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && line[0] == '#' && slug(heading) == anchor {
			return true
		}
	}
	return false
}

// slug is a heading as it appears in links.
func slug(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(heading)) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 127:
			b.WriteRune(r)
		}
	}
	return b.String()
}
