package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/client"
)

// putFlags are the conditions and expiry of put and cas.
type putFlags struct {
	ttl                 ttlFlag
	at                  timeFlag
	keepTTL             bool
	ifAbsent, ifPresent bool
	ifVersion           uint64
	file                string
}

func (p *putFlags) options(cmd *cobra.Command) []client.Option {
	var o []client.Option
	if p.ttl.d > 0 {
		o = append(o, client.WithTTL(p.ttl.d))
	}
	if !p.at.t.IsZero() {
		o = append(o, client.WithExpireAt(p.at.t))
	}
	if p.keepTTL {
		o = append(o, client.KeepTTL())
	}
	if p.ifAbsent {
		o = append(o, client.IfAbsent())
	}
	if p.ifPresent {
		o = append(o, client.IfPresent())
	}
	if cmd.Flags().Changed("if-version") {
		o = append(o, client.IfVersion(p.ifVersion))
	}
	return o
}

func (p *putFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&p.ttl, "ttl", "let the entry expire after `TTL`: 90s, 15m, 24h, 7d or seconds")
	f.Var(&p.at, "expire-at", "let the entry expire at `TIME`: 2030-01-31T12:00:00Z or unix seconds")
	f.BoolVar(&p.keepTTL, "keep-ttl", false, "leave the expiry of an existing entry as it is")
	f.StringVar(&p.file, "file", "", "take the value from `FILE`; - is standard input")
	exclusive(cmd, "ttl", "expire-at", "keep-ttl")
}

func (a *app) putCommand() *cobra.Command {
	var p putFlags
	cmd := &cobra.Command{
		Use:   "put KEY [VALUE]",
		Short: "Store a value under a key",
		Long: `Store a value under a key. When the command returns, the write is as durable as
the server promises (by default: on its disk). It prints the entry's new version.`,
		Example: `  vega-client put greeting "hello, world"
  vega-client put session:42 token --ttl 30m
  vega-client put photo --file photo.jpg
  date | vega-client put now -
  vega-client put lock me --if-absent --ttl 10s`,
		Args: between(1, "KEY", "VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := a.value(args, 1, p.file)
			if err != nil {
				return err
			}
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			version, err := db.Put(cmd.Context(), args[0], value, p.options(cmd)...)
			if err != nil {
				return conditionError(err, args[0])
			}
			return a.printVersion(args[0], version)
		},
	}
	p.bind(cmd)
	cmd.Flags().BoolVar(&p.ifAbsent, "if-absent", false, "only if there is no entry yet (exit code 4 otherwise)")
	cmd.Flags().BoolVar(&p.ifPresent, "if-present", false, "only if there is an entry (exit code 3 otherwise)")
	cmd.Flags().Uint64Var(&p.ifVersion, "if-version", 0, "only if the entry has version `N`; 0: if there is none (exit code 4 otherwise)")
	exclusive(cmd, "if-absent", "if-present", "if-version")
	return cmd
}

func (a *app) printVersion(key string, version uint64) error {
	fields := keyFields(key)
	fields["version"] = version
	return a.printDone(fmt.Sprintf("version %d", version), strconv.FormatUint(version, 10), fields)
}

// value finds the value of a put: the argument at position i, standard input
// or a file.
func (a *app) value(args []string, i int, file string) ([]byte, error) {
	switch {
	case len(args) > i && file != "":
		return nil, usagef("the value is given twice: as an argument and with --file")
	case len(args) <= i && file == "":
		return nil, usagef("VALUE is missing (or --file FILE, or - for standard input)")
	case len(args) > i && args[i] != "-":
		return []byte(args[i]), nil
	case file != "" && file != "-":
		return os.ReadFile(file)
	case a.session.shell:
		return nil, usagef("in the shell a value cannot come from standard input: use --file FILE")
	}
	value, err := io.ReadAll(a.env.In)
	if err != nil {
		return nil, fmt.Errorf("read the value from standard input: %w", err)
	}
	return value, nil
}

// conditionError words a condition that does not hold.
func conditionError(err error, key string) error {
	name := oneLine([]byte(key))
	var failed *client.Error
	switch {
	case errors.Is(err, client.ErrNotFound):
		return &keyError{err: err, text: name + ": not found"}
	case errors.Is(err, client.ErrAlreadyExists):
		return &keyError{err: err, text: name + ": exists already"}
	case errors.Is(err, client.ErrVersionMismatch) && errors.As(err, &failed):
		if failed.Version == 0 {
			return &keyError{err: err, text: name + ": there is no entry"}
		}
		return &keyError{err: err, text: fmt.Sprintf("%s: the entry has version %d by now", name, failed.Version)}
	case errors.Is(err, client.ErrConditionFailed):
		return &keyError{err: err, text: name + ": the condition does not hold"}
	case errors.Is(err, client.ErrNotInteger), errors.Is(err, client.ErrOverflow):
		return &keyError{err: err, text: name + ": " + plainMessage(err)}
	}
	return err
}

func (a *app) casCommand() *cobra.Command {
	var p putFlags
	cmd := &cobra.Command{
		Use:   "cas KEY VERSION [VALUE]",
		Short: "Store a value if the entry still has a version (compare and set)",
		Long: `Store a value only if the entry still has the version that you have seen.
Version 0 means: only if there is no entry. Otherwise the exit code is 4 and the
message names the present version.`,
		Example: `  vega-client get counter --meta        shows the version, say 17
  vega-client cas counter 17 "new value"
  vega-client cas leader 0 me --ttl 10s`,
		Args: between(2, "KEY", "VERSION", "VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			seen, err := strconv.ParseUint(args[1], 10, 64)
			if err != nil {
				return usagef("VERSION %q is not a number", args[1])
			}
			value, err := a.value(args, 2, p.file)
			if err != nil {
				return err
			}
			db, err := a.db(cmd.Context())
			if err != nil {
				return err
			}
			version, err := db.CompareAndPut(cmd.Context(), args[0], seen, value, p.options(cmd)...)
			if err != nil {
				return conditionError(err, args[0])
			}
			return a.printVersion(args[0], version)
		},
	}
	p.bind(cmd)
	return cmd
}
