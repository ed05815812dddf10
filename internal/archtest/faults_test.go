package archtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// faults is how many the list in docs/reliability.md has.
const faults = 34

var (
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z0-9]\w*)\(`)
	testName  = regexp.MustCompile("`((?:Test|Fuzz)[A-Z0-9]\\w*)`")
	faultRow  = regexp.MustCompile(`^\| \*\*(\d+)\*\* `)
	runTests  = regexp.MustCompile("(\\w+) `([^`]+)`") // of the column "command"
	elsewhere = map[string]string{"test": "test", "client": "client", "vegadb": "."}
)

// testsOfModule returns the packages of each test function.
func testsOfModule(t *testing.T) map[string][]string {
	t.Helper()
	files, err := readModule(root)
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string][]string{}
	for _, f := range files {
		if !f.Test {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
			packages[m[1]] = append(packages[m[1]], f.Package)
		}
	}
	return packages
}

func TestPagesNameOnlyTestsThatExist(t *testing.T) {
	packages := testsOfModule(t)
	pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := filepath.Glob(filepath.Join(root, "docs/decisions/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, page := range append(pages, decisions...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testName.FindAllStringSubmatch(string(text), -1) {
			if named++; packages[m[1]] == nil {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
	if named < 100 {
		t.Errorf("%d tests are named: the pattern is broken", named)
	}
}

func TestEachFaultHasTestsAndACommandThatRunsThem(t *testing.T) {
	page := filepath.Join(root, "docs/reliability.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range faultProblems(string(text), testsOfModule(t)) {
		t.Errorf("%s: %s", page, wrong)
	}
}

func TestAFaultThatIsMissingOrUnprovedIsNoticed(t *testing.T) {
	packages := map[string][]string{"TestTorn": {"internal/node"}, "TestLost": {"test"}}
	var rows strings.Builder
	rows.WriteString("| fault | what holds | test | command | last run |\n| --- | --- | --- | --- | --- |\n")
	for i := range faults {
		fmt.Fprintf(&rows, "| **%d** a fault | holds | `TestTorn`, `TestLost` | node `Torn`, test `Lo\\|st` | pass |\n", i+1)
	}
	sound := rows.String()
	if wrong := faultProblems(sound, packages); len(wrong) > 0 {
		t.Fatalf("unexpected: %v", wrong)
	}
	const row, tests = "| **7** a fault | holds | `TestTorn`, `TestLost` | node `Torn`, test `Lo\\|st` | pass |", "`TestTorn`, `TestLost`"
	for name, instead := range map[string]string{
		"missing":             "",
		"twice":               row + "\n" + row,
		"out of order":        strings.Replace(row, "**7**", "**9**", 1),
		"without a test":      strings.Replace(row, tests, "", 1),
		"not run":             strings.Replace(row, "`Torn`", "`Lost`", 1),
		"of another package":  strings.Replace(row, "node `Torn`", "wal `Torn`", 1),
		"a broken expression": strings.Replace(row, "`Torn`", "`(Torn`", 1),
		"a column too few":    strings.Replace(row, " holds |", "", 1),
		"not said":            strings.Replace(row, "pass", "", 1),
	} {
		changed := strings.Replace(sound, row+"\n", strings.TrimLeft(instead+"\n", "\n"), 1)
		if wrong := faultProblems(changed, packages); len(wrong) == 0 {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// faultProblems says what is wrong with the tables of docs/reliability.md: rows of fault, what holds, tests, command and result,
// of which those that begin a fault have its number.
func faultProblems(page string, packages map[string][]string) (wrong []string) {
	next, within := 1, false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "| fault | what holds | test | command | last run |") {
			within = true
			continue
		}
		if within = within && strings.HasPrefix(line, "|"); !within || strings.HasPrefix(line, "| ---") {
			continue
		}
		cells := strings.Split(strings.ReplaceAll(strings.TrimSpace(line), `\|`, "\x00"), "|")
		if len(cells) != 7 {
			wrong = append(wrong, "not five columns: "+line)
			continue
		}
		if m := faultRow.FindStringSubmatch(line); m != nil {
			if m[1] != fmt.Sprint(next) {
				wrong = append(wrong, fmt.Sprintf("fault %s where %d is expected", m[1], next))
			}
			next++
		}
		row := strings.TrimSpace(cells[1] + ":" + cells[2])
		names := testName.FindAllStringSubmatch(cells[3], -1)
		if len(names) == 0 || strings.TrimSpace(cells[5]) == "" {
			wrong = append(wrong, row+": no test, or no result")
		}
		commands := runTests.FindAllStringSubmatch(strings.ReplaceAll(cells[4], "\x00", "|"), -1)
		for _, m := range names {
			if !slices.ContainsFunc(commands, func(c []string) bool { return runs(c[1], c[2], m[1], packages) }) {
				wrong = append(wrong, fmt.Sprintf("%s: no command runs %s", row, m[1]))
			}
		}
	}
	if next != faults+1 {
		wrong = append(wrong, fmt.Sprintf("%d faults, there are %d", next-1, faults))
	}
	return wrong
}

// runs reports whether `go test -run pattern` in the package that is called so runs a test.
func runs(where, pattern, test string, packages map[string][]string) bool {
	dir := "internal/" + where
	if d, ok := elsewhere[where]; ok {
		dir = d
	}
	re, err := regexp.Compile(pattern)
	return err == nil && re.MatchString(test) && slices.Contains(packages[test], dir)
}
