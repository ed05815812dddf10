// Package node is the shell that drives the replicated core with a real log, real
// snapshots, real peers and real time: one Node is one data directory, its replicas of
// the partitions and of the meta group, and the goroutines that keep them.
//
// The core, package replica, has no I/O and no goroutine; what it means to agree on
// something is there. Here is who calls it, when, and under which lock.
//
// # What a partition is
//
// Partition.mode says how its writes are ordered:
//
//	solo        a lone node's group of one voter: index and order are given under
//	            Partition.mu
//	converting  about to get peers: writes are told ErrBusy until all that was accepted is
//	            applied (convert)
//	raft        a replica of a Raft group, driven by the worker
//	absent      none of this node's, or one that damage has put out of action (heal)
//
// A node starts out alone. With the first peer its partitions become Raft groups one by
// one and never become solo again; Clustered says that it has, or has had, company. From
// then on a write is answered later (Deferred), and may be refused with who leads.
//
// # The way of a write: a partition without peers
//
// A session hands Submit an entry that package command encoded. Under Partition.mu
// the group stamps it and takes the next index, and the log takes its record. What
// follows depends on the durability policy:
//
//	always                 the entry waits in the partition's queue; when the
//	                       log reports that its record is on disk, the applier
//	                       applies it and tells the session. No read can see it
//	                       before.
//	everysec, never,       the entry is applied at once. The session calls
//	in-memory              Settle before it replies, which write(2)s the log's
//	                       buffer: a killed process loses nothing.
//
// # The way of a write: a Raft group
//
//	session    Submit: stamps the entry and leaves a copy in the worker's inbox, under
//	           Partition.mu. Who does not lead is told who does (or, having just handed
//	           the partition over, waits until it is known who does); when too much is
//	           held, ErrBusy; when disks are full, ErrNoSpace. Nothing has an index yet.
//	worker     a turn (package driver) takes all that has come, for all groups, and hands it to
//	           replica.Host, which gives out indexes, records and messages. (Many
//	           proposals wait for the end of the sync under way.) One append puts
//	           the records of all groups into the log. Then the messages leave: followers
//	           write while the leader does.
//	log        reports what is durable; that wakes the worker, which tells the host. What
//	           says "I have it", a vote included, leaves only then. Under everysec and
//	           never write(2) is enough, but for terms, votes and installed snapshots,
//	           which are synced under any policy.
//	worker     the host counts; what a majority has is committed, and applied by
//	           partitionMachine under Partition.mu, on every replica. The leader's gives the
//	           results to the session's Waiter, then Done.
//
// A write whose Waiter takes the leader's word (LeaderWaiter) is answered when the
// leader's own record is durable. A Waiter is told once: Done, or Failed with
// NotLeaderError, ErrNoLeader or another refusal (not executed) or with ErrUnknownOutcome.
// A write over several partitions is one for each.
//
// # The way of a read
//
// Whoever reads looks into Partition.Table by himself, under a stripe's lock. On a
// partition without peers that is all. In a cluster he asks for leave before (BeginRead)
// and, when the grant says Recheck, once more between the look and the reply (EndRead):
//
//	linearizable   the leader: the worker has a majority confirm that it still leads, one
//	               round for all reads that wait, and waits until what was committed by
//	               then is applied
//	lease          the leader, at once while its lease lasts; then rechecked. Otherwise
//	               as linearizable
//	session        any replica, when it has applied the index that the client has seen
//	bounded        any replica that was complete lately enough; otherwise after a round
//	local          any replica that holds a state
//
// The last three are rechecked for a snapshot that has replaced the table meanwhile.
//
// # Goroutines
//
// Started by Load, ended by Close, which waits for all of them:
//
//	sweeper       reclaims expired entries within a budget, lets log time go on where
//	              entries wait for it, ends backups that nobody reads
//	snapshotter   writes snapshots when the log has grown or on request, and shortens the
//	              log                                           (with a disk)
//	applier       applies what the log reports durable          (policy always)
//	worker        the only one to touch replica.Host: proposals, reads, messages, time,
//	              records; and the mover, which takes each group that this node leads a
//	              step towards its target in the meta state, hands leadership to who is
//	              preferred, and drops replicas that are not wanted any more
//	membership    tells the cluster where this node is, and the others whom it leads
//	controller    where this node leads the meta group: has it carry out what meta.Plan
//	              finds to do
//
// The last three exist with Options.Cluster. Some come and go, and are waited for too: one
// for each snapshot that is sent (two at a time; the others wait), one for each that is
// installed, one for each replica that is dropped, one for each report to the meta group.
// The transport has its own, which call peerHandler: frames go into the worker's inbox,
// and a peer that has filled it is not read meanwhile; a received snapshot is written and
// verified on the goroutine of its connection.
//
// The worker waits for nothing but the log: while its queue is full and, where the policy
// is not always, for write(2), or for fsync where a term or a vote is among the records.
// Its node gives no sign of life meanwhile, and others take over. A disk that is full, or
// that hangs under always, does not stop it: records that the log has no room for wait in
// order, reads go on, and leaderships are given away (package driver, space.go).
//
// Everybody else asks the worker by leaving things in its inbox (propose, read, frame,
// do) or waits for it (ask). Functions that run on it say so: "On the worker."
//
// # Snapshots between nodes
//
// A replica that is behind its leader's log gets a snapshot file (startSending): one that
// the leader has, or one written for this and gone afterwards. peerHandler.Snapshot
// receives, verifies and publishes it as one of this node's own, unless the replica is gone
// or further by then; when its group has accepted it, startInstalling loads it in place of
// the table. Meanwhile the partition may not be read (readable), nor be made a snapshot of
// (replacing).
//
// # Locks, in the order they are taken
//
//	Partition.snapshotting → Partition.publishing → Partition.mu
//	Partition.snapshotting → Partition.publishing → Node.shortening
//	Partition.mu → store stripe locks
//	Partition.mu → the log's locks
//	Partition.mu → worker.mu
//	Partition.mu → leaders.mu
//	metaReplica.snapshotting → metaReplica.mu
//	topologyCache.mu → leaders.mu
//
// Several partitions are locked in ascending order. Node.life, which orders Load
// and Close, is never held together with these. All other locks (cluster.mu, those of
// contact, pace, backups, snapshotter) are the last that is taken.
//
// The worker takes Partition.mu and what comes behind it, and none of snapshotting,
// publishing, shortening: whoever holds these may wait for the worker. Nobody waits for it
// with Partition.mu held.
//
// # Invariants
//
//   - Records of a group reach the log in index order: on a partition without peers
//     index and append share Partition.mu, in a Raft group both are the worker's.
//   - Under always, nothing is applied on a partition without peers before it is durable,
//     and nothing in a Raft group before it is durable on a majority.
//   - No replica acknowledges or votes before that is in its log as durably as the policy
//     says; terms and votes are on disk under any.
//   - A partition is marked for the applier before its record is appended: no
//     report of the log can come too early for it.
//   - What has failed to be written or applied is never acknowledged. An error of the log
//     or of a group is fatal: the process must end.
//   - Node.Now never goes back and never lies before a stamp that was applied here. Stamps,
//     expiry times and reads all use it, so that they agree whatever the wall clock
//     does.
//   - What waits is bounded in bytes: by the log's queue until it is written, by the node
//     until it is applied, by what the worker holds for its groups (ErrBusy beyond), and
//     by its inbox for what peers send.
//   - What package retention says of snapshots and of the log before them.
//   - A snapshot is published only when the log is durable up to its index, so
//     that an older snapshot and the log always join up.
//   - A node that had company does not start when its log lacks what it voted or
//     acknowledged (package recovery): alone it would serve what others have.
//   - A replica whose snapshots are damaged and whose log does not make up for it is not brought
//     up, and of it nothing changes on disk until its group has removed it (heal).
//   - What belonged to a replica that is gone goes from the disk only after the log says
//     durably that it is gone; no id of a replica comes back on a node (gone).
//
// # Files
//
//	node, recover, replayer, whole     from Open to Close, and back from the disk, as package recovery decides
//	partition, submit, applier,        writes without peers
//	waitqueue
//	worker, shell, propose, reads      writes and reads in Raft groups; the order of events is package driver's
//	space                              what is known of full disks
//	cluster, meta, membership,         peers, the meta group's replica, what they are told
//	contact, controller
//	leaders, mover                     who leads what; replicas on their way: what package
//	                                   mover decides
//	snapshotter, shorten, snapstream,  snapshot files and the log before them, as package retention decides
//	backup
//	heal                               damaged replicas, until their peers have replaced them
//	sweeper, keyspace                  expiry, everything at once
//	admin, stats, clusterstats,        for people and metrics
//	workerstats
package node
