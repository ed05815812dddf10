package endurance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/client"
)

// Trouble is something that was done to the cluster.
type Trouble struct {
	What string  `json:"what"`
	From float64 `json:"from"` // s since the start
	To   float64 `json:"to"`   // when the cluster was whole again
}

type troubles struct {
	o      Options
	nodes  *nodes
	client *client.Client
	rng    *rand.Rand
	began  time.Time
	list   []Trouble
}

// run makes trouble until ctx ends; what has begun is finished. Each kind comes once before any comes again.
func (t *troubles) run(ctx context.Context) error {
	kinds := []struct {
		what string
		do   func(context.Context) error
	}{
		{"kill -9 and start", t.kill},
		{"pause for 5 s", t.pause},
		{"stop in order and start", t.restart},
		{"join and remove a fourth node", t.joinAndLeave},
		{"drain and undrain", t.drain},
		{"move leaders", t.transfer},
	}
	for {
		for _, i := range t.rng.Perm(len(kinds)) {
			if !rest(ctx, t.o.Rest) {
				return nil
			}
			trouble := Trouble{What: kinds[i].what, From: time.Since(t.began).Seconds()}
			t.o.Log("%s  %s", time.Now().Format(time.TimeOnly), trouble.What)
			// What has begun is finished, so that the end is like the beginning.
			if err := kinds[i].do(context.WithoutCancel(ctx)); err != nil {
				return fmt.Errorf("%s: %w", trouble.What, err)
			}
			trouble.To = time.Since(t.began).Seconds()
			t.list = append(t.list, trouble)
		}
	}
}

func (t *troubles) victim() *peer.Server {
	return t.nodes.cluster.Nodes[t.rng.IntN(len(t.nodes.cluster.Nodes))]
}

func (t *troubles) kill(ctx context.Context) error {
	s := t.victim()
	if err := s.Kill(); err != nil {
		return err
	}
	rest(ctx, time.Duration(t.rng.Int64N(int64(5*time.Second))))
	return t.again(ctx, s)
}

func (t *troubles) restart(ctx context.Context) error {
	s := t.victim()
	if err := s.Stop(true); err != nil {
		return err
	}
	return t.again(ctx, s)
}

func (t *troubles) again(ctx context.Context, s *peer.Server) error {
	if _, err := s.Restart(ctx); err != nil {
		return err
	}
	return t.nodes.cluster.WaitSettled(ctx, settledEvery)
}

func (t *troubles) pause(ctx context.Context) error {
	s := t.victim()
	if err := s.Proc.Pause(); err != nil {
		return err
	}
	rest(ctx, 5*time.Second)
	if err := s.Proc.Continue(); err != nil {
		return err
	}
	return t.nodes.cluster.WaitSettled(ctx, settledEvery)
}

func (t *troubles) joinAndLeave(ctx context.Context) error {
	if err := t.nodes.join(ctx); err != nil {
		return err
	}
	return t.nodes.leave(ctx, t.client)
}

// drain empties a node of its leaders: with three nodes there is nowhere for its replicas to go.
func (t *troubles) drain(ctx context.Context) error {
	id, err := t.nodes.id(ctx, t.victim())
	if err != nil {
		return err
	}
	if err := admin(ctx, t.client, map[string]any{"op": "drain", "node": id}); err != nil {
		return err
	}
	rest(ctx, 5*time.Second)
	if err := admin(ctx, t.client, map[string]any{"op": "undrain", "node": id}); err != nil {
		return err
	}
	return t.nodes.cluster.WaitSettled(ctx, settledEvery)
}

// transfer gives a node the leadership of some partitions; they go back by themselves.
func (t *troubles) transfer(ctx context.Context) error {
	status, err := peer.AskVega(ctx, t.nodes.cluster.Addrs()...)
	if err != nil {
		return err
	}
	for range 8 {
		p := status.Partitions[t.rng.IntN(len(status.Partitions))]
		to := p.Replicas[t.rng.IntN(len(p.Replicas))].Node
		if err := admin(ctx, t.client, map[string]any{"op": "transfer", "partition": p.Number, "node": to}); err != nil {
			return err
		}
	}
	return t.nodes.cluster.WaitSettled(ctx, settledEvery)
}
