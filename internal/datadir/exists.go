package datadir

import "github.com/prakashpandey/vegadb/internal/vfs"

// Exists reports whether there is a data directory at path. A directory with other
// contents is an error, as it is to Open.
func Exists(fs vfs.FS, path string) (bool, error) { return holdsData(fs, path) }
