package cli

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestStatusOfAWholeCluster(t *testing.T) {
	_, w := newFakeCluster(t)
	r := w.run(t, "cluster", "status", "--check")
	r.want(t, exitOK, "~cluster c0ffee00 at epoch 12 is whole", "")
	r.want(t, exitOK, "~3 nodes, 8 partitions, 3 copies wanted of each; 12,000 keys, 9.0 MiB of memory", "")
	r.want(t, exitOK, "~meta group led by 3f2a11c0, voters 3f2a11c0 3f2a99d1 91bc77aa", "")
	r.want(t, exitOK, "~3f2a11c0  10.0.0.1:8342  rack-1  active", "")
	w.run(t, "cluster", "status", "--wait").want(t, exitOK, "~is whole", "")
}

func TestStatusSaysWhatIsWrong(t *testing.T) {
	f, w := newFakeCluster(t)
	for _, c := range []struct {
		name string
		edit func(*wire.ClusterStatus)
		want []string
	}{
		{"a node is down", func(st *wire.ClusterStatus) { st.Nodes[2].State = wire.NodeDown },
			[]string{"is unavailable", "2 partitions without a leader: 2, 5", "6 partitions with fewer live copies than wanted: 0–1, 3–4, 6–7", "node 91bc77aa (10.0.0.3:8342) is down"}},
		{"two nodes are down", func(st *wire.ClusterStatus) { st.Nodes[1].State, st.Nodes[2].State = wire.NodeDown, wire.NodeDown },
			[]string{"is unavailable", "8 partitions without a majority of copies: 0–7"}},
		{"a leader is missing", func(st *wire.ClusterStatus) { st.Partitions[4].Leader = "" }, []string{"is unavailable", "1 partition without a leader: 4"}},
		{"a copy is behind", func(st *wire.ClusterStatus) {
			st.Partitions[4].Replicas[1].State, st.Partitions[4].Replicas[1].Match = "snapshot", 17
		},
			[]string{"is degraded", "1 partition with a copy that is catching up: 4"}},
		{"a copy is missing", func(st *wire.ClusterStatus) { st.Partitions[7].Replicas = st.Partitions[7].Replicas[:2] },
			[]string{"is degraded", "1 partition with fewer live copies than wanted: 7"}},
		{"the meta group has no leader", func(st *wire.ClusterStatus) { st.Meta.Leader = "" }, []string{"is degraded", "the meta group has no leader", "led by nobody"}},
	} {
		st := threeNodes()
		c.edit(&st)
		f.change(func(f *fakeCluster) { f.status = st })
		w.run(t, "cluster", "status").want(t, exitOK, "~", "")
		for _, text := range c.want {
			w.run(t, "cluster", "status", "--check").want(t, exitNotYet, "~"+text, "")
		}
	}
}

func TestStatusNotesWhatIsUnderWay(t *testing.T) {
	f, w := newFakeCluster(t)
	f.change(func(f *fakeCluster) {
		f.status.Paused, f.status.Replicas = true, 5
		f.status.Nodes[0].State, f.status.Nodes[1].Version = wire.NodeDraining, "0.5.0"
		f.status.Moves = []wire.MoveStatus{{Partition: 3, From: nodeA, To: nodeC, Step: wire.MoveCatchingUp, Percent: 45, BytesDone: 12 << 20,
			BytesTotal: 27 << 20, BytesPerSecond: 4 << 20, SecondsLeft: 4}, {Partition: 5, To: nodeB, Step: wire.MoveLearner, SecondsLeft: -1}}
	})
	for _, text := range []string{"is whole", "node 3f2a11c0 (10.0.0.1:8342) is draining: 8 replicas left", "placement is paused", "2 replicas on the way",
		"nodes run different versions: 0.4.0 on 2 nodes, 0.5.0 on 1 node", "5 copies wanted of each partition, and only 2 nodes",
		"3  3f2a11c0  91bc77aa  catching-up  ███░░░░░  45 %  12.0 MiB of 27.0 MiB  4.0 MiB/s    4s",
		"5  –         3f2a99d1  learner      ░░░░░░░░   0 %"} {
		w.run(t, "cluster", "status", "--check").want(t, exitOK, "~"+text, "")
	}
}

func TestStatusNamesDamagedCopies(t *testing.T) {
	f, w := newFakeCluster(t)
	f.change(func(f *fakeCluster) {
		for i := range f.status.Nodes {
			if f.status.Nodes[i].ID == f.status.Partitions[3].Replicas[1].Node {
				f.status.Nodes[i].Damaged = []int{3}
			}
		}
	})
	w.run(t, "cluster", "status").want(t, exitOK, "~is degraded", "")
	w.run(t, "cluster", "status").want(t, exitOK, "~has damaged copies that the others are to replace: partition 3", "")
	w.run(t, "cluster", "partitions").want(t, exitOK, "~copies, 1 damaged", "")
}

func TestStatusSaysHowManyReplicasAreYetToMove(t *testing.T) {
	st := &wire.ClusterStatus{Moves: make([]wire.MoveStatus, 4), MovesWaiting: 1240}
	if text := summary(st); !strings.Contains(text, "4 replicas on the way, 1,240 to come") {
		t.Errorf("it says:\n%s", text)
	}
	st.Paused = true
	if text := summary(st); strings.Contains(text, "to come") {
		t.Errorf("while moves are paused it says:\n%s", text)
	}
}

// summary is a status's first lines.
func summary(st *wire.ClusterStatus) string {
	return newView(st).summaryText(style{}, judge(st))
}

func TestNodesAndPartitionsAreListed(t *testing.T) {
	f, w := newFakeCluster(t)
	f.change(func(f *fakeCluster) {
		f.status.Nodes[2].State, f.status.Nodes[2].Since = wire.NodeDown, 1
		f.status.Partitions[1].Replicas[1].Role, f.status.Partitions[1].Moving = wire.ReplicaLearner, true
	})
	w.run(t, "cluster", "nodes").want(t, exitOK, "~down ", "")
	w.run(t, "cluster", "partitions").want(t, exitOK, "~  0       0–2047  3f2a11c0     3  1,500  400 KiB  3f2a99d1 !91bc77aa  2 of 3 copies", "")
	w.run(t, "cluster", "partitions").want(t, exitOK, "~!91bc77aa 3f2a11c0", "")
	if r := w.run(t, "cluster", "partitions", "--node", "10.0.0.1:8342"); strings.Count(r.out, "\n") != 9 {
		t.Errorf("%s", r.out)
	}
	if r := w.run(t, "--json", "cluster", "nodes"); strings.Count(r.out, "\n") != 3 || !strings.Contains(r.out, `"peer_addr":"10.0.0.3:8344"`) {
		t.Errorf("%s", r.out)
	}
	if r := w.run(t, "--json", "cluster", "partitions"); strings.Count(r.out, "\n") != 8 {
		t.Errorf("%s", r.out)
	}
	f.change(func(f *fakeCluster) { f.status = threeNodes() })
	w.run(t, "cluster", "partitions", "--problems").want(t, exitOK, "none\n", "")
	var st wire.ClusterStatus
	if err := json.Unmarshal([]byte(w.run(t, "--json", "cluster", "status").out), &st); err != nil || len(st.Partitions) != 8 {
		t.Errorf("%v %+v", err, st)
	}
}

func TestSlotsAreThoseThatKeysAreRoutedBy(t *testing.T) {
	for _, n := range []int{1, 3, 7, 64, 100, 16384} {
		next := 0
		for p := range n {
			from, to, _ := strings.Cut(slots(p, n), "–")
			var f, l int
			if json.Unmarshal([]byte(from), &f) != nil || json.Unmarshal([]byte(to), &l) != nil || f != next || f*n/16384 != p || l*n/16384 != p {
				t.Fatalf("partition %d of %d: %s", p, n, slots(p, n))
			}
			next = l + 1
		}
		if next != 16384 {
			t.Fatalf("%d partitions end at %d", n, next)
		}
	}
}

func TestANodeIsNamedByPrefixOrAddress(t *testing.T) {
	f, w := newFakeCluster(t)
	for _, name := range []string{nodeB, "3f2a9", "3F2A9", "10.0.0.2:8342", "10.0.0.2:8344"} {
		w.run(t, "cluster", "undrain", name).want(t, exitOK, "3f2a99d1 (10.0.0.2:8342) was not being drained\n", "")
	}
	for _, r := range f.asked() {
		if r.Op != wire.AdminUndrain || r.Node != nodeB {
			t.Errorf("asked for %+v", r)
		}
	}
	w.run(t, "cluster", "drain", "3f2a").want(t, exitNotFound, "", "~\"3f2a\" may be 3f2a11c0 (10.0.0.1:8342) or 3f2a99d1 (10.0.0.2:8342): give more digits")
	w.run(t, "cluster", "drain", "10.0.0.9:8342").want(t, exitNotFound, "", "~no node is called \"10.0.0.9:8342\"; there are 3f2a11c0")
	w.run(t, "--json", "cluster", "drain", "").want(t, exitNotFound, "", `~"status":"NOT_FOUND"`)
}

func TestChangesAreAskedForAndSaid(t *testing.T) {
	f, w := newFakeCluster(t)
	w.run(t, "cluster", "drain", "91").want(t, exitOK, "91bc77aa (10.0.0.3:8342) is being drained\n", "~warning: without it there are 2 nodes: each partition will have 2 copies instead of 3\n"+
		"to watch it: vega-client cluster watch; to wait until it is empty: vega-client cluster drain 91bc77aa --wait\n")
	w.run(t, "cluster", "drain", "91").want(t, exitOK, "~was being drained already", "~warning")
	w.run(t, "cluster", "undrain", "91").want(t, exitOK, "~may hold replicas again", "")
	w.run(t, "cluster", "pause").want(t, exitOK, "placement is paused\n", "")
	w.run(t, "cluster", "pause").want(t, exitOK, "placement was paused already\n", "")
	w.run(t, "cluster", "resume").want(t, exitOK, "placement goes on\n", "")
	w.run(t, "cluster", "rebalance").want(t, exitOK, "the placement is compared with what it should be, and what is elsewhere is moved\n", "~rebalance --wait\n")
	w.run(t, "--json", "cluster", "rebalance").want(t, exitOK, `{"epoch":13,"changed":true}`+"\n", "")
	w.run(t, "cluster", "transfer", "7", "91").want(t, exitOK, "~partition 7 is handed to 91bc77aa", "")
	w.run(t, "cluster", "remove", "91").want(t, exitOK, "~is being removed", "~to wait until it is no member any more: vega-client cluster remove 91bc77aa --wait\n")
	w.run(t, "cluster", "remove", "91", "--force").want(t, exitOK, "91bc77aa (10.0.0.3:8342) is no member any more\n", "~to wait until all copies are there again: vega-client cluster status --wait\n")
	asked := f.asked()
	if last := asked[len(asked)-1]; last.Op != wire.AdminRemove || !last.Force || last.Node != nodeC {
		t.Errorf("asked for %+v", last)
	}
	if transfer := asked[len(asked)-3]; transfer.Partition == nil || *transfer.Partition != 7 {
		t.Errorf("asked for %+v", transfer)
	}
	f.change(func(f *fakeCluster) { f.status.Nodes[0].State = wire.NodeDown })
	w.run(t, "cluster", "remove", "91", "--force").want(t, exitOK, "~", "~warning: 8 partitions without a majority when 91bc77aa (10.0.0.3:8342) is gone: 0–7")
}

func TestARefusalIsShownWithItsText(t *testing.T) {
	f, w := newFakeCluster(t)
	f.change(func(f *fakeCluster) {
		f.refuse = &wire.Error{Status: wire.InvalidArgument, Text: "the node still has 8 replicas: drain it first"}
	})
	w.run(t, "cluster", "remove", "91").want(t, exitError, "", "~vega-client: the node still has 8 replicas: drain it first")
	f.change(func(f *fakeCluster) { f.refuse = &wire.Error{Status: wire.PermissionDenied, Text: "not you"} })
	w.run(t, "cluster", "pause").want(t, exitDenied, "", "~not you")
}

func TestARequestWhoseReplyIsLostIsSentAgain(t *testing.T) {
	f, w := newFakeCluster(t)
	f.change(func(f *fakeCluster) { f.unheard = 1 })
	w.run(t, "cluster", "pause").want(t, exitOK, "placement was paused already\n", "")
	if n := len(f.asked()); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestDrainWaitsUntilTheNodeIsEmpty(t *testing.T) {
	f, w := newFakeCluster(t)
	f.change(func(f *fakeCluster) {
		f.look = func(f *fakeCluster) {
			if n := f.node(nodeC); n.State == wire.NodeDraining {
				n.Replicas = max(n.Replicas-5, 0)
				if n.Replicas == 0 {
					n.Leads = 0
				}
			}
		}
	})
	w.terminal = true
	r := w.run(t, "cluster", "drain", "91", "--wait", "--no-color")
	r.want(t, exitOK, "~OK 91bc77aa (10.0.0.3:8342) is empty: 3 replicas moved in ", "~")
	w.terminal = false
	f.change(func(f *fakeCluster) {
		f.status = threeNodes()
		f.look = func(f *fakeCluster) {
			if f.looks%3 == 0 {
				f.status.Nodes = f.status.Nodes[:2]
			} else if len(f.status.Nodes) == 3 {
				f.status.Nodes[2].State = wire.NodeDraining
			}
		}
	})
	w.run(t, "cluster", "remove", "91", "--wait").want(t, exitOK, "~91bc77aa (10.0.0.3:8342) is no member any more: ", "~")
	f.change(func(f *fakeCluster) { f.status, f.look = threeNodes(), nil })
	w.run(t, "cluster", "drain", "91", "--wait", "--within", "1ms").want(t, exitNotYet, "", "~not yet after")
	w.run(t, "cluster", "drain", "91", "--within", "1ms").want(t, exitUsage, "", "~belongs to --wait")
}

func TestRemoveByForceWaitsUntilTheCopiesAreMadeAnew(t *testing.T) {
	f, w := newFakeCluster(t)
	f.change(func(f *fakeCluster) {
		f.status.Nodes[2].State = wire.NodeDown
		f.look = func(f *fakeCluster) {
			switch f.looks {
			case 1:
			case 2:
				f.status.Nodes[2].State, f.status.Nodes[2].Replicas = wire.NodeRemoved, 3
			default:
				f.status.Nodes = f.status.Nodes[:2]
			}
		}
	})
	w.run(t, "cluster", "remove", "91", "--force", "--wait").want(t, exitOK, "~91bc77aa (10.0.0.3:8342) is no member any more: 3 replicas made anew in ", "~")
}

func TestADrainThatIsTakenBackEndsTheWaitForIt(t *testing.T) {
	f, w := newFakeCluster(t)
	f.change(func(f *fakeCluster) {
		f.look = func(f *fakeCluster) {
			if n := f.node(nodeC); f.looks == 3 {
				n.State, n.Draining = wire.NodeActive, false
			}
		}
	})
	w.run(t, "cluster", "drain", "91", "--wait").want(t, exitNotYet, "", "~somebody has taken it back")
}

func TestAPauseIsSaidWhereItHoldsThingsUp(t *testing.T) {
	f, w := newFakeCluster(t)
	f.change(func(f *fakeCluster) { f.status.Paused = true })
	const warning = "~warning: placement is paused: nothing is moved until vega-client cluster resume\n"
	w.run(t, "cluster", "drain", "91").want(t, exitOK, "~", warning)
	w.run(t, "cluster", "rebalance").want(t, exitOK, "~", warning)
	w.run(t, "cluster", "remove", "91").want(t, exitOK, "~", warning)
	w.run(t, "cluster", "remove", "91", "--wait", "--within", "1ms").want(t, exitNotYet, "", warning)
}

func TestStatesOfNodesAreShownWithTheTimeByTheClusterSClock(t *testing.T) {
	f, w := newFakeCluster(t)
	const now = 1_800_000_000_000
	for _, c := range []struct {
		name string
		edit func(*wire.NodeStatus)
		want string
	}{
		{"down for a moment", func(n *wire.NodeStatus) { n.State, n.Since = wire.NodeDown, now-300 }, "  down 1s  "},
		{"down for longer", func(n *wire.NodeStatus) { n.State, n.Since = wire.NodeDown, now-3_723_000 }, "  down 1h 2m  "},
		{"down, nobody knows since when", func(n *wire.NodeStatus) { n.State = wire.NodeDown }, "  down  "},
		{"down while it is drained", func(n *wire.NodeStatus) { n.State, n.Draining, n.Since = wire.NodeDown, true, now-5000 }, "  down 5s, draining  "},
		{"draining", func(n *wire.NodeStatus) { n.State, n.Draining, n.Since = wire.NodeDraining, true, now-65_000 }, "  draining 1m 5s  "},
		{"leaving", func(n *wire.NodeStatus) {
			n.State, n.Draining, n.Leaving, n.Since = wire.NodeDraining, true, true, now-5000
		}, "  leaving 5s  "},
		{"since tomorrow", func(n *wire.NodeStatus) { n.State, n.Since = wire.NodeJoining, now+86_400_000 }, "  joining 1s  "},
	} {
		st := threeNodes()
		st.TimeMs = now
		c.edit(&st.Nodes[2])
		f.change(func(f *fakeCluster) { f.status = st })
		if r := w.run(t, "cluster", "nodes"); !strings.Contains(r.out, c.want) {
			t.Errorf("%s: %s", c.name, r.out)
		}
	}
	// Copies are not missed that a node which is being emptied does not have to hold.
	st := threeNodes()
	st.Nodes[2].State, st.Nodes[2].Draining, st.Nodes[2].Replicas = wire.NodeDown, true, 0
	for i := range st.Partitions {
		p := &st.Partitions[i]
		p.Target, p.Leader = []string{nodeA, nodeB}, nodeA
		p.Replicas = slices.DeleteFunc(p.Replicas, func(r wire.ReplicaStatus) bool { return r.Node == nodeC })
	}
	f.change(func(f *fakeCluster) { f.status = st })
	if r := w.run(t, "cluster", "status"); strings.Contains(r.out, "fewer live copies") {
		t.Error(r.out)
	}
}

func TestAnAddressThatTwoNodesHaveNamesNeither(t *testing.T) {
	f, w := newFakeCluster(t)
	f.change(func(f *fakeCluster) {
		f.status.Nodes[0].State, f.status.Nodes[0].Addr = wire.NodeDown, f.status.Nodes[2].Addr
	})
	w.run(t, "cluster", "remove", "10.0.0.3:8342").want(t, exitNotFound, "",
		`~"10.0.0.3:8342" may be 3f2a11c0 (10.0.0.3:8342), which is down, or 91bc77aa (10.0.0.3:8342): give the id`)
	if n := len(f.asked()); n != 0 {
		t.Errorf("asked for %+v", f.asked())
	}
}

func TestDrainProgressCountsMovesThatAreHalfDone(t *testing.T) {
	st := threeNodes()
	st.Nodes[2].State, st.Nodes[2].Replicas = wire.NodeDraining, 4
	st.Moves = []wire.MoveStatus{{From: nodeC, To: nodeA, Percent: 50, BytesPerSecond: 1 << 20}, {From: nodeA, Percent: 50}}
	text := drainText(newView(&st), &st.Nodes[2], 8, 9e9)
	if !strings.Contains(text, " 56 %  4 of 8 replicas left, 1.0 MiB/s, 7s to go") {
		t.Errorf("%s", text)
	}
}

func TestRebalanceAndStatusWait(t *testing.T) {
	f, w := newFakeCluster(t)
	f.change(func(f *fakeCluster) {
		f.status.Partitions[0].Moving, f.status.Partitions[1].Leader = true, ""
		f.look = func(f *fakeCluster) {
			if f.looks == 3 {
				f.status = threeNodes()
			}
		}
	})
	w.run(t, "cluster", "rebalance", "--wait").want(t, exitOK, "~everything is where it should be: 1 partition moved", "")
	f.change(func(f *fakeCluster) { f.status.Partitions[1].Leader = "" })
	w.run(t, "cluster", "status", "--wait", "--within", "1ms").want(t, exitNotYet, "~is unavailable", "~not yet after 1ms: unavailable: 1 partition without a leader: 1")
}

func TestSettingsAreListedReadAndSet(t *testing.T) {
	_, w := newFakeCluster(t)
	w.run(t, "cluster", "settings").want(t, exitOK, "~replicas  3      3        copies of each partition", "")
	w.run(t, "cluster", "settings", "replicas", "5").want(t, exitOK, "5\n", "")
	w.run(t, "cluster", "settings", "replicas").want(t, exitOK, "5\n", "")
	w.run(t, "--json", "cluster", "settings", "replicas").want(t, exitOK, `~"value":"5"`, "")
	w.run(t, "cluster", "settings", "nope").want(t, exitNotFound, "", "~there is no setting")
}

func TestUsersAreListedAndReplaced(t *testing.T) {
	f, w := newFakeCluster(t)
	w.run(t, "cluster", "users").want(t, exitOK, "~none: each node goes by its own users file", "")
	f.change(func(f *fakeCluster) {
		f.users.Users = []wire.AdminUser{{Name: "ops", Role: "admin"}, {Name: "shop", Role: "write", Prefixes: []string{"shop:", "cart:"}}}
	})
	w.run(t, "cluster", "users").want(t, exitOK, "~shop  write  shop:* cart:*", "")
	name := filepath.Join(t.TempDir(), "users.toml")
	if err := os.WriteFile(name, []byte("[users.ops]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run(t, "cluster", "users", "--set", name).want(t, exitOK, "2 users on every node\n", "")
	if asked := f.asked(); asked[len(asked)-1].Document != "[users.ops]\n" {
		t.Errorf("%+v", asked)
	}
	w.stdin = " \n"
	w.run(t, "cluster", "users", "--set", "-").want(t, exitError, "", "~is empty")
}

func TestWatchPrintsLinesToAPipe(t *testing.T) {
	f, w := newFakeCluster(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.change(func(f *fakeCluster) {
		f.look = func(f *fakeCluster) {
			if f.status.Nodes[2].State = wire.NodeDown; f.looks == 3 {
				cancel()
			}
		}
	})
	var out, errOut strings.Builder
	if code := Run(ctx, w.build(&out, &errOut, []string{"cluster", "watch", "--interval", "100ms"})); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if lines := strings.Count(out.String(), " epoch 12 unavailable: 2 partitions without a leader: 2, 5; "); lines < 2 {
		t.Errorf("%s%s", out.String(), errOut.String())
	}
}

// keyboardOf gives the keys of keys, then waits for Close.
type keyboardOf struct {
	*io.PipeReader
	closed atomic.Bool
}

func (k *keyboardOf) Close() error {
	k.closed.Store(true)
	return k.PipeReader.Close()
}

func TestWatchTakesTheScreenAndGivesItBack(t *testing.T) {
	f, w := newFakeCluster(t)
	r, typed := io.Pipe()
	keys := &keyboardOf{PipeReader: r}
	w.terminal, w.keys = true, keys
	f.change(func(f *fakeCluster) {
		f.look = func(f *fakeCluster) {
			if f.looks == 3 {
				go func() { _, _ = typed.Write([]byte("xq")) }()
			}
		}
	})
	run := w.run(t, "cluster", "watch", "--interval", "100ms")
	run.want(t, exitOK, "~"+screenEnter, "")
	if !strings.HasSuffix(run.out, screenLeave) || !strings.Contains(run.out, "q leaves") || !keys.closed.Load() {
		t.Errorf("%q", run.out)
	}
	for line := range strings.SplitSeq(run.out, "\r\n") {
		if strings.Contains(line, "\n") {
			t.Errorf("a line feed without a carriage return: %q", line)
		}
	}
}

func TestClusterUsageErrors(t *testing.T) {
	w := world{env: map[string]string{"VEGA_ADDR": "127.0.0.1:1"}} // nothing must be sent there
	for _, c := range []struct {
		message string
		args    []string
	}{
		{`unknown command "statsu"; did you mean status`, []string{"statsu"}},
		{"NODE is missing", []string{"drain"}},
		{"PARTITION \"x\" is not the number", []string{"transfer", "x", "y"}},
		{"NODE is missing", []string{"transfer", "1"}},
		{"--interval must be at least", []string{"watch", "--interval", "1ms"}},
		{"one argument too many", []string{"settings", "a", "b", "c"}},
		{"--within says how long to wait", []string{"rebalance", "--within", "1s"}},
		{"--within says how long to wait", []string{"remove", "91", "--within", "1s"}},
	} {
		r := w.run(t, append([]string{"cluster"}, c.args...)...)
		r.want(t, exitUsage, "", "~"+c.message)
		r.want(t, exitUsage, "", "~see: vega-client cluster")
	}
	w.run(t, "cluster", "status").want(t, exitUnreachable, "", "~cannot reach 127.0.0.1:1")
	w.run(t, "cluster").want(t, exitOK, "~Usage:", "")
}

func TestTablesFitTheirWidthWhereTheyCan(t *testing.T) {
	st := threeNodes()
	for i := range st.Nodes {
		n := &st.Nodes[i]
		n.Addr, n.Zone = "very-long-name-of-a-host."+strings.Repeat("x", 60)+".example.org:8342", strings.Repeat("zone", 9)
		n.Keys, n.Bytes, n.Leads, n.Replicas, n.AppliedLag, n.Version = 12_345_678_901, 900<<30, 1024, 4096, 123_456, "0.14.15-rc.3+build.20300131"
		n.State, n.Since = wire.NodeDraining, 1
	}
	for i := range st.Partitions {
		st.Partitions[i].Keys, st.Partitions[i].Bytes, st.Partitions[i].Term = 1_234_567_890, 900<<30, 12345
	}
	st.Moves = []wire.MoveStatus{{Partition: 1234, From: nodeA, To: nodeB, Step: wire.MoveCatchingUp, Percent: 100, BytesDone: 1023 << 30, BytesTotal: 1023 << 30, BytesPerSecond: 1023 << 20, SecondsLeft: 86399}}
	v := newView(&st)
	var out strings.Builder
	v.nodesTable(&out, style{}, 100, world{}.build(nil, nil, nil).Now())
	v.partitionsTable(&out, style{}, 100, func(*wire.PartitionStatus) bool { return true })
	v.movesTable(&out, style{}, 100, 10)
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestRangesAreShortAndTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		present := rapid.SliceOfNDistinct(rapid.IntRange(0, 30), 0, 31, rapid.ID).Draw(t, "numbers")
		sorted := []int{}
		for i := range 31 {
			for _, p := range present {
				if p == i {
					sorted = append(sorted, i)
				}
			}
		}
		text := ranges(sorted)
		if strings.HasSuffix(text, "…") {
			return
		}
		back := 0
		for part := range strings.SplitSeq(text, ", ") {
			from, to, isRange := strings.Cut(part, "–")
			if from == "" {
				continue
			}
			if !isRange {
				to = from
			}
			var f, l int
			if json.Unmarshal([]byte(from), &f) != nil || json.Unmarshal([]byte(to), &l) != nil {
				t.Fatal(text)
			}
			for n := f; n <= l; n++ {
				if back == len(sorted) || sorted[back] != n {
					t.Fatalf("%v became %s", sorted, text)
				}
				back++
			}
		}
		if back != len(sorted) {
			t.Fatalf("%v became %s", sorted, text)
		}
	})
}
