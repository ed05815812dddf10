package sim

import (
	"flag"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/prakashpandey/vegadb/internal/mutant"
)

// Bind gives fs a flag for everything in c that changes what a run does, but for the mutant. What c holds is the default.
func (c *Config) Bind(fs *flag.FlagSet) {
	fs.Uint64Var(&c.Seed, "seed", c.Seed, "run this seed alone and tell all about it")
	fs.IntVar(&c.Nodes, "nodes", c.Nodes, "nodes at the beginning; 0: by the seed")
	fs.IntVar(&c.Partitions, "partitions", c.Partitions, "partitions; 0: by the seed")
	fs.IntVar(&c.Clients, "clients", c.Clients, "clients; 0: by the seed")
	fs.IntVar(&c.Readers, "readers", c.Readers, "how many of the clients only read, under leases")
	fs.IntVar(&c.Keys, "keys", c.Keys, "registers, and half as many counters; 0: by the seed")
	fs.Int64Var(&c.SafetyMs, "safety-ms", c.SafetyMs, "how long faults come, in simulated ms; 0: 8000")
	fs.Int64Var(&c.LivenessMs, "liveness-ms", c.LivenessMs, "how long recovery may take when they have ended; 0: 15000")
	fs.Var(&switches[Faults]{&c.Faults}, "faults", "`kinds` of faults, with commas, and every=MS between two; none; empty: by the seed. "+switchNames[Faults]())
	fs.Var(&switches[Features]{&c.Features}, "features", "`what` else there is in the world, with commas; none; empty: by the seed. "+switchNames[Features]())
	fs.BoolVar(&c.Membership, "members", c.Membership, "nodes join and leave as well")
	fs.IntVar(&c.Replicas, "replicas", c.Replicas, "with -members, how many each partition is to have: 3 or 5; 0: by the seed")
	fs.IntVar(&c.Spares, "spares", c.Spares, "with -members, how many nodes may join; 0: by the seed")
}

// Replay is the command that runs the same again.
func (r *Result) Replay() string {
	asked := r.asked
	base, command := Config{}, "go run ./internal/sim/cmd"
	if asked.Mutant != mutant.None {
		base, _ = MutantWorld(asked.Mutant)
		command = fmt.Sprintf("go run -tags mutants ./internal/sim/cmd -mutant %v", asked.Mutant)
	}
	return command + asked.flagsBeside(base)
}

// flagsBeside are the flags that make base the same as c.
func (c Config) flagsBeside(base Config) (text string) {
	were, are := flag.NewFlagSet("", flag.ContinueOnError), flag.NewFlagSet("", flag.ContinueOnError)
	base.Bind(were)
	c.Bind(are)
	are.VisitAll(func(f *flag.Flag) {
		switch now := f.Value.String(); {
		case now == were.Lookup(f.Name).Value.String():
		case now == "true":
			text += " -" + f.Name
		default:
			text += " -" + f.Name + "=" + now
		}
	})
	return text
}

// switches is the flag of a struct of which most fields are bools and the others numbers: the names of those that are on,
// and name=number.
type switches[T any] struct{ at **T }

// String is what Set takes.
func (w *switches[T]) String() string {
	if w.at == nil || *w.at == nil {
		return ""
	}
	var parts []string
	v := reflect.ValueOf(**w.at)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch {
		case !f.IsExported():
		case f.Type.Kind() == reflect.Bool && v.Field(i).Bool():
			parts = append(parts, flagName(f.Name))
		case f.Type.Kind() == reflect.Int && v.Field(i).Int() != 0:
			parts = append(parts, fmt.Sprintf("%s=%d", flagName(f.Name), v.Field(i).Int()))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ",")
}

// Set takes the names of what is to be on.
func (w *switches[T]) Set(text string) error {
	t := new(T)
	*w.at = nil
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, number, numbered := strings.Cut(part, "=")
		if name == "none" {
			continue
		}
		if err := setField(reflect.ValueOf(t).Elem(), name, number, numbered); err != nil {
			return err
		}
	}
	*w.at = t
	return nil
}

func setField(v reflect.Value, name, number string, numbered bool) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || flagName(f.Name) != name {
			continue
		}
		switch {
		case f.Type.Kind() == reflect.Bool && !numbered:
			v.Field(i).SetBool(true)
			return nil
		case f.Type.Kind() == reflect.Int && numbered:
			n, err := strconv.Atoi(number)
			v.Field(i).SetInt(int64(n))
			return err
		}
	}
	return fmt.Errorf("there is no %q: %s", name, fieldNames(v.Type()))
}

// flagName makes disk-fails of DiskFails, and every of EveryMs.
func flagName(field string) string {
	var b strings.Builder
	for i, r := range strings.TrimSuffix(field, "Ms") {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('-')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func switchNames[T any]() string { return fieldNames(reflect.TypeFor[T]()) }

func fieldNames(t reflect.Type) string {
	var names []string
	for i := range t.NumField() {
		switch f := t.Field(i); {
		case !f.IsExported():
		case f.Type.Kind() == reflect.Int:
			names = append(names, flagName(f.Name)+"=N")
		default:
			names = append(names, flagName(f.Name))
		}
	}
	return strings.Join(names, " ")
}
