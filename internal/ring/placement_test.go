package ring

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// testID is a node id that looks like a random one and depends on n alone.
func testID(n int) (id NodeID) {
	sum := sha256.Sum256(fmt.Append(nil, "node ", n))
	copy(id[:], sum[:])
	return id
}

// equals returns n members of the same capacity, dealt to the given number of zones.
func equals(n, zones int) []Member {
	members := make([]Member, n)
	for i := range members {
		members[i] = Member{ID: testID(i), Capacity: 1, Zone: fmt.Sprint("zone ", i%zones)}
	}
	return members
}

func drawMembers(t *rapid.T, label string) []Member {
	n := rapid.IntRange(1, 24).Draw(t, label)
	zones := rapid.IntRange(1, 5).Draw(t, label+" zones")
	capacity := rapid.SampledFrom([]*rapid.Generator[uint32]{
		rapid.Just[uint32](1), rapid.Uint32Range(8, 12), rapid.Uint32Range(0, 5), rapid.Uint32(),
	}).Draw(t, label+" capacities")
	first := rapid.IntRange(0, 10).Draw(t, label+" first")
	members := make([]Member, n)
	for i := range members {
		members[i] = Member{testID(first + i), capacity.Draw(t, "capacity"), fmt.Sprint(rapid.IntRange(1, zones).Draw(t, "zone"))}
	}
	return members
}

// counts returns how many replicas and how many firsts each node has.
func counts(placed [][]NodeID) (held, firsts map[NodeID]int) {
	held, firsts = map[NodeID]int{}, map[NodeID]int{}
	for _, set := range placed {
		for i, id := range set {
			held[id]++
			if i == 0 {
				firsts[id]++
			}
		}
	}
	return held, firsts
}

// moved counts the replicas of after that before has not.
func moved(before, after [][]NodeID) int {
	count := 0
	for p := range after {
		for _, id := range after[p] {
			if !slices.Contains(before[p], id) {
				count++
			}
		}
	}
	return count
}

func firstsMoved(before, after [][]NodeID) int {
	count := 0
	for p := range after {
		if before[p][0] != after[p][0] {
			count++
		}
	}
	return count
}

// checkRules fails unless placed keeps every rule that doc.go promises.
func checkRules(t rapid.TB, members []Member, partitions, replicas int, placed [][]NodeID) {
	t.Helper()
	if len(placed) != partitions {
		t.Fatalf("%d partitions placed, want %d", len(placed), partitions)
	}
	zoneOf, zoneSize := map[NodeID]string{}, map[string]int{}
	for _, m := range members {
		if _, twice := zoneOf[m.ID]; !twice {
			zoneOf[m.ID] = m.Zone
			zoneSize[m.Zone]++
		}
	}
	want := min(replicas, len(zoneOf))
	for p, set := range placed {
		seen, inZone := map[NodeID]bool{}, map[string]int{}
		for _, id := range set {
			zone, member := zoneOf[id]
			if !member || seen[id] {
				t.Fatalf("partition %d is on %v: distinct members only", p, set)
			}
			seen[id] = true
			inZone[zone]++
		}
		if len(set) != want {
			t.Fatalf("partition %d has %d replicas, want %d", p, len(set), want)
		}
		// As even as it can be: no zone could take a replica from one that has two more.
		for a := range zoneSize {
			for b, size := range zoneSize {
				if inZone[b] < size && inZone[a] > inZone[b]+1 {
					t.Fatalf("partition %d: zone %q has %d replicas, %q %d of %d nodes", p, a, inZone[a], b, inZone[b], size)
				}
			}
		}
	}
	held, firsts := counts(placed)
	pl := newPlacement(members, partitions, replicas)
	for _, n := range pl.nodes {
		if got, most := held[n.id], boundedCeil(n.held.share); got > most {
			t.Fatalf("node %v holds %d replicas, at most %d are fair (share %.3f)", n.id, got, most, float(n.held.share))
		}
		if got := held[n.id]; got < n.held.floor() || got > n.held.ceil() {
			t.Fatalf("node %v holds %d replicas, its share is %.3f", n.id, got, float(n.held.share))
		}
		if got, most := firsts[n.id], boundedCeil(n.first.share); got > most {
			t.Fatalf("node %v should lead %d partitions, at most %d are fair (share %.3f)", n.id, got, most, float(n.first.share))
		}
	}
}

// boundedCeil is ceil(1.15 × s), the most that a node whose fair share is s may have.
func boundedCeil(s uint64) int { return shareCeil(mulDiv(s, 115, 100)) }

func float(share uint64) float64 { return float64(share) / float64(shareOne) }

func drawShape(t *rapid.T) (partitions, replicas int) {
	return rapid.SampledFrom([]int{1, 3, 8, 16, 64, 100}).Draw(t, "partitions"), rapid.IntRange(1, 5).Draw(t, "replicas")
}

func TestPlacementKeepsItsRulesWhateverTheMembersWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions, replicas := drawShape(t)
		var placed [][]NodeID
		for step := range rapid.IntRange(1, 4).Draw(t, "steps") {
			members := drawMembers(t, fmt.Sprint("members ", step))
			placed = Place(members, partitions, replicas, placed)
			checkRules(t, members, partitions, replicas, placed)
			if again := Place(members, partitions, replicas, placed); !reflect.DeepEqual(again, placed) {
				t.Fatalf("placed again, %d replicas and %d firsts move", moved(placed, again), firstsMoved(placed, again))
			}
			replicas = rapid.IntRange(1, 5).Draw(t, "replicas next")
		}
	})
}

func TestPlacementTakesAnyPresent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions, replicas := drawShape(t)
		members := drawMembers(t, "members")
		present := make([][]NodeID, rapid.IntRange(0, partitions+2).Draw(t, "known"))
		for p := range present {
			for range rapid.IntRange(0, 6).Draw(t, "replicas here") {
				present[p] = append(present[p], testID(rapid.IntRange(0, 40).Draw(t, "node")))
			}
		}
		placed := Place(members, partitions, replicas, present)
		checkRules(t, members, partitions, replicas, placed)
		if again := Place(members, partitions, replicas, placed); !reflect.DeepEqual(again, placed) {
			t.Fatal("placed again, something moves")
		}
	})
}

func TestPlacementDoesNotDependOnTheOrderOfMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions, replicas := drawShape(t)
		before, members := drawMembers(t, "before"), drawMembers(t, "members")
		shuffled := rapid.Permutation(members).Draw(t, "shuffled")
		present := Place(before, partitions, replicas, nil)
		if !reflect.DeepEqual(Place(members, partitions, replicas, present), Place(shuffled, partitions, replicas, present)) {
			t.Fatal("another order of members places differently")
		}
		if !reflect.DeepEqual(Place(members, partitions, replicas, present), Place(append(shuffled, members[0]), partitions, replicas, present)) {
			t.Fatal("a member given twice counts twice")
		}
	})
}

// One node more among N equal ones has to move its share, 1/(N+1) of all replicas; one less moves what it had.
func TestMembershipChangesMoveLittle(t *testing.T) {
	for _, zones := range []int{1, 3} {
		for n := 1; n <= 40; n++ {
			for _, partitions := range []int{64, 256} {
				const replicas = 3
				members := equals(n+1, zones)
				before := Place(members[:n], partitions, replicas, nil)
				after := Place(members, partitions, replicas, before)
				grown := len(after[0]) - len(before[0])
				got, all := moved(before, after)-grown*partitions, replicas*partitions
				if n >= replicas && float64(got) > 1.35/float64(n+1)*float64(all) {
					t.Errorf("%d zones, %d partitions: the node that joins %d moves %d of %d replicas, %.2f of 1/%d",
						zones, partitions, n, got, all, float64(got*(n+1))/float64(all), n+1)
				}
				// One by one, whichever it is, it leaves.
				held, _ := counts(after)
				gone := members[n/2]
				left := Place(slices.Delete(slices.Clone(members), n/2, n/2+1), partitions, replicas, after)
				if got, few := moved(after, left), held[gone.ID]+held[gone.ID]/4+n/2; got > few {
					t.Errorf("%d zones, %d partitions: one of %d leaves with %d replicas, %d move", zones, partitions, n+1, held[gone.ID], got)
				}
			}
		}
	}
}

// The same holds after any history of joins and leaves, not only for a placement that was made at once.
func TestMembershipChangesMoveLittleAfterAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const replicas = 3
		partitions := rapid.SampledFrom([]int{64, 100, 256}).Draw(t, "partitions")
		n, next := rapid.IntRange(3, 20).Draw(t, "nodes"), 1000
		members := equals(n, 1)
		placed := Place(members, partitions, replicas, nil)
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			before, n := placed, len(members)
			if n > replicas && rapid.Bool().Draw(t, "one leaves") {
				at := rapid.IntRange(0, n-1).Draw(t, "which")
				held, _ := counts(before)
				had := held[members[at].ID]
				members = slices.Delete(members, at, at+1)
				placed = Place(members, partitions, replicas, before)
				if got := moved(before, placed); got > had+2 {
					t.Fatalf("one of %d leaves with %d replicas, %d move", n, had, got)
				}
				continue
			}
			members = append(members, Member{ID: testID(next), Capacity: 1, Zone: "zone 0"})
			next++
			placed = Place(members, partitions, replicas, before)
			if got, all := moved(before, placed), partitions*replicas; got*(n+1)*100 > all*135 {
				t.Fatalf("one joins %d: %d of %d replicas move", n, got, all)
			}
			if got := firstsMoved(before, placed); got*(n+1)*100 > partitions*150+100*(n+1) {
				t.Fatalf("one joins %d: %d of %d partitions get another first", n, got, partitions)
			}
		}
	})
}

func TestPlacementIsTheSameInEveryVersion(t *testing.T) {
	digest := func(placed [][]NodeID) string {
		h := sha256.New()
		for _, set := range placed {
			for _, id := range set {
				h.Write(id[:])
			}
			h.Write([]byte{';'})
		}
		return hex.EncodeToString(h.Sum(nil)[:8])
	}
	mixed := equals(7, 3)
	for i := range mixed {
		mixed[i].Capacity = uint32(i + 1)
	}
	three := Place(equals(3, 1), 64, 3, nil)
	for name, c := range map[string]struct {
		placed [][]NodeID
		want   string
	}{
		"one node":             {Place(equals(1, 1), 64, 3, nil), "a9bd056a800e501e"},
		"three nodes":          {three, "030deffa9fae712b"},
		"a fourth joins":       {Place(equals(4, 1), 64, 3, three), "ab1934c3c787de3c"},
		"seven in three zones": {Place(mixed, 128, 3, nil), "31615aae4955a707"},
		"twenty nodes":         {Place(equals(20, 4), 256, 3, nil), "17a8d5ffff0e6719"},
	} {
		if got := digest(c.placed); got != c.want {
			t.Errorf("%s: digest %s, want %s: nodes of different versions would place differently", name, got, c.want)
		}
	}
}

// placeWithoutPresent is consistent hashing with bounded loads as it is published: partitions come in order, and each
// replica goes to the next node clockwise that is below ceil(1.15 × its share). It is what Place is compared with.
func placeWithoutPresent(members []Member, partitions, replicas int) [][]NodeID {
	pl := newPlacement(members, partitions, replicas)
	out := make([][]NodeID, partitions)
	for p := range pl.sets {
		for n := range pl.walk(p) {
			if len(pl.sets[p]) < pl.replicas && pl.mayAdd(p, n) && pl.nodes[n].held.have < boundedCeil(pl.nodes[n].held.share) {
				pl.add(p, n)
				out[p] = append(out[p], pl.nodes[n].id)
			}
		}
	}
	return out
}

// What taking the present placement as an argument buys. Run with -v for the figures of docs/decisions.
func TestPlaceIsMoreEvenThanTheCircleAloneAndMovesNoMoreThanItMust(t *testing.T) {
	const partitions, replicas, tries = 256, 3, 20
	for _, n := range []int{3, 4, 6, 10, 20, 50} {
		var alone, place, worstAlone, worstPlace int
		leastAlone, mostAlone, leastPlace, mostPlace := partitions, 0, partitions, 0
		for try := range tries {
			members := equals(n+1+try, 1)[try:]
			before, after := placeWithoutPresent(members[:n], partitions, replicas), placeWithoutPresent(members, partitions, replicas)
			alone, worstAlone = alone+moved(before, after), max(worstAlone, moved(before, after))
			held, _ := counts(after)
			leastAlone, mostAlone = min(leastAlone, least(held)), max(mostAlone, most(held))

			before = Place(members[:n], partitions, replicas, nil)
			after = Place(members, partitions, replicas, before)
			place, worstPlace = place+moved(before, after), max(worstPlace, moved(before, after))
			held, _ = counts(after)
			leastPlace, mostPlace = min(leastPlace, least(held)), max(mostPlace, most(held))
		}
		must := partitions * replicas / (n + 1)
		t.Logf("one joins %2d (1/%d is %d replicas): the circle alone moves %d, at worst %d, and nodes hold %d to %d; Place moves %d, at worst %d, and nodes hold %d to %d",
			n, n+1, must, alone/tries, worstAlone, leastAlone, mostAlone, place/tries, worstPlace, leastPlace, mostPlace)
		if worstPlace > must+1 || mostPlace-leastPlace > 1 {
			t.Errorf("one joins %d: Place moves up to %d replicas, %d is the share; nodes hold %d to %d", n, worstPlace, must, leastPlace, mostPlace)
		}
	}
}

// Run with -v for the figures of docs/decisions.
func TestFiguresOfPlacement(t *testing.T) {
	for _, n := range []int{3, 4, 6, 10, 20, 50} {
		const partitions, replicas = 256, 3
		members := equals(n+1, 1)
		before := Place(members[:n], partitions, replicas, nil)
		held, firsts := counts(before)
		after := Place(members, partitions, replicas, before)
		heldAfter, _ := counts(after)
		left := Place(members[1:], partitions, replicas, after)
		t.Logf("%2d nodes: replicas %d to %d, firsts %d to %d; one joins: %d of %d move (1/%d is %d), %d firsts; one of %d leaves with %d: %d move",
			n, least(held), most(held), least(firsts), most(firsts), moved(before, after), partitions*replicas, n+1,
			partitions*replicas/(n+1), firstsMoved(before, after), n+1, heldAfter[members[0].ID], moved(after, left))
	}
}

func least(m map[NodeID]int) int {
	v := -1
	for _, c := range m {
		if v < 0 || c < v {
			v = c
		}
	}
	return v
}

func most(m map[NodeID]int) int {
	v := 0
	for _, c := range m {
		v = max(v, c)
	}
	return v
}

func BenchmarkPlace(b *testing.B) {
	for _, c := range []struct{ nodes, partitions int }{{5, 64}, {20, 256}, {100, 4096}} {
		members := equals(c.nodes+1, 3)
		before := Place(members[:c.nodes], c.partitions, 3, nil)
		b.Run(fmt.Sprintf("new/nodes=%d/partitions=%d", c.nodes, c.partitions), func(b *testing.B) {
			for b.Loop() {
				Place(members[:c.nodes], c.partitions, 3, nil)
			}
		})
		b.Run(fmt.Sprintf("unchanged/nodes=%d/partitions=%d", c.nodes, c.partitions), func(b *testing.B) {
			for b.Loop() {
				Place(members[:c.nodes], c.partitions, 3, before)
			}
		})
		b.Run(fmt.Sprintf("join/nodes=%d/partitions=%d", c.nodes, c.partitions), func(b *testing.B) {
			for b.Loop() {
				Place(members, c.partitions, 3, before)
			}
		})
	}
}
