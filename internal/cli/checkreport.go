package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/checker"
	"github.com/prakashpandey/vegadb/internal/history"
)

// checkText shows the outcome of a check to a person.
func checkText(f *checkFlags, r *checker.Result, s style) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s operations on %s keys in %s by %d callers, %s reads: %s ok, %s failed, %s of unknown outcome\n",
		thousands(int64(r.Promised.Ops)), thousands(int64(r.Promised.Keys)), inSeconds(r.Took.Seconds()), f.callers, f.consistency,
		thousands(int64(r.Promised.OK)), thousands(int64(r.Promised.Failed)), thousands(int64(r.Promised.Unknown)))
	fmt.Fprintf(&out, "longest time without an answer: %s\n", r.Silence.Round(time.Millisecond))
	if r.Full {
		out.WriteString("the history was full and ended the work early: ask for a lower --rate or a shorter --duration\n")
	}
	if r.Unread > 0 {
		out.WriteString(s.yellow(fmt.Sprintf("%s keys could not be read at the end: whether anything is missing there is not known\n", thousands(int64(r.Unread)))))
	}
	fmt.Fprintf(&out, "%s: %s\n", verdictText(r.Promised.Verdict, s), promised(f, r.Promised.Verdict))
	writeProblems(&out, &r.Promised)
	if strict := r.AsLinearizable; strict != nil {
		switch strict.Verdict {
		case history.Legal:
			out.WriteString("taken for linearizable, the reads would have passed too\n")
		case history.Illegal:
			fmt.Fprintf(&out, "%s, which %s reads do not promise to be; for example\n", s.bold("not linearizable"), f.consistency)
			example := *strict
			example.MoreProblems += max(len(strict.Problems)-1, 0)
			example.Problems = strict.Problems[:min(1, len(strict.Problems))]
			writeProblems(&out, &example)
		default:
			out.WriteString("whether the reads were linearizable is not known\n")
		}
	}
	writeRest(&out, f, r)
	return out.String()
}

func verdictText(v history.Verdict, s style) string {
	switch v {
	case history.Legal:
		return s.green("legal")
	case history.Illegal:
		return s.red("illegal")
	}
	return s.yellow("unknown")
}

// promised says what the verdict is about.
func promised(f *checkFlags, v history.Verdict) string {
	level := map[string]string{
		"linearizable": "writes and reads are linearizable",
		"lease":        "writes and lease reads are linearizable",
		"session":      "writes are linearizable, and reads show what their caller has seen",
		"bounded":      fmt.Sprintf("writes are linearizable, and reads are at most %s old", f.maxAge),
		"local":        "writes are linearizable, and reads show something that was written",
	}[f.consistency]
	switch v {
	case history.Legal:
		return level
	case history.Illegal:
		return "it does not hold that " + level
	}
	return "the search was given up; whether " + level + " is not known"
}

func writeProblems(out *strings.Builder, r *history.Report) {
	for _, p := range r.Problems {
		out.WriteString(p.String())
	}
	if r.MoreProblems > 0 {
		fmt.Fprintf(out, "and %s more\n", thousands(int64(r.MoreProblems)))
	}
	if len(r.Undecided) > 0 {
		fmt.Fprintf(out, "given up for %s\n", strings.Join(r.Undecided, ", "))
	}
}

// writeRest says what is still there, and how to do it again.
func writeRest(out *strings.Builder, f *checkFlags, r *checker.Result) {
	if r.Left > 0 {
		why := ""
		if r.Clean != nil {
			why = ": " + plainMessage(r.Clean)
		}
		fmt.Fprintf(out, "%s keys that start with %s are left in the store%s\n", thousands(int64(r.Left)), f.prefix, why)
	}
	fmt.Fprintf(out, "seed %d\n", f.seed)
}

// checkJSON is the outcome for programs.
func checkJSON(f *checkFlags, r *checker.Result) any {
	return struct {
		Verdict        history.Verdict `json:"verdict"`
		Consistency    string          `json:"consistency"`
		Judge          string          `json:"judge"`
		Seconds        float64         `json:"seconds"`
		LongestSilence float64         `json:"longest_silence_ms"`
		Full           bool            `json:"history_full"`
		Unread         int             `json:"unread"`
		Left           int             `json:"keys_left"`
		Prefix         string          `json:"prefix"`
		Seed           uint64          `json:"seed"`
		Callers        int             `json:"callers"`
		Promised       history.Report  `json:"promised"`
		AsLinearizable *history.Report `json:"as_linearizable,omitempty"`
	}{
		f.decides(r).Verdict, f.consistency, f.judge, r.Took.Seconds(), float64(r.Silence.Microseconds()) / 1e3, r.Full, r.Unread, r.Left,
		f.prefix, f.seed, f.callers, r.Promised, r.AsLinearizable,
	}
}
