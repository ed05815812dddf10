//go:build faultfs && unix

package vegadb

import (
	"os"

	"github.com/prakashpandey/vegadb/internal/faultfs"
	"github.com/prakashpandey/vegadb/internal/node"
)

// enterWorld gives the node a disk and a clock that fail when a test says so. It is part of builds for tests alone.
func (n *Node) enterWorld(o *node.Options) error {
	socket := os.Getenv(faultfs.Variable)
	n.cfg.Logger.Warn("THIS IS A BUILD FOR TESTS (tag faultfs): its disk and its clock fail on command. Keep no data with it",
		"version", Version, "commanded_by", socket)
	if socket == "" || o.Dir == "" {
		return nil
	}
	world, err := faultfs.Connect(socket, o.Dir)
	if err != nil {
		return err
	}
	o.FS, o.Clock, o.Elapsed = world.FS, world.Clock, world.Elapsed
	return nil
}
