package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/backup"
	"github.com/prakashpandey/vegadb/internal/loader"
)

// restoreFlags are the options of restore.
type restoreFlags struct {
	otherCluster, overwrite bool
	concurrency             int
}

func (a *app) clusterRestoreCommand() *cobra.Command {
	var r restoreFlags
	cmd := &cobra.Command{
		Use:   "restore DIR",
		Short: "Write a backup's entries into a cluster of any size",
		Long: `Write the entries of a backup into a cluster, with any number of nodes and partitions.
First all files are verified, and nothing is written if one is damaged. Entries keep their
expiry, and those whose time has come are left out; their versions are new. A restore that
was interrupted can be repeated with --overwrite.

A cluster whose id is not that of the backup is refused unless --into-other-cluster says
that it is meant; one that holds entries, unless --overwrite lets the backup's entries
replace those with the same key. Others stay.`,
		Example: `  vega-client cluster restore /backups/2030-01-31 --into-other-cluster    into a new cluster
  vega-client cluster restore /backups/2030-01-31 --overwrite             back to what it was`,
		Args: exactly("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.concurrency < 1 {
				return usagef("--concurrency must be at least 1")
			}
			return a.restore(cmd.Context(), args[0], &r)
		},
	}
	cmd.Flags().BoolVar(&r.otherCluster, "into-other-cluster", false, "although the backup is of another cluster")
	cmd.Flags().BoolVar(&r.overwrite, "overwrite", false, "although the cluster holds entries: those of the backup replace them")
	cmd.Flags().IntVar(&r.concurrency, "concurrency", 8, "batches under way at once")
	return cmd
}

// refusedError is a restore that was not begun.
type refusedError struct{ text, hint string }

func (e *refusedError) Error() string { return e.text }

func (a *app) restore(ctx context.Context, dir string, r *restoreFlags) error {
	b, err := openBackup(dir)
	if err != nil {
		return err
	}
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	if err := mayRestore(ctx, db, b, r); err != nil {
		return err
	}
	if err := a.verifyBackup(ctx, b, dir); err != nil {
		return err
	}
	in, stop := newBackupReader(ctx, b)
	defer stop()
	var p loader.Progress
	line, begin := a.statusLine(), a.env.Now()
	end := every(200*time.Millisecond, func() {
		done := p.Loaded.Load() + p.Expired.Load()
		line.show(progressText("entries", done, float64(done)/float64(max(b.Entries, 1)), true, a.env.Now().Sub(begin)))
	})
	err = loader.Load(ctx, in, loader.LoadOptions{
		Store: storeEntries(db), Retry: a.retryLoad(), Concurrency: r.concurrency, Name: dir, Now: a.env.Now,
	}, &p)
	end()
	line.wipe()
	if err != nil {
		var bad *loader.LineError
		if errors.As(err, &bad) {
			err = bad.Err // there are no lines here
		}
		if n := p.Loaded.Load(); n > 0 && !a.json {
			fmt.Fprintf(a.env.Err, "%s of %s entries were restored; repeat the command with --overwrite\n", thousands(n), thousands(int64(b.Entries)))
		}
		return err
	}
	return a.restoreSummary(dir, &p, a.env.Now().Sub(begin))
}

// storeEntries is storeBatch with errors that name the key.
func storeEntries(db *client.Client) loader.Store {
	store := storeBatch(db, false)
	return func(ctx context.Context, records []loader.Record, fail func(int, error)) error {
		return store(ctx, records, func(i int, err error) {
			fail(i, fmt.Errorf("entry %s: %w", shorten(oneLine(records[i].Key), 60), err))
		})
	}
}

// mayRestore compares the cluster with the backup. Nothing has been read yet but
// the manifest.
func mayRestore(ctx context.Context, db *client.Client, b *backup.Backup, r *restoreFlags) error {
	topology, err := db.Topology(ctx)
	if err != nil {
		return err
	}
	if err := b.Fits(topology.ClusterID); err != nil && !r.otherCluster {
		return &refusedError{err.Error(), "if that is meant: --into-other-cluster"}
	}
	if r.overwrite {
		return nil
	}
	for _, err := range db.Scan(ctx, client.WithKeysOnly(), client.WithPageSize(1)) {
		if err != nil {
			return err
		}
		n, err := db.Count(ctx)
		if err != nil {
			return err
		}
		return &refusedError{fmt.Sprintf("the cluster is not empty: it holds %s entries", thousands(max(n, 1))),
			"--overwrite lets the backup's entries replace those with the same key"}
	}
	return nil
}

func (a *app) restoreSummary(dir string, p *loader.Progress, took time.Duration) error {
	n, expired := p.Loaded.Load(), p.Expired.Load()
	fields := map[string]any{"dir": dir, "restored": n, "expired": expired, "bytes": p.Bytes.Load()}
	return a.summary(fields, n, took, func(rate string) string {
		text := fmt.Sprintf("%s: restored %s entries (%s)%s", dir, thousands(n), byteSize(float64(p.Bytes.Load())), rate)
		if expired > 0 {
			text += fmt.Sprintf("; %s left out: expired", thousands(expired))
		}
		return text
	})
}

// backupReader gives a backup's entries as records.
type backupReader struct {
	next func() (backup.Entry, error, bool)
}

func newBackupReader(ctx context.Context, b *backup.Backup) (loader.Reader, func()) {
	next, stop := iter.Pull2(b.All(ctx))
	return &backupReader{next}, stop
}

func (r *backupReader) Read(rec *loader.Record) error {
	e, err, ok := r.next()
	switch {
	case !ok:
		return io.EOF
	case errors.Is(err, backup.ErrDamaged):
		// Verified a moment ago: it has been changed since.
		return &checkError{text: err.Error(), hint: backupHint}
	case err != nil:
		return err
	}
	*rec = loader.Record{Key: e.Key, Value: e.Value, ExpireAt: e.ExpireAt}
	return nil
}
