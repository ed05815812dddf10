package cli

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/backup"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

func (a *app) clusterBackupCommand() *cobra.Command {
	var resume bool
	var parallel int
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "Back up all partitions into a directory, while the cluster serves",
		Long: `Back up all partitions into DIR, which must be empty or not there, while the cluster
serves. Each partition is of one moment, with every write that was acknowledged before the
command began; different partitions are of different moments. A node alone is backed up in
the same way.

DIR/BACKUP.json is written last: without it a backup is incomplete, and --resume goes on
with it.`,
		Example: `  vega-client cluster backup /backups/2030-01-31
  vega-client cluster backup /backups/2030-01-31 --resume
  vega-client cluster backup verify /backups/2030-01-31`,
		Args: exactly("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if parallel < 1 {
				return usagef("--parallel must be at least 1")
			}
			return a.backup(cmd.Context(), args[0], backup.Options{Resume: resume, Parallel: parallel})
		},
	}
	cmd.Flags().BoolVar(&resume, "resume", false, "go on with a backup that was interrupted")
	cmd.Flags().IntVar(&parallel, "parallel", 2, "receive `N` partitions at a time")
	verify := a.backupVerifyCommand()
	verify.Flags().SortFlags = false
	cmd.AddCommand(verify)
	return cmd
}

func (a *app) backup(ctx context.Context, dir string, o backup.Options) error {
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	version, _ := versionText()
	o.Program, o.Now = "vega-client "+version, a.env.Now
	show, stop := a.backupProgress("backed up")
	o.Progress = show
	begin := a.env.Now()
	m, err := backup.Take(ctx, db, vfs.OS(), dir, o)
	stop()
	switch {
	case errors.Is(err, backup.ErrIncomplete):
		return usagef("%w: go on with it (--resume), or choose another directory", err)
	case errors.Is(err, backup.ErrComplete), errors.Is(err, backup.ErrNotEmpty):
		return usagef("%w: choose another directory", err)
	case err != nil:
		a.resumeHint(dir)
		return err
	}
	took := a.env.Now().Sub(begin)
	if a.json {
		writeJSON(a.env.Out, map[string]any{"dir": dir, "cluster_id": m.ClusterID, "partitions": m.Partitions, "entries": m.Entries,
			"bytes": m.Bytes, "seconds": took.Truncate(time.Millisecond).Seconds()})
		return nil
	}
	words := fmt.Sprintf("%s with %s entries (%s) backed up to %s in %s", countOf(m.Partitions, "partition"), thousands(int64(m.Entries)),
		byteSize(float64(m.Bytes)), dir, span(took))
	return a.printDone(words, words, nil)
}

// resumeHint says what can be done with what was interrupted, if there is anything.
func (a *app) resumeHint(dir string) {
	if _, err := backup.Open(vfs.OS(), dir); errors.Is(err, backup.ErrIncomplete) && !a.json {
		fmt.Fprintf(a.env.Err, "%v; --resume goes on with it\n", err)
	}
}

// backupProgress shows how far a backup or a verification is. show may be called
// from any goroutine.
func (a *app) backupProgress(verb string) (show func(backup.Progress), stop func()) {
	var last atomic.Pointer[backup.Progress]
	line, begin := a.statusLine(), a.env.Now()
	end := every(200*time.Millisecond, func() {
		if p := last.Load(); p != nil {
			elapsed := a.env.Now().Sub(begin)
			share := float64(p.Partitions) / float64(max(p.Of, 1))
			text := fmt.Sprintf("%s %3.0f %%  %d of %s %s, %s, %s/s", bar(share), share*100, p.Partitions, countOf(p.Of, "partition"), verb,
				byteSize(float64(p.Bytes)), byteSize(float64(p.Bytes)/max(elapsed.Seconds(), 0.001)))
			if share > 0.02 && share < 1 {
				text += ", " + span(time.Duration(float64(elapsed)*(1-share)/share).Round(time.Second)) + " left"
			}
			line.show(text)
		}
	})
	return func(p backup.Progress) { last.Store(&p) }, func() { end(); line.wipe() }
}

func (a *app) backupVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "Read a backup from end to end and check every byte",
		Long: `Read a backup from end to end and compare it with its checksums. No server is asked.
Damaged and missing files are named; the exit code is 9 then.`,
		Example: `  vega-client cluster backup verify /backups/2030-01-31`,
		Args:    exactly("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := openBackup(args[0])
			if err != nil {
				return err
			}
			if err := a.verifyBackup(cmd.Context(), b, args[0]); err != nil {
				return err
			}
			if a.json {
				writeJSON(a.env.Out, map[string]any{"dir": args[0], "cluster_id": b.ClusterID, "partitions": b.Partitions, "entries": b.Entries,
					"bytes": b.Bytes, "begun": b.Begun, "completed": b.Completed, "whole": true})
				return nil
			}
			words := fmt.Sprintf("%s of cluster %s, taken %s, is whole: %s, %s entries, %s", args[0], b.ClusterID[:shortID],
				b.Begun.Format(time.DateTime+" MST"), countOf(b.Partitions, "partition"), thousands(int64(b.Entries)), byteSize(float64(b.Bytes)))
			return a.printDone(words, words, nil)
		},
	}
}

// openBackup words the ways in which there may be none.
func openBackup(dir string) (*backup.Backup, error) {
	b, err := backup.Open(vfs.OS(), dir)
	switch {
	case errors.Is(err, backup.ErrIncomplete):
		return nil, &checkError{text: err.Error(), hint: "vega-client cluster backup DIR --resume goes on with it"}
	case errors.Is(err, backup.ErrDamaged):
		return nil, &checkError{text: err.Error(), hint: backupHint}
	}
	return b, err
}

const backupHint = "this backup cannot be trusted: use another, and find out what the disk did"

// verifyBackup reads all files and names those that are not whole.
func (a *app) verifyBackup(ctx context.Context, b *backup.Backup, dir string) error {
	show, stop := a.backupProgress("verified")
	problems, err := b.Verify(ctx, show)
	stop()
	if err != nil || len(problems) == 0 {
		return err
	}
	const most = 20
	for i, problem := range problems {
		if i == most {
			fmt.Fprintf(a.env.Err, "… and %s more\n", thousands(int64(len(problems)-most)))
			break
		}
		if !a.json {
			fmt.Fprintln(a.env.Err, problem)
		}
	}
	text := fmt.Sprintf("%s: %s of %s damaged, missing or unreadable", dir, countOf(len(problems), "file"), thousands(int64(len(b.Files))))
	if a.json {
		text += ": " + problems[0].Error()
	}
	return &checkError{text: text, hint: backupHint}
}
