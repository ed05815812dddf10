package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/wire"
)

func (a *app) clusterWatchCommand() *cobra.Command {
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Watch the cluster until q: nodes, partitions with problems, moves",
		Long: `Show the cluster's state again and again. On a terminal it takes the whole screen and q
leaves; to a pipe it prints a line per look, with --json the whole status.`,
		Example: `  vega-client cluster watch
  vega-client cluster watch --interval 5s | tee cluster.log`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond {
				return usagef("--interval must be at least 100ms")
			}
			if a.env.OutTerminal && !a.json {
				return a.watchScreen(cmd.Context(), interval)
			}
			return a.watchLines(cmd.Context(), interval)
		},
	}
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "look every `DURATION`")
	return cmd
}

// watchLines prints a line per look. Only a first look that fails ends it.
func (a *app) watchLines(ctx context.Context, interval time.Duration) error {
	for first := true; ; first = false {
		st, text, err := a.clusterStatus(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && (first || !transient(err)):
			return err
		case err != nil:
			a.watchFailed(err)
		case a.json:
			if _, err := fmt.Fprintf(a.env.Out, "%s\n", text); err != nil {
				return err
			}
		default:
			if _, err := fmt.Fprintln(a.env.Out, lookText(newView(st), a.env.Now())); err != nil {
				return err
			}
		}
		if !a.pause(ctx, interval) {
			return ctx.Err()
		}
	}
}

func (a *app) watchFailed(err error) {
	e := explain(err, a.session.conn.address)
	if a.json {
		a.reportJSON(e)
		return
	}
	fmt.Fprintf(a.env.Err, "%s %s\n", a.env.Now().Format(time.TimeOnly), e.Message)
}

// lookText is a status on a line.
func lookText(v *view, now time.Time) string {
	h := judge(v.status)
	return fmt.Sprintf("%s epoch %d %s", now.Format(time.TimeOnly), v.status.Epoch, h.line())
}

// Sequences that a terminal understands.
const (
	screenEnter = "\x1b[?1049h\x1b[?25l" // another screen, no cursor
	screenLeave = "\x1b[?25h\x1b[?1049l"
	screenHome  = "\x1b[H"
	lineEnd     = "\x1b[K\r\n" // wipe the rest of what stood there
	screenRest  = "\x1b[J"
)

// watchScreen takes the screen until q, Ctrl-C or the end of ctx.
func (a *app) watchScreen(ctx context.Context, interval time.Duration) error {
	if _, _, err := a.clusterStatus(ctx); err != nil {
		return err // told on the usual screen
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quit := a.quitKey(cancel)
	defer quit()
	fmt.Fprint(a.env.Out, screenEnter)
	defer fmt.Fprint(a.env.Out, screenLeave)
	for {
		st, _, err := a.clusterStatus(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var text string
		if err != nil {
			text = a.outStyle().red(explain(err, a.session.conn.address).Message) + "\n"
		} else {
			text = a.watchText(st)
		}
		a.paintScreen(text)
		if !a.pause(ctx, interval) {
			return nil
		}
	}
}

// quitKey ends the watch at q, Escape or Ctrl-C. The returned function gives the
// keyboard back.
func (a *app) quitKey(cancel context.CancelFunc) (stop func()) {
	keys, err := a.env.Keys()
	if err != nil {
		return func() {} // Ctrl-C is a signal then
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		key := make([]byte, 1)
		for {
			if _, err := keys.Read(key); err != nil {
				return
			}
			switch key[0] {
			case 'q', 'Q', 3, 4, 27:
				cancel()
				return
			}
		}
	}()
	return func() {
		_ = keys.Close() // wakes the reader
		<-done
	}
}

// watchText is a screen: the status, and the partitions that have problems.
func (a *app) watchText(st *wire.ClusterStatus) string {
	v, s, width := newView(st), a.outStyle(), a.env.Width()
	var out strings.Builder
	out.WriteString(statusText(v, s, width, a.env.Now(), 12))
	var problems strings.Builder
	bad := func(p *wire.PartitionStatus) bool {
		_, state := v.partitionState(p)
		return state != whole
	}
	if v.partitionsTable(&problems, s, width, bad) > 0 {
		out.WriteString("\n" + problems.String())
	}
	out.WriteString("\n" + s.dim(a.env.Now().Format(time.TimeOnly)+"  q leaves") + "\n")
	return out.String()
}

// paintScreen writes over what is there, line by line, so that nothing flickers.
func (a *app) paintScreen(text string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if height := a.env.Height(); len(lines) > height && height > 1 {
		// The last line says how to leave.
		lines = append(lines[:height-2:height-2], "  …", lines[len(lines)-1])
	}
	_, _ = io.WriteString(a.env.Out, screenHome+strings.Join(lines, lineEnd)+"\x1b[K"+screenRest)
}
