package servercmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/program"
)

func newHashPassword(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "hash-password",
		Short: "turn a password into the text that the users file wants",
		Long: `Asks for a password on the terminal, or reads one line from standard input, and prints its salted hash.
The password is never an argument: those are visible to every user of the machine.`,
		Example: "  vega-server hash-password\n  printf '%s' \"$PASSWORD\" | vega-server hash-password",
		Args:    program.NoArgs,
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
