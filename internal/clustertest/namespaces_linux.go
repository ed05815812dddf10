package clustertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// namespaces is the network in which each node has a namespace of its own. A bridge in the test's namespace joins
// them; the test has an address on it and reaches every node.
//
//	bridge 198.18.S.1 ── node 1: eth0 198.18.S.11
//	                  └─ node 2: eth0 198.18.S.12 …
//
// A direction is blocked by giving the sender a wrong hardware address of the receiver: packets leave and arrive
// nowhere, without an error to anybody.
type namespaces struct {
	bridge string
	subnet int // S

	mu    sync.Mutex
	nodes map[int]string // namespaces by node; guarded by mu
}

// nowhere is a hardware address that nobody has.
const nowhere = "02:00:00:00:ff:ff"

func newNamespaces(t testing.TB) (*namespaces, error) {
	need(t, "network namespaces", canUseNamespaces())
	sweepNamespaces()
	n := &namespaces{bridge: fmt.Sprintf("vg%x%c", os.Getpid(), 'a'+rand.IntN(26)), nodes: map[int]string{}}
	used, err := exec.Command("ip", "-4", "-o", "address").Output()
	if err != nil {
		return nil, err
	}
	for n.subnet = rand.IntN(256); strings.Contains(string(used), fmt.Sprintf(" 198.18.%d.", n.subnet)); n.subnet = rand.IntN(256) {
	}
	return n, ip(
		"link add "+n.bridge+" type bridge",
		"address add "+n.address(1)+"/24 dev "+n.bridge,
		"link set "+n.bridge+" up",
	)
}

// canUseNamespaces says what is missing.
func canUseNamespaces() error {
	if os.Geteuid() != 0 {
		return errors.New("not root")
	}
	_, err := exec.LookPath("ip")
	return err
}

// ip runs the command of that name several times.
func ip(commands ...string) error {
	for _, c := range commands {
		if out, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", c, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

func (n *namespaces) address(last int) string  { return fmt.Sprintf("198.18.%d.%d", n.subnet, last) }
func (n *namespaces) host(node int) string     { return n.address(10 + node) }
func (n *namespaces) hardware(node int) string { return fmt.Sprintf("02:00:00:00:00:%02x", node) }

func (n *namespaces) advertise(*Node) (string, error) { return "", nil }

// enter returns the command that runs another in the node's namespace.
func (n *namespaces) enter(node *Node) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return []string{"ip", "netns", "exec", n.nodes[node.Number]}
}

// prepare makes a node's namespace.
func (n *namespaces) prepare(node int) error {
	name := fmt.Sprintf("%s-%d", n.bridge, node)
	outside := fmt.Sprintf("%s%d", n.bridge, node)
	n.mu.Lock()
	n.nodes[node] = name
	n.mu.Unlock()
	return ip(
		"netns add "+name,
		"link add "+outside+" type veth peer name eth0 netns "+name,
		"link set "+outside+" master "+n.bridge+" up",
		"-n "+name+" link set lo up",
		"-n "+name+" link set eth0 address "+n.hardware(node),
		"-n "+name+" address add "+n.host(node)+"/24 dev eth0",
		"-n "+name+" link set eth0 up",
	)
}

func (n *namespaces) Block(from, to int) error   { return n.neighbour(from, to, nowhere) }
func (n *namespaces) Unblock(from, to int) error { return n.neighbour(from, to, n.hardware(to)) }

// neighbour tells a node under which hardware address it finds another.
func (n *namespaces) neighbour(from, to int, hardware string) error {
	n.mu.Lock()
	name := n.nodes[from]
	n.mu.Unlock()
	return ip("-n " + name + " neighbour replace " + n.host(to) + " lladdr " + hardware + " dev eth0 nud permanent")
}

func (n *namespaces) Reset(int, int) error                    { return errNoFaults }
func (n *namespaces) Slow(int, int, time.Duration, int) error { return errNoFaults }
func (n *namespaces) Shuffle(int, int, bool) (int, error)     { return 0, errNoFaults }

func (n *namespaces) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range n.nodes {
		ip("netns delete " + name) // and its end of the pair with it
	}
	ip("link delete " + n.bridge)
}

// sweepNamespaces removes what test binaries that were killed have left behind.
func sweepNamespaces() {
	list, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		return
	}
	for line := range strings.Lines(string(list)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		bridge, _, ok := strings.Cut(name, "-")
		hex, ours := strings.CutPrefix(bridge, "vg")
		if !ok || !ours || len(hex) < 2 {
			continue
		}
		pid, err := strconv.ParseInt(hex[:len(hex)-1], 16, 32)
		if err != nil || alive(int(pid)) {
			continue
		}
		ip("netns delete " + name)
		ip("link delete " + bridge) // the last one succeeds
	}
}

// alive reports whether there is a process of this number.
func alive(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err == nil
}
