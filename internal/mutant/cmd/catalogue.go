package main

import "github.com/prakashpandey/vegadb/internal/mutant"

// entry is a mutant and what is to notice it. Simulated clusters are tried with all that package sim has a world for.
type entry struct {
	bug   mutant.Bug
	what  string
	where string
	// pkg and test name the test of a package that notices it.
	pkg, test string
	// groups: random histories of a single group (package replica) are tried as well, because they hand leadership over and
	// restart voters in the middle of a lease more often than simulated clusters do.
	groups bool
}

var catalogue = []entry{
	{mutant.EarlyAck, "records are acknowledged, to clients and to the leader, before they are durable", "replica `Host.respond`",
		"replica", "TestNothingIsAcknowledgedWhileAMajorityOfDisksStalls", false},
	{mutant.SkippedFsync, "the log's fsync is left out", "wal `Log.syncSegment`",
		"wal", "TestNothingPromisedIsLostInACrashAtAnyBoundary", false},
	{mutant.LocalRead, "a leader's own state is served as a linearizable read", "replica `Host.Read`",
		"replica", "TestACutOffLeaderNeitherCommitsNorConfirmsReads", false},
	{mutant.LeaseFirst, "a lease is checked before the value is read, and not after it", "replica `LeaseHolds`",
		"node", "TestALeaseIsCheckedAfterTheValueIsRead", false},
	{mutant.LeaseInHandover, "a leader keeps its lease while it hands over", "replica `Host.Transfer`",
		"replica", "TestNoLeaseIsTakenInATermInWhichLeadershipWasToBeHandedOver", true},
	{mutant.VoteAfterRestart, "a replica that has just started gives its vote", "replica `Raft.acceptable`",
		"replica", "TestAReplicaThatHasJustStartedGivesNoVote", true},
	{mutant.NaiveSwap, "voters are replaced without a joint configuration", "replica `Raft.change`",
		"replica", "TestWhileVotersAreReplacedAnEntryNeedsBothMajorities", false},
	{mutant.RetryWithoutSession, "a repeated write is executed again", "replica `Group.Apply`",
		"replica", "TestIncrementsRetriedThroughFaultsCountOnce", false},
	{mutant.UnsyncedSnapshot, "a snapshot is published before it is durable", "snapshot `fileWriter.finish`",
		"snapshot", "TestACrashLeavesTheOldSnapshotOrTheNew", false},
	{mutant.LogTruncatedFirst, "the log is truncated before a snapshot holds what it says", "wal `Log.pinned`",
		"wal", "TestTruncateFollowsTheFloors", false},
	{mutant.NoChecksum, "checksums of the log's batches are not compared", "wal `verifyBatch`",
		"node", "TestAFlippedBitInTheLogIsRefusedAndNamed", false},
	{mutant.LocalExpiry, "what has expired by a node's own clock is removed", "store `Table.Sweep`",
		"store", "TestSweepAgreesWithTheLogsTime", false},
	{mutant.LongLease, "a leader believes in its lease for ten times as long", "replica `Host.leaseMs`",
		"replica", "TestALeaseEndsBeforeAVoterForgetsTheLeader", true},
	{mutant.RepeatAsNew, "a client repeats a write whose reply was lost as if it were another one", "attempt `State.Resend`",
		"attempt", "TestNothingIsExecutedTwice", false},
	{mutant.StaleBackup, "a backup of a partition is of any snapshot that there is", "lender `Stale`, `Recent`",
		"lender", "TestAnImageForABackupIsNotOlderThanItsBeginning", false},
	{mutant.UnsyncedBackup, "a backup is called complete before it is durable", "backup `taker.receiveOnce`",
		"backup", "TestAPowerCutLeavesACompleteBackupOrNone", false},
	{mutant.HalvedBatch, "the writes of a batch are shown before all of them are done", "command `Applier.several`",
		"command", "TestNobodyGetsAtABatchBeforeAllOfItIsDone", false},
	{mutant.SkippingScan, "a page of a scan ends behind entries that it does not show", "store `shard.scanSegment`",
		"store", "TestScanSeesWhatStaysWhileTheTableGrowsAndShrinks", false},
}
