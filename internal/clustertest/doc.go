// Package clustertest starts clusters of real vega-server processes for tests, and torments them.
//
//	func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }
//
//	c := clustertest.Start(t, clustertest.Options{Nodes: 3})
//	c.Torment(t, history.Workload{Seed: seed}, 10*time.Second, clustertest.Nemesis{Seed: seed, Faults: …})
//
// Torment lets clients work while faults come and go, heals everything, reads every key once more and has package
// history judge it all. What is smaller is there by itself: Node has Kill, Terminate, Pause, Resume and Start, Cluster
// has Client, Leader and Node.ID, Network has Block and Unblock.
//
// # Processes
//
// The server is built once per test binary, from the sources as they are, with the assertions of package invariants if
// the test has them. Each node has a data directory, ports and a log file of its own, under the test's temporary
// directory. A process dies with the test binary, also when that panics or is killed: on Linux the kernel sees to it
// (PR_SET_PDEATHSIG), elsewhere only the end of the test does. A server that ends without having been told to fails
// the test. When a test fails, the ends of the logs and the faults with their times are shown.
//
// # Networks
//
//   - Direct: nodes talk to each other without anything in between.
//   - Proxied: each node tells its peers the address of a proxy, which learns from the first bytes of a
//     connection who calls and can hold, cut, delay and slow what travels between two nodes in one direction.
//     Messages of a direction travel on connections that their sender has made, so that a direction can be cut
//     alone. Held bytes arrive late, when the direction is opened again, as they do from a real network.
//   - Namespaces: each node lives in a network namespace of its own, and packets are dropped by routes. It needs
//     root and iproute2.
//
// Clients always reach all nodes: a leader cut off from its peers is asked all the same.
//
// # Disks
//
// With Options.DiskBytes each node has a file system of its own, in a file: it can be filled up (ENOSPC) and frozen, so
// that every write and fsync waits. It needs root and loop devices.
//
// With Options.Faulty the server is another build, whose disk and wall clock fail on command (package faultfs): Node.Order
// lets the Nth operation fail, stall or end the process, Node.CutPower leaves of the data directory what a power cut would.
//
// # Requirements
//
// What a machine cannot do is skipped; with VEGADB_TEST_REQUIRE=1 it is a failure, so that the make target that promises
// such tests keeps its word. With VEGADB_TEST_ARTIFACTS=DIR illegal histories are written there as JSON and HTML.
package clustertest
