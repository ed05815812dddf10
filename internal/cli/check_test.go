package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/checker"
	"github.com/prakashpandey/vegadb/internal/history"
)

func TestCheckFindsAServerThatKeepsItsPromisesLegal(t *testing.T) {
	w := serve(t)
	file := filepath.Join(t.TempDir(), "history.json")
	r := w.run(t, "check", "--duration", "300ms", "--rate", "0", "--history", file)
	r.want(t, exitOK, "~legal: writes and reads are linearizable\nseed 42\n", "~checking 127.0.0.1:")
	w.run(t, "count").want(t, exitOK, "0\n", "") // it has cleaned up
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var op history.Op
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil || !strings.HasPrefix(op.Key, "check:42-") {
			t.Fatalf("%v %+v", err, op)
		}
	}
	if op.Key == "" {
		t.Error("the history is empty")
	}
	w.run(t, "check", "--duration", "100ms", "--keep", "--consistency", "bounded", "--prefix", "mine/").
		want(t, exitOK, "~keys that start with mine/42-", "~checking")
	w.run(t, "count", "--prefix", "mine/42-").want(t, exitOK, "~", "")
}

// TestCheckCatchesALostWrite has somebody delete what the callers have written.
func TestCheckCatchesALostWrite(t *testing.T) {
	w := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := client.Open(ctx, client.Options{Addresses: []string{w.env["VEGA_ADDR"]}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	thief := make(chan error, 1)
	go func() { thief <- deleteOne(ctx, c) }()
	html := filepath.Join(t.TempDir(), "history.html")
	r := w.run(t, "check", "--duration", "500ms", "--rate", "0", "--keys", "1", "--html", html)
	if err := <-thief; err != nil {
		t.Fatal(err)
	}
	r.want(t, exitCheck, "~illegal: it does not hold that writes and reads are linearizable", "~checking")
	if !strings.Contains(r.out, "keys that start with check:42-") {
		t.Errorf("the evidence is gone:\n%s", r.out)
	}
	if text, err := os.ReadFile(html); err != nil || !bytes.Contains(text, []byte("<html")) {
		t.Errorf("%v: %.100s", err, text)
	}
}

// deleteOne deletes the first counter it sees: the next increment tells.
func deleteOne(ctx context.Context, c *client.Client) error {
	for {
		for e, err := range c.Scan(ctx, client.WithPrefix("check:"), client.WithKeysOnly()) {
			if err != nil {
				return err
			}
			if key := string(e.Key); strings.Contains(key, "counter-") {
				_, err := c.Delete(ctx, key)
				return err
			}
		}
	}
}

func TestCheckEndsWithCtrlCAndJudges(t *testing.T) {
	w := serve(t)
	ctx, interrupt := context.WithCancel(t.Context())
	var out, errOut bytes.Buffer
	env := w.build(&out, &errOut, []string{"--json", "check", "--duration", "0", "--consistency", "session"})
	env.Interruptible = func(context.Context) (context.Context, context.CancelFunc) { return ctx, interrupt }
	time.AfterFunc(300*time.Millisecond, interrupt)
	code := Run(t.Context(), env)
	var r struct {
		Verdict        string
		Promised       history.Report
		AsLinearizable *history.Report `json:"as_linearizable"`
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || code != exitOK || r.Verdict != "legal" || r.Promised.Ops == 0 || r.AsLinearizable == nil {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out.String(), errOut.String())
	}
}

func TestCheckRefusesNonsense(t *testing.T) {
	for _, c := range []struct{ flag, value, text string }{
		{"--consistency", "eventual", "~use linearizable, lease, session, bounded or local"},
		{"--judge", "me", "~use level or linearizable"},
		{"--callers", "0", "~from 1 to 1000"},
		{"--keys", "-1", "~from 1 to 10000"},
		{"--rate", "-1", "~may not be negative"},
	} {
		world{}.run(t, "check", c.flag, c.value).want(t, exitUsage, "", c.text)
	}
}

func TestCheckShowsWhatAWeakLevelCosts(t *testing.T) {
	stale := history.History{
		{Client: 0, Kind: history.Put, Key: "k", Value: "a", Call: 1, Return: 2, Reply: history.Reply{Outcome: history.OK, Version: 1}},
		{Client: 0, Kind: history.Put, Key: "k", Value: "b", Call: 3, Return: 4, Reply: history.Reply{Outcome: history.OK, Version: 2}},
		{Client: 1, Kind: history.Get, Key: "k", Level: history.Local, Call: 5, Return: 6, Reply: history.Reply{Outcome: history.OK, Found: true, Got: "a", Version: 1}},
	}
	strict := history.Check(stale.AsLinearizable(), history.Options{})
	r := &checker.Result{History: stale, Promised: history.Check(stale, history.Options{}), AsLinearizable: &strict}
	f := &checkFlags{consistency: "local", judge: judgeLevel}
	text := checkText(f, r, style{})
	for _, part := range []string{"legal: writes are linearizable, and reads show something that was written\n", "not linearizable, which local reads do not promise to be; for example\n", `client 1: get k → "a", version 1`} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
	if err := f.judged(r); err != nil {
		t.Errorf("by its level it is legal: %v", err)
	}
	f.judge = judgeStrict
	if err, ok := f.judged(r).(*silentError); !ok || err.code != exitCheck {
		t.Errorf("as linearizable it is illegal, not %v", err)
	}
	r.AsLinearizable, r.Unread = nil, 1
	if err, ok := f.judged(r).(*silentError); !ok || err.code != exitUndecided {
		t.Errorf("with an unread key nothing is known, not %v", err)
	}
}
