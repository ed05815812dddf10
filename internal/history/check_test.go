package history

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// at gives an operation its times, in ms.
func at(from, to int64, op Op) Op {
	op.Key = "k"
	op.Call, op.Return = from*1e6, to*1e6
	if op.Outcome == "" {
		op.Outcome = OK
	}
	if op.Outcome == Unknown {
		op.Return = Open
	}
	return op
}

func put(value string, version uint64) Op {
	return Op{Kind: Put, Value: value, Reply: Reply{Version: version}}
}
func got(value string, version uint64) Op {
	return Op{Kind: Get, Reply: Reply{Found: true, Got: value, Version: version}}
}
func gone() Op                  { return Op{Kind: Get} }
func by(client int, op Op) Op   { op.Client = client; return op }
func lost(op Op) Op             { op.Reply = Reply{Outcome: Unknown}; return op }
func refused(op Op) Op          { op.Reply = Reply{Outcome: Failed}; return op }
func level(l Level, op Op) Op   { op.Level, op.MaxAge = l, 10*time.Millisecond; return op }
func deleted(version uint64) Op { return Op{Kind: Delete, Reply: Reply{Found: true, Version: version}} }
func plus(sum int64, v uint64) Op {
	return Op{Kind: Increment, Delta: 1, Reply: Reply{Sum: sum, Version: v}}
}

// brokenIn returns the names of the broken promises.
func brokenIn(h History) string {
	var names []string
	for _, p := range Check(h, Options{}).Problems {
		names = append(names, p.Promise)
	}
	return strings.Join(names, "; ")
}

func TestEachPromiseIsJudgedByItself(t *testing.T) {
	for _, c := range []struct {
		name string
		h    History
		want string // promises that must be named; empty: legal
	}{
		{"a lost reply and an effect later on", History{at(0, 0, lost(put("a", 0))), at(1, 2, gone()), at(3, 4, got("a", 5))}, ""},
		{"a lost reply and no effect ever", History{at(0, 0, lost(put("a", 0))), at(1, 2, gone()), at(3, 4, gone())}, ""},
		{"a lost delete explains that there is nothing", History{at(0, 1, put("a", 1)), at(2, 2, lost(deleted(0))), at(3, 4, gone())}, ""},
		{"an effect that is undone", History{at(0, 0, lost(put("a", 0))), at(1, 2, got("a", 5)), at(3, 4, gone())}, promiseLinearizable},
		{"a value from nowhere", History{at(0, 1, got("x", 1))}, promiseSource + "; " + promiseLinearizable},
		{"a value from the future", History{at(0, 1, level(Local, got("a", 1))), at(2, 3, put("a", 1))}, promiseSource},
		{"the value of a refused write", History{at(0, 1, refused(put("a", 0))), at(2, 3, level(Local, got("a", 1)))}, promiseSource},
		{"a value under another's version", History{at(0, 1, put("a", 1)), at(2, 3, level(Local, got("a", 2)))}, promiseSource},
		{"one version for two writes", History{at(0, 3, put("a", 1)), at(0, 3, by(1, put("b", 1)))}, promiseUnique + "; " + promiseLinearizable},
		{"a version that goes back", History{at(0, 1, put("a", 1)), at(2, 3, put("b", 2)), at(4, 5, got("a", 1)), at(6, 7, got("b", 2))},
			promiseForward + "; " + promiseLinearizable},
		{"an acknowledged write missing at the end", History{at(0, 1, put("a", 1)), at(2, 3, gone())}, promiseKept + "; " + promiseLinearizable},
		{"reads overlapping a write may see either", History{at(0, 1, put("a", 1)), at(2, 9, put("b", 2)), at(3, 4, by(1, got("a", 1))), at(5, 6, by(1, got("b", 2)))}, ""},
		{"an increment too many", History{at(0, 1, plus(1, 1)), at(2, 3, plus(3, 2)), at(4, 5, got("3", 2))}, promiseCounter + "; " + promiseLinearizable},
		{"an increment too few", History{at(0, 1, plus(1, 1)), at(0, 1, by(1, plus(1, 2))), at(4, 5, got("1", 2))}, promiseCounter + "; " + promiseLinearizable},
		{"an increment of unknown outcome may count", History{at(0, 1, plus(1, 1)), at(0, 0, lost(plus(0, 0))), at(4, 5, got("2", 2))}, ""},
		{"a session does not see its own write", History{at(0, 1, put("a", 1)), at(2, 3, put("b", 2)), at(4, 5, level(Session, got("a", 1)))}, promiseSession},
		{"a session goes back", History{at(0, 1, put("a", 1)), at(2, 3, put("b", 2)), at(4, 5, by(1, level(Session, got("b", 2)))), at(6, 7, by(1, level(Session, got("a", 1))))}, promiseSession},
		{"a session sees its entry gone without a delete", History{at(0, 1, put("a", 1)), at(2, 3, level(Session, gone()))}, promiseSession},
		{"a session does not see another's write", History{at(0, 1, put("a", 1)), at(2, 3, put("b", 2)), at(4, 5, by(1, level(Session, got("a", 1))))}, ""},
		{"a bounded read is too old", History{at(0, 1, put("a", 1)), at(2, 3, put("b", 2)), at(14, 15, by(1, level(Bounded, got("a", 1))))}, promiseBounded},
		{"a bounded read is just not too old", History{at(0, 1, put("a", 1)), at(2, 3, put("b", 2)), at(12, 15, by(1, level(Bounded, got("a", 1))))}, ""},
		{"a local read may be as old as it likes", History{at(0, 1, put("a", 1)), at(2, 3, put("b", 2)), at(500, 501, by(1, level(Local, got("a", 1))))}, ""},
		{"a lease read may not be old", History{at(0, 1, put("a", 1)), at(2, 3, put("b", 2)), at(4, 5, by(1, level(Lease, got("a", 1))))},
			promiseForward + "; " + promiseLinearizable},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := brokenIn(c.h)
			if c.want == "" && got != "" {
				t.Errorf("judged as broken: %s\n%s", got, Check(c.h, Options{}))
			}
			for _, promise := range strings.Split(c.want, "; ") {
				if !strings.Contains(got, promise) {
					t.Errorf("not named: %s; named: %q", promise, got)
				}
			}
		})
	}
}

func TestASearchGivenUpIsUnknownAndNeverLegal(t *testing.T) {
	s := newSimulation(1, "")
	h := s.run()
	for name, o := range map[string]Options{
		"for its steps":  {Steps: 5},
		"for its memory": {Memory: 500},
		"for its time":   {Timeout: time.Nanosecond},
	} {
		r := Check(h, o)
		if r.Verdict != Undecided || len(r.Undecided) == 0 {
			t.Errorf("given up %s: %s", name, r)
		}
	}
	s = newSimulation(1, "read of a refused write")
	if r := Check(s.run(), Options{Steps: 5}); r.Verdict != Illegal {
		t.Errorf("what needs no search is not found: %s", r)
	}
}

func TestTheSmallestHistoryOfAStaleReadIsAWriteAndTheRead(t *testing.T) {
	var h History
	for i := range int64(200) {
		v := uint64(i + 1)
		h = append(h, at(3*i, 3*i+1, put(strings.Repeat("x", int(i)), v)), at(3*i+1, 3*i+2, by(1, got(strings.Repeat("x", int(i)), v))))
	}
	h = append(h, at(700, 701, by(2, got(strings.Repeat("x", 150), 151))), at(702, 703, put("last", 201)))
	start, small := minimise(h, Options{}.withDefaults())
	if len(small) != 2 || small[0].Kind != Put || small[0].Version <= 151 {
		t.Errorf("from %s:\n%s", start, Problem{Start: start, Ops: small})
	}
}

func TestAReportCanBeReadByPeopleProgramsAndBrowsers(t *testing.T) {
	h := History{at(0, 1, put("old", 1)), at(2, 3, by(1, put("new", 2))), at(4, 5, by(2, got("old", 1)))}
	r := Check(h, Options{})
	text := r.String()
	for _, want := range []string{"illegal: 3 operations on 1 keys", promiseLinearizable, "put k = \"new\"", "version 2", "client 2: get k"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	data, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(data, &back); err != nil || back.Verdict != Illegal || len(back.Problems) != len(r.Problems) {
		t.Errorf("%v\n%s", err, data)
	}
	var page bytes.Buffer
	if err := r.Problems[len(r.Problems)-1].WriteHTML(&page); err != nil || !strings.Contains(page.String(), "get k") {
		t.Errorf("%v, %d bytes", err, page.Len())
	}
}
