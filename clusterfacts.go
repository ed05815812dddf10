package vegadb

import (
	"time"

	"github.com/prakashpandey/vegadb/internal/admin"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// clusterFacts is what a node knows of its cluster, for the admin API.
func clusterFacts(s *node.ClusterStats, self string, partitions int) *admin.Cluster {
	w := &s.Worker
	c := &admin.Cluster{
		Member: s.Member, Epoch: s.Epoch, Replicas: s.Replicas, MovesPaused: s.Paused,
		MetaLeader: nodeName(s.MetaLeader), MetaTerm: s.MetaTerm, MetaContact: fromUnixMs(s.Contact),
		Members: make([]admin.Member, len(s.Members)), Moves: make([]admin.Move, len(s.Moves)), Peers: make([]admin.Peer, len(s.Transport.Peers)),
		Partitions: admin.Partitions{Total: partitions, WithoutLeader: s.Leaderless, Degraded: s.Degraded, WithoutMajority: s.Endangered},
		Sessions:   int64(s.Sessions),
		Raft: admin.Raft{
			Leaders: w.Leaders, Followers: w.Followers, Learners: w.Learners, Leaderless: w.Leaderless, Installing: w.Installing,
			Elections: w.Elections, ElectionsWon: w.Won, LeadsLost: w.Lost, LeaderChanges: w.LeaderChanges, Transfers: w.Transfers,
			ProposalsPending: w.Proposals, Applied: w.Applied, Refused: w.Refused, Unknown: w.Unknown, Early: w.Early, Busy: s.Busy,
			ReadsPending: w.Reads, ReadRounds: w.ReadRounds, ReadRoundsOK: w.ReadRoundsOK, ReadsFailed: w.ReadsFailed,
			LogMemoryBytes: s.HeldBytes, QueueBytes: w.QueueBytes, ApplyLag: w.ApplyLag, Laggards: w.Laggards, MostLag: w.MostLag,
			WorkerTurns: w.Turns, WorkerBusySeconds: w.Busy.Seconds(), WorkerSkippedTicks: w.SkippedTicks,
		},
		Reads: admin.Reads{ByLevel: map[string]uint64{}, LeaseHits: s.Reads.LeaseHits, Waited: s.Reads.Waited, Withdrawn: s.Reads.Withdrawn},
		Snapshots: admin.Transfers{
			Sent: s.Snapshots.Sent, SendFailed: s.Snapshots.SendFailed, SentBytes: s.Snapshots.SentBytes,
			Received: s.Snapshots.Received, ReceiveFailed: s.Snapshots.ReceiveFailed, ReceivedBytes: s.Snapshots.ReceivedBytes,
			Installed: s.Snapshots.Installed, Dropped: s.Snapshots.Dropped, Replaced: s.Snapshots.Replaced, Damaged: s.Damaged,
			Sending: s.Snapshots.Sending, SendingSent: s.Snapshots.SendingSentBytes, SendingPending: s.Snapshots.SendingRemainingBytes,
		},
	}
	for level := wire.Linearizable; level <= wire.Local; level++ {
		c.Reads.ByLevel[front.LevelName(level)] = s.Reads.ByLevel[level]
	}
	heard := map[ring.NodeID]time.Time{}
	for i, m := range s.Members {
		heard[m.ID] = fromUnixMs(m.LastHeard)
		c.Members[i] = admin.Member{
			ID: m.ID.String(), Self: m.ID.String() == self, Addr: m.Addr, PeerAddr: m.PeerAddr, AdminAddr: m.AdminAddr, Zone: m.Zone, Version: m.Version,
			State: m.State, Meta: m.Meta, Leads: m.Leads, Replicas: m.Replicas, LastHeard: heard[m.ID],
		}
	}
	for i, m := range s.Moves {
		c.Moves[i] = admin.Move{
			Partition: m.Partition, From: nodeName(m.From), To: nodeName(m.To), Step: string(m.Step), SentBytes: m.SentBytes, TotalBytes: m.TotalBytes,
		}
	}
	for i := range s.Transport.Peers {
		p := &s.Transport.Peers[i]
		c.Peers[i] = admin.Peer{
			ID: p.Node.String(), Addr: p.Addr, Connected: p.Connected, Incoming: p.Incoming, LastHeard: heard[p.Node], QueueBytes: p.QueueBytes,
			SentFrames: p.SentFrames, SentBytes: p.SentBytes, ReceivedFrames: p.ReceivedFrames, ReceivedBytes: p.ReceivedBytes,
			Dropped: p.Dropped, LastError: p.LastError,
		}
	}
	return c
}

// nodeName is a node's id as people see it, "" for none.
func nodeName(id ring.NodeID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func fromUnixMs(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
