package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// clusterCommand is the tree of what concerns the cluster as a whole.
func (a *app) clusterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Look at a cluster and change it: nodes, placement, backups",
		Long: `Look at a cluster and change it. Any node may be asked; --addr takes several
addresses, separated by commas, of which one that answers is used. Needs the role admin.

A NODE is an id or its first digits, or an address of the node (host:port).`,
		Example: `  vega-client cluster status
  vega-client cluster watch
  vega-client cluster drain 3f2a --wait
  vega-client cluster backup /backups/2030-01-31`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, c := range []*cobra.Command{
		a.clusterStatusCommand(), a.clusterNodesCommand(), a.clusterPartitionsCommand(), a.clusterWatchCommand(),
		a.clusterDrainCommand(), a.clusterUndrainCommand(), a.clusterRemoveCommand(), a.clusterTransferCommand(),
		a.clusterRebalanceCommand(), a.clusterPauseCommand(), a.clusterResumeCommand(),
		a.clusterSettingsCommand(), a.clusterUsersCommand(), a.clusterBackupCommand(), a.clusterRestoreCommand(),
	} {
		c.Flags().SortFlags = false
		cmd.AddCommand(c)
	}
	return cmd
}

// admin carries out one administrative request. Each of them may be repeated
// without harm, so that one whose reply was lost is.
func (a *app) admin(ctx context.Context, request wire.AdminRequest, reply any) (json.RawMessage, error) {
	db, err := a.db(ctx)
	if err != nil {
		return nil, err
	}
	body := request.Append(nil)
	text, err := db.Admin(ctx, body)
	if errors.Is(err, client.ErrUnknownOutcome) && ctx.Err() == nil {
		text, err = db.Admin(ctx, body)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, reply); err != nil {
		return nil, fmt.Errorf("the server's reply to %s is not the JSON expected: %w", request.Op, err)
	}
	return text, nil
}

// clusterStatus asks for the status.
func (a *app) clusterStatus(ctx context.Context) (*wire.ClusterStatus, json.RawMessage, error) {
	var st wire.ClusterStatus
	text, err := a.admin(ctx, wire.AdminRequest{Op: wire.AdminStatus}, &st)
	if err != nil {
		return nil, nil, err
	}
	return &st, text, nil
}

// nodeError is about a NODE that cannot be told.
type nodeError struct{ text string }

func (e *nodeError) Error() string { return e.text }

// resolve finds the node that a user means. An address may be that of two: of one
// that is down, and of another that has been started in its place.
func resolve(v *view, name string) (*wire.NodeStatus, error) {
	var found []*wire.NodeStatus
	for i := range v.status.Nodes {
		n := &v.status.Nodes[i]
		switch {
		case n.ID == strings.ToLower(name):
			return n, nil
		case name == "":
		case strings.HasPrefix(n.ID, strings.ToLower(name)),
			(n.Addr == name || n.PeerAddr == name || n.AdminAddr == name) && n.State != wire.NodeRemoved:
			found = append(found, n)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		var names []string
		for i := range v.status.Nodes {
			names = append(names, v.name(v.status.Nodes[i].ID))
		}
		return nil, &nodeError{fmt.Sprintf("no node is called %q; there are %s", name, strings.Join(names, ", "))}
	}
	names := make([]string, len(found))
	for i, n := range found {
		names[i] = v.name(n.ID)
		if n.State == wire.NodeDown {
			names[i] += ", which is down,"
		}
	}
	advice := "give more digits"
	if strings.Contains(name, ":") {
		advice = "give the id"
	}
	return nil, &nodeError{fmt.Sprintf("%q may be %s: %s", name, strings.Join(names, " or "), advice)}
}

// findNode asks for the status and finds the node in it.
func (a *app) findNode(ctx context.Context, name string) (*view, *wire.NodeStatus, error) {
	st, _, err := a.clusterStatus(ctx)
	if err != nil {
		return nil, nil, err
	}
	v := newView(st)
	n, err := resolve(v, name)
	return v, n, err
}

// change carries out a request that is answered with an AdminReply and says so.
// done is the sentence for when something changed, already for when not. What the
// server says besides follows a done that ends in a colon.
func (a *app) change(ctx context.Context, request wire.AdminRequest, done, already string) error {
	var reply wire.AdminReply
	text, err := a.admin(ctx, request, &reply)
	if err != nil {
		return err
	}
	if a.json {
		_, err := fmt.Fprintf(a.env.Out, "%s\n", text)
		return err
	}
	words, more := strings.CutSuffix(done, ":")
	switch {
	case !reply.Changed:
		words = already
	case more && reply.Message != "":
		words += ": " + reply.Message
	}
	return a.printDone(words, words, nil)
}
