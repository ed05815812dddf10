package sim

import "github.com/prakashpandey/vegadb/internal/mutant"

// MutantWorld is a world in which a mutant shows soon: what it takes to show it, and little else. It reports false for those
// in code that the simulator does not run yet.
func MutantWorld(b mutant.Bug) (c Config, ok bool) {
	// Many clients at one key of one group, some of which do not write and so need not wait for a leader that is cut off: a
	// stale read does not stay unnoticed.
	crowd := Config{Nodes: 3, Partitions: 1, Keys: 1, Clients: 12, Readers: 4}
	c.Features = &Features{}
	crowd.Features = c.Features
	switch b {
	case mutant.EarlyAck, mutant.SkippedFsync, mutant.UnsyncedSnapshot, mutant.LogTruncatedFirst:
		c.Faults = &Faults{Cuts: true, EveryMs: 400}
	case mutant.LocalRead:
		c = crowd
		c.Faults = &Faults{Links: true, Pauses: true, EveryMs: 400}
	case mutant.LeaseFirst, mutant.LongLease:
		c = crowd
		c.Faults = &Faults{Links: true, EveryMs: 400}
	case mutant.VoteAfterRestart:
		c = crowd
		c.Faults = &Faults{Links: true, Kills: true, EveryMs: 200}
	case mutant.LeaseInHandover:
		c = crowd
		c.Faults = &Faults{Handovers: true, EveryMs: 200}
	case mutant.RetryWithoutSession, mutant.RepeatAsNew:
		c.Faults = &Faults{Loss: true, Links: true, EveryMs: 400}
	case mutant.NoChecksum:
		c.Faults = &Faults{Cuts: true, Damage: true, EveryMs: 400}
	case mutant.LocalExpiry:
		c.Partitions, c.Clients = 1, 8
		c.Faults = &Faults{Clocks: true, EveryMs: 400}
	case mutant.StaleBackup:
		c.Features.Backups = true
		c.Faults = &Faults{Kills: true, EveryMs: 1000}
	case mutant.UnsyncedBackup:
		c.Features.Backups = true
		c.Faults = &Faults{}
	case mutant.HalvedBatch, mutant.SkippingScan:
		c.Faults = &Faults{}
	case mutant.NaiveSwap:
		c.Membership = true
	default:
		return c, false
	}
	c.Mutant = b
	return c, true
}
