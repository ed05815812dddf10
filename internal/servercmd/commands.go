package servercmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/config"
)

func newVersion(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(env.Stdout, "vega-server %s (%s %s/%s)\n", vegadb.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func newConfig(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config [settings]",
		Short: "print the settings in effect and where each came from, as a file",
		Long: `Prints the settings that a server started with the same flags, environment and file would use,
in the form of a configuration file, with the origin of each. Starts nothing.`,
		Example: "  vega-server config --memory-limit 2GiB > vega-server.toml\n  vega-server config --config vega-server.toml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, from, err := config.Resolve(cmd.Flags(), env.Environ, env.ReadFile)
			if err != nil {
				return err
			}
			_, err = io.WriteString(env.Stdout, config.FileText(&c, from))
			return err
		},
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

func newHashPassword(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "hash-password",
		Short: "turn a password into the text that the users file wants",
		Long: `Asks for a password on the terminal, or reads one line from standard input, and prints its salted hash.
The password is never an argument: those are visible to every user of the machine.`,
		Example: "  vega-server hash-password\n  printf '%s' \"$PASSWORD\" | vega-server hash-password",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			password, err := readPassword(env)
			if err != nil {
				return err
			}
			text, err := auth.Hash(password)
			if err != nil {
				return err
			}
			if env.ReadPassword != nil {
				fmt.Fprint(env.Stderr, "\nPut it into the users file:\n\n  [users.NAME]\n  role = \"write\"\n  password = \"…\"\n\n")
			}
			_, err = fmt.Fprintln(env.Stdout, text)
			return err
		},
	}
}

// readPassword asks twice on a terminal, and takes the first line elsewhere.
func readPassword(env *Env) (string, error) {
	if env.ReadPassword == nil {
		line, err := bufio.NewReader(io.LimitReader(env.Stdin, 64<<10)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("cannot read the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(env.Stderr, prompt)
		defer fmt.Fprintln(env.Stderr)
		text, err := env.ReadPassword()
		if err != nil {
			return "", fmt.Errorf("cannot read the password: %w", err)
		}
		return text, nil
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	second, err := ask("Again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ")
	}
	return first, nil
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument, and %q is one", cmd.Name(), args[0])
	}
	return nil
}
