package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/wire"
)

func (a *app) clusterDrainCommand() *cobra.Command {
	var wait bool
	var within time.Duration
	cmd := &cobra.Command{
		Use:   "drain NODE",
		Short: "Move a node's replicas elsewhere; it stays a member",
		Long: `Move the replicas of a node to others and hand over what it leads, before its machine is
serviced for longer. The node stays a member and goes on serving meanwhile; clients notice
nothing. The cluster does the work: the command may be interrupted, and undrain takes the
drain back. To take a node out for good, use remove.`,
		Example: `  vega-client cluster drain 3f2a --wait
  vega-client cluster drain 10.0.0.3:8342`,
		Args: exactly("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if within > 0 && !wait {
				return usagef("--within says how long to wait: it belongs to --wait")
			}
			ctx := cmd.Context()
			v, n, err := a.findNode(ctx, args[0])
			if err != nil {
				return err
			}
			a.warnOfFewer(v, n)
			a.warnOfPause(v)
			request := wire.AdminRequest{Op: wire.AdminDrain, Node: n.ID}
			if wait {
				return a.changeAndWait(ctx, request, v.name(n.ID), within)
			}
			err = a.change(ctx, request, v.name(n.ID)+" is being drained:", v.name(n.ID)+" was being drained already")
			if err == nil {
				a.sayHowToWait("it is empty", "drain "+v.id(n.ID)+" --wait")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "return when the node has no replica any more")
	cmd.Flags().DurationVar(&within, "within", 0, "wait no longer than `DURATION` (exit code 10 then; the drain goes on)")
	return cmd
}

// warnOfFewer says so when the nodes that are left cannot hold as many copies as are
// wanted.
func (a *app) warnOfFewer(v *view, n *wire.NodeStatus) {
	left := v.members()
	if mayHold(n) {
		left--
	}
	if left < v.status.Replicas && left > 0 && !a.json {
		fmt.Fprintf(a.env.Err, "%s without it there are %s: each partition will have %s instead of %d\n", a.errStyle().yellow("warning:"),
			countOf(left, "node"), countOf(left, "copy"), v.status.Replicas)
	}
}

// warnOfPause says so when nothing would be moved for now.
func (a *app) warnOfPause(v *view) {
	if v.status.Paused && !a.json {
		fmt.Fprintf(a.env.Err, "%s placement is paused: nothing is moved until vega-client cluster resume\n", a.errStyle().yellow("warning:"))
	}
}

// sayHowToWait says how to see what has begun, and the command that returns when it
// has ended.
func (a *app) sayHowToWait(until, command string) {
	if !a.json {
		fmt.Fprintf(a.env.Err, "to watch it: vega-client cluster watch; to wait until %s: vega-client cluster %s\n", until, command)
	}
}

// changeAndWait asks for a drain or a removal and shows how far it is until the node
// is empty, or no member any more and all that it had is elsewhere.
func (a *app) changeAndWait(ctx context.Context, request wire.AdminRequest, name string, within time.Duration) error {
	var reply wire.AdminReply
	if _, err := a.admin(ctx, request, &reply); err != nil {
		return err
	}
	node, remove := request.Node, request.Op == wire.AdminRemove
	begin, total, began, undone := a.env.Now(), 0, false, false
	err := a.waitFor(ctx, within, func(v *view) (bool, string) {
		n := v.nodes[node]
		switch {
		case n == nil:
			return true, ""
		case !mayHold(n):
			began = true
		case began:
			undone = true
			return true, ""
		default: // the node that was asked this time has not heard of it yet
			return false, name + " has not begun"
		}
		total = max(total, n.Replicas)
		return n.Replicas == 0 && n.Leads == 0 && !remove, drainText(v, n, total, a.env.Now().Sub(begin))
	})
	switch {
	case undone:
		return &notYetError{name + " is not being emptied any more: somebody has taken it back"}
	case err != nil:
		if ctx.Err() != nil && !a.json {
			a.sayItGoesOn(&request)
		}
		return err
	}
	took := a.env.Now().Sub(begin)
	words := fmt.Sprintf("%s is empty: %s moved in %s", name, countOf(total, "replica"), span(took))
	switch {
	case request.Force:
		words = fmt.Sprintf("%s is no member any more: %s made anew in %s", name, countOf(total, "replica"), span(took))
	case remove:
		words = fmt.Sprintf("%s is no member any more: %s moved in %s", name, countOf(total, "replica"), span(took))
	}
	return a.printDone(words, words, map[string]any{"node": node, "replicas_moved": total, "seconds": took.Truncate(time.Millisecond).Seconds()})
}

// sayItGoesOn is for whoever has interrupted a wait.
func (a *app) sayItGoesOn(request *wire.AdminRequest) {
	back := ""
	if !request.Force {
		back = "; vega-client cluster undrain " + request.Node[:min(shortID, len(request.Node))] + " takes it back"
	}
	fmt.Fprintf(a.env.Err, "it goes on without this command%s\n", back)
}

// drainText is the progress line of a drain.
func drainText(v *view, n *wire.NodeStatus, total int, elapsed time.Duration) string {
	done, rate := float64(total-n.Replicas), int64(0)
	for i := range v.status.Moves {
		if m := &v.status.Moves[i]; m.From == n.ID {
			done += min(max(m.Percent, 0), 100) / 100
			rate += m.BytesPerSecond
		}
	}
	share := min(done/float64(max(total, 1)), 1)
	text := fmt.Sprintf("%s %3.0f %%  %s of %s left", bar(share), share*100, thousands(int64(n.Replicas)), countOf(total, "replica"))
	if rate > 0 {
		text += ", " + byteSize(float64(rate)) + "/s"
	}
	if share > 0.02 && share < 1 {
		text += ", " + span(time.Duration(float64(elapsed)*(1-share)/share).Round(time.Second)) + " to go"
	}
	if v.status.Paused {
		text += " (placement is paused)"
	}
	return text
}

func (a *app) clusterUndrainCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "undrain NODE",
		Short:   "Take a drain back: the node may hold replicas again",
		Example: `  vega-client cluster undrain 3f2a`,
		Args:    exactly("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, n, err := a.findNode(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.change(cmd.Context(), wire.AdminRequest{Op: wire.AdminUndrain, Node: n.ID},
				v.name(n.ID)+" may hold replicas again", v.name(n.ID)+" was not being drained")
		},
	}
}

func (a *app) clusterRemoveCommand() *cobra.Command {
	var force, wait bool
	var within time.Duration
	cmd := &cobra.Command{
		Use:   "remove NODE",
		Short: "Empty a node, then end its membership, for ever",
		Long: `Move a node's replicas elsewhere, as drain does, and then end its membership. Its
identity is never used again: to come back, its machine needs an empty data directory.

With --force a node that is down and will not come back, such as one whose disk is lost,
is removed at once; its partitions get new replicas from the copies that are left, and
with --wait the command returns when they have. A partition of which too few are left
cannot be helped in this way: bring the node back, or restore a backup.`,
		Example: `  vega-client cluster remove 3f2a --wait
  vega-client cluster remove 10.0.0.3:8342 --force     its disk is lost`,
		Args: exactly("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if within > 0 && !wait {
				return usagef("--within says how long to wait: it belongs to --wait")
			}
			v, n, err := a.findNode(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if force && !a.json {
				if lost := v.lostWith(n.ID); len(lost) > 0 {
					fmt.Fprintf(a.env.Err, "%s %s without a majority when %s is gone: %s\n", a.errStyle().yellow("warning:"),
						countOf(len(lost), "partition"), v.name(n.ID), ranges(lost))
				}
			}
			a.warnOfFewer(v, n)
			request := wire.AdminRequest{Op: wire.AdminRemove, Node: n.ID, Force: force}
			if !force { // which a pause does not hold up
				a.warnOfPause(v)
			}
			if wait {
				return a.changeAndWait(cmd.Context(), request, v.name(n.ID), within)
			}
			return a.remove(cmd.Context(), request, v)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "at once: the node is down and will not come back")
	cmd.Flags().BoolVar(&wait, "wait", false, "return when the node is no member any more, and its replicas are elsewhere")
	cmd.Flags().DurationVar(&within, "within", 0, "wait no longer than `DURATION` (exit code 10 then; the removal goes on)")
	return cmd
}

// remove asks for a removal and says what happens now.
func (a *app) remove(ctx context.Context, request wire.AdminRequest, v *view) error {
	name := v.name(request.Node)
	if request.Force {
		err := a.change(ctx, request, name+" is no member any more:", name+" was no member any more")
		if err == nil {
			a.sayHowToWait("all copies are there again", "status --wait")
		}
		return err
	}
	err := a.change(ctx, request, name+" is being removed:", name+" was being removed already")
	if err == nil {
		a.sayHowToWait("it is no member any more", "remove "+v.id(request.Node)+" --wait")
	}
	return err
}

// lostWith lists the partitions that have no majority of live copies without the
// node.
func (v *view) lostWith(node string) []int {
	var lost []int
	for i := range v.status.Partitions {
		p := &v.status.Partitions[i]
		c := v.copies(p)
		for j := range p.Replicas {
			if r := &p.Replicas[j]; r.Node == node && r.Role != wire.ReplicaLearner && !v.down(node) {
				c.live--
			}
		}
		if c.live < c.majority && hasReplica(p, node) {
			lost = append(lost, p.Number)
		}
	}
	return lost
}

func (a *app) clusterTransferCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "transfer PARTITION NODE",
		Short: "Make a node the leader of a partition of which it has a replica",
		Long: `Make a node the leader of a partition. It must have a replica that is caught up. This
is for the moment: leaders return to where placement prefers them.`,
		Example: `  vega-client cluster transfer 12 3f2a
  vega-client cluster transfer 12 10.0.0.3:8342`,
		Args: exactly("PARTITION", "NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := strconv.Atoi(args[0])
			if err != nil || p < 0 {
				return usagef("PARTITION %q is not the number of a partition", args[0])
			}
			v, n, err := a.findNode(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			if p >= len(v.status.Partitions) {
				return usagef("PARTITION %d: the cluster has partitions 0 to %d", p, len(v.status.Partitions)-1)
			}
			return a.change(cmd.Context(), wire.AdminRequest{Op: wire.AdminTransfer, Node: n.ID, Partition: &p},
				fmt.Sprintf("partition %d is handed to %s", p, v.name(n.ID)), fmt.Sprintf("partition %d was led by %s already", p, v.name(n.ID)))
		},
	}
}

func (a *app) clusterRebalanceCommand() *cobra.Command {
	var wait bool
	var within time.Duration
	cmd := &cobra.Command{
		Use:   "rebalance",
		Short: "Compare the placement with what it should be, now",
		Long: `Compare the placement of replicas and leaders with what it should be, and begin to
move what is elsewhere. The cluster does this by itself, in intervals and when nodes come
and go; this does it now.`,
		Example: `  vega-client cluster rebalance
  vega-client cluster rebalance --wait`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if within > 0 && !wait {
				return usagef("--within says how long to wait: it belongs to --wait")
			}
			st, _, err := a.clusterStatus(cmd.Context())
			if err != nil {
				return err
			}
			a.warnOfPause(newView(st))
			request := wire.AdminRequest{Op: wire.AdminRebalance}
			if !wait {
				words := "the placement is compared with what it should be, and what is elsewhere is moved"
				err := a.change(cmd.Context(), request, words, words)
				if err == nil {
					a.sayHowToWait("everything is where it should be", "rebalance --wait")
				}
				return err
			}
			var reply wire.AdminReply
			if _, err := a.admin(cmd.Context(), request, &reply); err != nil {
				return err
			}
			return a.waitForBalance(cmd.Context(), within)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "return when everything is where it should be")
	cmd.Flags().DurationVar(&within, "within", 0, "wait no longer than `DURATION` (exit code 10 then; the moves go on)")
	return cmd
}

// calmLooks is how many looks in a row must show nothing on the move: between two
// moves there may be a moment without one.
const calmLooks = 4

func (a *app) waitForBalance(ctx context.Context, within time.Duration) error {
	begin, total, calm := a.env.Now(), 0, 0
	err := a.waitFor(ctx, within, func(v *view) (bool, string) {
		moving := 0
		for i := range v.status.Partitions {
			if v.status.Partitions[i].Moving {
				moving++
			}
		}
		moving = max(moving, len(v.status.Moves))
		total = max(total, moving)
		share := float64(total-moving) / float64(max(total, 1))
		text := fmt.Sprintf("%s %3.0f %%  %s to move", bar(share), share*100, countOf(moving, "partition"))
		if v.status.Paused {
			text += " (placement is paused)"
		}
		if calm++; moving > 0 {
			calm = 0
		}
		return calm == calmLooks, text
	})
	if err != nil {
		return err
	}
	words := fmt.Sprintf("everything is where it should be: %s moved in %s", countOf(total, "partition"), span(a.env.Now().Sub(begin)))
	if total == 0 {
		words = "everything is where it should be: nothing had to be moved"
	}
	return a.printDone(words, words, map[string]any{"partitions_moved": total})
}

func (a *app) clusterPauseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pause",
		Short: "Move no replica until resume: for maintenance",
		Long: `Move no replica until resume, drains included. Leaders still change when nodes come
and go, so that data stays served.`,
		Example: `  vega-client cluster pause`,
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.change(cmd.Context(), wire.AdminRequest{Op: wire.AdminPause}, "placement is paused", "placement was paused already")
		},
	}
}

func (a *app) clusterResumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "resume",
		Short:   "Take a pause back",
		Example: `  vega-client cluster resume`,
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.change(cmd.Context(), wire.AdminRequest{Op: wire.AdminResume}, "placement goes on", "placement was not paused")
		},
	}
}

func (a *app) clusterSettingsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "settings [KEY [VALUE]]",
		Short: "List the settings that all nodes share, or set one",
		Long: `List the settings that all nodes share, print one, or set one. They are part of the
cluster's state: a change reaches every node and lasts. Settings of a single node are in
its configuration file.`,
		Example: `  vega-client cluster settings
  vega-client cluster settings replicas
  vega-client cluster settings replicas 5`,
		Args: between(0, "KEY", "VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := wire.AdminRequest{Op: wire.AdminSettings}
			if len(args) == 2 {
				request.Key, request.Value = args[0], args[1]
			}
			var reply wire.AdminSettingsReply
			if _, err := a.admin(cmd.Context(), request, &reply); err != nil {
				return err
			}
			return a.printSettings(&reply, args)
		},
	}
}

func (a *app) printSettings(reply *wire.AdminSettingsReply, args []string) error {
	if len(args) == 0 {
		return a.printSettingsTable(reply)
	}
	for i := range reply.Settings {
		s := &reply.Settings[i]
		if s.Key != args[0] {
			continue
		}
		switch {
		case a.json:
			writeJSON(a.env.Out, s)
			return nil
		case len(args) == 1:
			_, err := fmt.Fprintln(a.env.Out, s.Value)
			return err
		case !reply.Changed:
			return a.printDone(s.Key+" was "+s.Value+" already", s.Value, nil)
		}
		return a.printDone(s.Key+" is "+s.Value+" on every node", s.Value, nil)
	}
	return &nodeError{fmt.Sprintf("there is no setting %q; vega-client cluster settings lists them", args[0])}
}

func (a *app) printSettingsTable(reply *wire.AdminSettingsReply) error {
	if a.json {
		for i := range reply.Settings {
			writeJSON(a.env.Out, &reply.Settings[i])
		}
		return nil
	}
	columns := []column{{head: "setting", left: true}, {head: "value", left: true, flexible: true, least: 10},
		{head: "default", left: true, flexible: true, least: 8}, {head: "is", left: true, flexible: true, least: 20}}
	var rows [][]cell
	for i := range reply.Settings {
		s := &reply.Settings[i]
		row := plainCells(s.Key, s.Value, s.Default, s.Describe)
		row[0].paint = style.bold
		if s.Value != s.Default {
			row[1].paint = style.cyan
		}
		rows = append(rows, row)
	}
	var out strings.Builder
	drawTable(&out, a.outStyle(), a.tableWidth(), columns, rows)
	_, err := fmt.Fprint(a.env.Out, out.String())
	return err
}
