package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/wire"
)

func (a *app) clusterStatusCommand() *cobra.Command {
	var check, wait bool
	var within time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print whether the cluster is whole, its nodes and what is moving",
		Long: `Print the cluster's state: whole (every partition is served and has all its copies),
degraded (every partition is served, nodes or copies are missing) or unavailable (some
partition is not served), with the reasons; then the nodes and the replicas on the way.

With --check the exit code is 10 unless the cluster is whole; with --wait the command
returns when it is.`,
		Example: `  vega-client cluster status
  vega-client cluster status --check || alert
  vega-client cluster status --wait --within 5m      before the next node is restarted
  vega-client --json cluster status | jq '.nodes[].state'`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if within > 0 && !wait {
				return usagef("--within says how long to wait: it belongs to --wait")
			}
			if !wait {
				st, _, err := a.clusterStatus(cmd.Context())
				if err == nil {
					err = a.printStatus(st)
				}
				if err == nil && check && judge(st).verdict != whole {
					err = &silentError{exitNotYet}
				}
				return err
			}
			var last *wire.ClusterStatus // the one that has ended the wait is shown
			err := a.waitFor(cmd.Context(), within, func(v *view) (bool, string) {
				last = v.status
				h := judge(last)
				return h.verdict == whole, h.line()
			})
			if last != nil && (err == nil || isNotYet(err)) {
				err = errors.Join(err, a.printStatus(last))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "exit code 10 unless the cluster is whole")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the cluster is whole")
	cmd.Flags().DurationVar(&within, "within", 0, "wait no longer than `DURATION` (exit code 10 then)")
	return cmd
}

func (a *app) printStatus(st *wire.ClusterStatus) error {
	if a.json {
		writeJSON(a.env.Out, st)
		return nil
	}
	_, err := io.WriteString(a.env.Out, statusText(newView(st), a.outStyle(), a.tableWidth(), a.env.Now(), 20))
	return err
}

// statusText is the whole of a status for people.
func statusText(v *view, s style, width int, now time.Time, moves int) string {
	var out strings.Builder
	out.WriteString(v.summaryText(s, judge(v.status)))
	out.WriteByte('\n')
	v.nodesTable(&out, s, width, now)
	if len(v.status.Moves) > 0 && moves > 0 {
		out.WriteByte('\n')
		v.movesTable(&out, s, width, moves)
	}
	return out.String()
}

// tableWidth is what a table may take: the terminal, or 100 columns for a file.
func (a *app) tableWidth() int {
	if a.env.OutTerminal {
		return a.env.Width()
	}
	return 100
}

func (a *app) clusterNodesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "nodes",
		Short: "List the nodes",
		Long: `List the nodes: how many partitions each leads and has a replica of, its entries and
memory, and how many entries of the log it has yet to apply (lag). With --json each node
is an object with further fields, such as the addresses for other nodes and for metrics.`,
		Example: `  vega-client cluster nodes
  vega-client --json cluster nodes | jq -r 'select(.state == "down") | .id'`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, _, err := a.clusterStatus(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				for i := range st.Nodes {
					writeJSON(a.env.Out, &st.Nodes[i])
				}
				return nil
			}
			var out strings.Builder
			newView(st).nodesTable(&out, a.outStyle(), a.tableWidth(), a.env.Now())
			_, err = io.WriteString(a.env.Out, out.String())
			return err
		},
	}
}

func (a *app) clusterPartitionsCommand() *cobra.Command {
	var node string
	var problems bool
	cmd := &cobra.Command{
		Use:   "partitions",
		Short: "List the partitions and where their replicas are",
		Long: `List the partitions: their slots, leader, followers and state. Among the followers
+ marks a learner, which has no vote yet, and ! one on a node that is down.`,
		Example: `  vega-client cluster partitions
  vega-client cluster partitions --problems
  vega-client cluster partitions --node 10.0.0.3:8342
  vega-client --json cluster partitions | jq -r 'select(.moving) | .number'`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, _, err := a.clusterStatus(cmd.Context())
			if err != nil {
				return err
			}
			v := newView(st)
			on := ""
			if node != "" {
				n, err := resolve(v, node)
				if err != nil {
					return err
				}
				on = n.ID
			}
			return a.printPartitions(v, func(p *wire.PartitionStatus) bool {
				_, state := v.partitionState(p)
				return (on == "" || hasReplica(p, on)) && (!problems || state != whole || p.Moving)
			})
		},
	}
	cmd.Flags().StringVar(&node, "node", "", "only partitions with a replica on `NODE`")
	cmd.Flags().BoolVar(&problems, "problems", false, "only partitions that are not as they should be")
	return cmd
}

func hasReplica(p *wire.PartitionStatus, node string) bool {
	for i := range p.Replicas {
		if p.Replicas[i].Node == node {
			return true
		}
	}
	return false
}

func (a *app) printPartitions(v *view, keep func(*wire.PartitionStatus) bool) error {
	if a.json {
		for i := range v.status.Partitions {
			if p := &v.status.Partitions[i]; keep(p) {
				writeJSON(a.env.Out, p)
			}
		}
		return nil
	}
	var out strings.Builder
	if v.partitionsTable(&out, a.outStyle(), a.tableWidth(), keep) == 0 {
		_, err := fmt.Fprintln(a.env.Out, "none")
		return err
	}
	_, err := io.WriteString(a.env.Out, out.String())
	return err
}

// notYetError ends a wait that took too long.
type notYetError struct{ text string }

func (e *notYetError) Error() string { return e.text }

func isNotYet(err error) bool {
	_, ok := errors.AsType[*notYetError](err)
	return ok
}

const (
	// pollEvery is how often a wait looks.
	pollEvery = 500 * time.Millisecond
	// pollPatience is how long a wait puts up with failures in a row: nodes may be
	// restarting.
	pollPatience = 30 * time.Second
)

// waitFor looks at the status until check is content. What check says besides is
// shown on a terminal. within 0 waits for ever.
func (a *app) waitFor(ctx context.Context, within time.Duration, check func(*view) (bool, string)) error {
	line := a.statusLine()
	defer line.wipe()
	begin := a.env.Now()
	lastGood, last := begin, ""
	for {
		st, _, err := a.clusterStatus(ctx)
		now := a.env.Now()
		switch {
		case err == nil:
			lastGood = now
			var done bool
			if done, last = check(newView(st)); done {
				return nil
			}
			line.show(last)
		case ctx.Err() != nil:
			return ctx.Err()
		case !transient(err) || now.Sub(lastGood) > pollPatience:
			return err
		default:
			line.show("no answer for " + span(now.Sub(lastGood).Truncate(time.Second)) + ": " + plainMessage(err))
		}
		if within > 0 && now.Sub(begin) >= within {
			return &notYetError{fmt.Sprintf("not yet after %s: %s", span(within), withoutBar(last))}
		}
		if !a.pause(ctx, pollEvery) {
			return ctx.Err()
		}
	}
}

// transient tells that asking again may bring an answer.
func transient(err error) bool {
	switch statusCode(err) {
	case exitUnreachable, exitBusy, exitUnknown:
		return true
	}
	return false
}

// pause waits for d; false when ctx ended first.
func (a *app) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
