package endurance

import (
	"context"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/checker"
	"github.com/prakashpandey/vegadb/internal/history"
)

// ChecksReport is what the checked workloads found.
type ChecksReport struct {
	Ops      int64   `json:"ops"`
	Legal    int     `json:"legal"`
	Illegal  int     `json:"illegal"`
	Unknown  int     `json:"unknown"`
	Silence  float64 `json:"silence"` // s: the longest without any reply
	Evidence string  `json:"evidence,omitempty"`
}

// checks runs one checked workload after the other.
type checks struct {
	o      Options
	client *client.Client
	began  time.Time

	mu  sync.Mutex
	sum ChecksReport // guarded by mu
}

func newChecks(o Options, c *client.Client, began time.Time) *checks {
	return &checks{o: o, client: c, began: began}
}

// checkFor is how long one workload runs: several troubles long, and short enough to be judged quickly.
const checkFor = 90 * time.Second

func (c *checks) run(ctx context.Context) {
	for n := uint64(0); ctx.Err() == nil; n++ {
		levels := [][]history.Level{{history.Linearizable}, {history.Lease}, {history.Linearizable, history.Session, history.Bounded}}
		r, err := checker.Run(ctx, c.client, checker.Options{
			For: checkFor,
			Workload: history.Workload{
				Seed: c.o.Seed + n, Clients: 4, Pause: 20 * time.Millisecond, Timeout: 10 * time.Second,
				Levels: levels[n%uint64(len(levels))], Prefix: "check:" + time.Now().Format("150405.000") + ":",
			},
		})
		if err == nil {
			c.add(r)
		}
	}
}

func (c *checks) add(r *checker.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum.Ops += int64(r.Promised.Ops)
	c.sum.Silence = max(c.sum.Silence, r.Silence.Seconds())
	switch {
	case r.Promised.Verdict == history.Illegal:
		c.sum.Illegal++
		c.sum.Evidence = r.Promised.String()
		c.o.Log("ILLEGAL: %s", c.sum.Evidence)
	case r.Promised.Verdict == history.Legal && r.Unread == 0:
		c.sum.Legal++
	default:
		c.sum.Unknown++
	}
}

func (c *checks) report() ChecksReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum
}
