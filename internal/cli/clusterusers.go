package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/wire"
)

func (a *app) clusterUsersCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "users",
		Short: "List the users that all nodes share, or replace them",
		Long: `List the users, their roles and the keys they may touch. With --set FILE all users are
replaced by those of a users file (TOML, passwords hashed by vega-server hash-password); the
change reaches every node. Keep a way in: at least one user must have the role admin.`,
		Example: `  vega-client cluster users
  vega-client cluster users --set users.toml
  generate-users | vega-client cluster users --set -`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			request := wire.AdminRequest{Op: wire.AdminUsers}
			if file != "" {
				text, err := a.readDocument(file)
				if err != nil {
					return err
				}
				request.Document = string(text)
			}
			var reply wire.AdminUsersReply
			if _, err := a.admin(cmd.Context(), request, &reply); err != nil {
				return err
			}
			if file != "" && !a.json {
				words := countOf(len(reply.Users), "user") + " on every node"
				if !reply.Changed {
					words = "the users were these already"
				}
				return a.printDone(words, words, nil)
			}
			return a.printUsers(&reply)
		},
	}
	cmd.Flags().StringVar(&file, "set", "", "replace all users by those of `FILE`; - is standard input")
	return cmd
}

// maxDocument is more than a users file may have.
const maxDocument = 2 << 20

func (a *app) readDocument(name string) ([]byte, error) {
	if name == "-" && a.session.shell {
		return nil, usagef("in the shell the users cannot come from standard input: name a file")
	}
	source := a.env.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		source = f
	}
	text, err := io.ReadAll(io.LimitReader(source, maxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the users from %s: %w", name, err)
	case len(text) > maxDocument:
		return nil, fmt.Errorf("%s is too long for a users file", name)
	case len(strings.TrimSpace(string(text))) == 0:
		return nil, fmt.Errorf("%s is empty: it must name at least one user", name)
	}
	return text, nil
}

func (a *app) printUsers(reply *wire.AdminUsersReply) error {
	if a.json {
		for i := range reply.Users {
			writeJSON(a.env.Out, &reply.Users[i])
		}
		return nil
	}
	if len(reply.Users) == 0 {
		_, err := fmt.Fprintln(a.env.Out, "none: each node goes by its own users file; without one, everybody who can connect is an administrator")
		return err
	}
	columns := []column{{head: "user", left: true}, {head: "role", left: true}, {head: "keys", left: true, flexible: true, least: 10}}
	var rows [][]cell
	for i := range reply.Users {
		u := &reply.Users[i]
		keys := "all"
		if len(u.Prefixes) > 0 {
			names := make([]string, len(u.Prefixes))
			for j, prefix := range u.Prefixes {
				names[j] = oneLine([]byte(prefix)) + "*"
			}
			keys = strings.Join(names, " ")
		}
		row := plainCells(oneLine([]byte(u.Name)), u.Role, keys)
		row[0].paint = style.bold
		rows = append(rows, row)
	}
	var out strings.Builder
	drawTable(&out, a.outStyle(), a.tableWidth(), columns, rows)
	_, err := io.WriteString(a.env.Out, out.String())
	return err
}
