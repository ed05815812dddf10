package sim

import (
	"flag"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/mutant"
)

// parsed is the configuration that a replay command gives, as the command reads it.
func parsed(t *testing.T, command string) Config {
	t.Helper()
	words := strings.Fields(command)
	at := 0
	for words[at] != "./internal/sim/cmd" {
		at++
	}
	args, c := words[at+1:], Config{}
	if len(args) > 1 && args[0] == "-mutant" {
		b, _ := mutant.Named(args[1])
		c, _ = MutantWorld(b)
		args = args[2:]
	}
	fs := flag.NewFlagSet("cmd", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	c.Bind(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return c
}

func TestAReplayCommandSaysEverythingThatWasAskedFor(t *testing.T) {
	lease, _ := MutantWorld(mutant.LeaseFirst)
	lease.Seed = 9
	other := lease
	other.Keys, other.Nodes, other.Faults = 0, 5, &Faults{}
	for _, c := range []Config{
		{Seed: 7},
		{Seed: 7, Membership: true},
		{Seed: 1, Nodes: 5, Partitions: 2, Clients: 3, Readers: 1, Keys: 9, SafetyMs: 10, LivenessMs: 20, Membership: true, Replicas: 5, Spares: 2,
			Faults: &Faults{Cuts: true, DiskFails: true, EveryMs: 40}, Features: &Features{Backups: true}},
		{Seed: 3, Faults: &Faults{}},
		lease, other,
	} {
		command := (&Result{asked: c}).Replay()
		if got := parsed(t, command); !reflect.DeepEqual(got, c) {
			t.Errorf("%s\n gives %+v\n not   %+v", command, got, c)
		}
	}
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	new(Config).Bind(fs)
	for _, bad := range []string{"-faults=fire", "-faults=cuts=3", "-faults=every"} {
		if fs.Parse([]string{bad}) == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// Every field of Config has a flag, or is known to change nothing that happens.
func TestEveryFieldOfAConfigurationIsInTheReplayCommand(t *testing.T) {
	apart := map[string]bool{"Keep": true, "Mutant": true}
	var c Config
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	c.Bind(fs)
	flags := 0
	fs.VisitAll(func(*flag.Flag) { flags++ })
	fields := 0
	for i := range reflect.TypeFor[Config]().NumField() {
		if !apart[reflect.TypeFor[Config]().Field(i).Name] {
			fields++
		}
	}
	if flags != fields {
		t.Errorf("%d flags for %d fields", flags, fields)
	}
}

func TestFiguresOfManyRunsAreSums(t *testing.T) {
	a, b := Run(Config{Seed: 3, SafetyMs: 1000}), Run(Config{Seed: 4, SafetyMs: 1000, Membership: true})
	var sum Figures
	sum.Add(&a.Figures)
	sum.Add(&b.Figures)
	if sum.Seeds != 2 || sum.Members != 1 || sum.Events != a.Events+b.Events || sum.Applied != a.Applied+b.Applied || sum.Verdicts["legal"] != 2 ||
		sum.SimulatedMs != a.Ended+b.Ended || sum.Lives != a.Starts+b.Starts {
		t.Errorf("%+v", sum)
	}
	operations, outcomes := 0, 0
	for _, n := range sum.Operations {
		operations += n
	}
	for _, n := range sum.Outcomes {
		outcomes += n
	}
	if operations == 0 || operations != outcomes {
		t.Errorf("%d operations, %d outcomes", operations, outcomes)
	}
	// Figures are of what happened, and none of it happens without faults.
	if calm := Run(Config{Seed: 3, Faults: &Faults{}, Features: &Features{}}); len(calm.Figures.Faults) > 0 {
		t.Errorf("%v", calm.Figures.Faults)
	}
}
