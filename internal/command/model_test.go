package command

import (
	"fmt"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// model is what a table means, as simply as it can be said. It shares no code with
// Apply but the decoding of ops.
type model map[string]modelEntry

type modelEntry struct {
	value    string
	version  uint64
	expireAt int64
}

// outcomeOf an op is its Result in a form that can be compared and kept.
type outcomeOf struct {
	status   wire.Status
	kind     ResultKind
	n        int64
	bytes    string
	version  uint64
	expireAt int64
}

func (m model) apply(index uint64, stamp int64, limit int64, o op) (out outcomeOf) {
	key := string(o.key)
	e, live := m[key]
	if live && e.expireAt != 0 && e.expireAt <= stamp {
		delete(m, key)
		e, live = modelEntry{}, false
	}
	out.version, out.expireAt = e.version, e.expireAt
	wantsOld := o.flags&ReturnOld != 0 && o.code != opGet || o.code == opGet
	if wantsOld {
		if out.kind = ResultNil; live {
			out.kind, out.bytes = ResultBytes, e.value
		}
	}
	// set stores an entry unless its time has come, and notes it in the outcome.
	set := func(value string, expireAt int64) {
		out.version, out.expireAt = index, expireAt
		if expireAt != 0 && expireAt <= stamp {
			delete(m, key)
			return
		}
		m[key] = modelEntry{value, index, expireAt}
	}
	changed := func() {
		if !wantsOld {
			out.kind, out.n = ResultInt, 1
		}
	}
	if !wantsOld && (o.code == opDelete || o.code == opExpire || o.code == opPersist) {
		out.kind = ResultInt
	}
	switch o.code {
	case opPut:
		switch {
		case o.flags&IfVersion != 0 && e.version != o.ifVersion:
			out.status = wire.VersionMismatch
		case o.flags&IfAbsent != 0 && live:
			out.status = wire.AlreadyExists
		case o.flags&IfPresent != 0 && !live:
			out.status = wire.NotFound
		case o.flags&KeepTTL != 0:
			set(string(o.value), e.expireAt)
		default:
			set(string(o.value), o.expireAt)
		}
	case opDelete:
		switch {
		case o.flags&IfVersion != 0 && e.version != o.ifVersion:
			out.status = wire.VersionMismatch
		case !live:
			out.status = wire.NotFound
		default:
			delete(m, key)
			out.version, out.expireAt = index, 0
			changed()
		}
	case opIncr:
		m.incr(&out, o, e, live, set)
	case opAppend:
		value := e.value + string(o.value)
		if int64(len(value)) > limit && len(o.value) > 0 {
			out.status = wire.TooLarge
		} else {
			out.kind, out.n = ResultInt, int64(len(value))
			set(value, e.expireAt)
		}
	case opExpire:
		f := o.flags
		endless := e.expireAt == 0
		switch {
		case !live:
			out.status = wire.NotFound
		case f&ExpireNX != 0 && !endless, f&ExpireXX != 0 && endless,
			f&ExpireGT != 0 && (endless || o.expireAt <= e.expireAt),
			f&ExpireLT != 0 && !endless && o.expireAt >= e.expireAt:
			out.status = wire.ConditionFailed
		case o.expireAt <= stamp:
			delete(m, key)
			out.version, out.expireAt = index, 0
			changed()
		default:
			set(e.value, o.expireAt)
			changed()
		}
	case opPersist:
		switch {
		case !live:
			out.status = wire.NotFound
		case e.expireAt == 0:
			out.status = wire.ConditionFailed
		default:
			set(e.value, 0)
			changed()
		}
	case opFlush:
		clear(m)
		return outcomeOf{version: index}
	case opClock:
		return outcomeOf{}
	}
	return out
}

func (m model) incr(out *outcomeOf, o op, e modelEntry, live bool, set func(string, int64)) {
	expireAt, old := o.expireAt, int64(0)
	if live {
		expireAt = e.expireAt
		v, err := strconv.ParseInt(e.value, 10, 64)
		if err != nil || strconv.FormatInt(v, 10) != e.value {
			out.status = wire.NotInteger
			return
		}
		old = v
	}
	// In 65 bits: the sum of the halves decides.
	sum := old + o.delta
	if old > 0 && o.delta > 0 && sum < 0 || old < 0 && o.delta < 0 && sum >= 0 {
		out.status = wire.Overflow
		return
	}
	out.kind, out.n = ResultInt, sum
	set(strconv.FormatInt(sum, 10), expireAt)
}

// drawOp draws an op on one of few keys, so that ops meet.
func drawOp(t *rapid.T, dst []byte, now int64, index uint64) []byte {
	key := []byte(rapid.SampledFrom([]string{"", "a", "b", "c", "{a}d", "k\x00\r\n"}).Draw(t, "key"))
	if rapid.IntRange(0, 20).Draw(t, "long key") == 0 {
		key = make([]byte, rapid.SampledFrom([]int{127, 128, 300}).Draw(t, "key length"))
	}
	value := []byte(rapid.OneOf(
		rapid.SampledFrom([]string{"", "0", "1", "-1", "-0", "01", " 1", "9223372036854775807", "-9223372036854775808", "x"}),
		rapid.StringN(0, 40, 200),
	).Draw(t, "value"))
	at := rapid.OneOf(
		rapid.Int64Range(now-3, now+10),
		rapid.SampledFrom([]int64{0, -1, 1, 1<<63 - 1, -1 << 63}),
	)
	version := rapid.Uint64Range(0, index)
	some := func(flags ...OpFlags) (all OpFlags) {
		for _, f := range flags {
			if rapid.IntRange(0, 2).Draw(t, "flag") == 0 {
				all |= f
			}
		}
		return all
	}
	delta := rapid.OneOf(rapid.Int64Range(-3, 3), rapid.SampledFrom([]int64{1<<63 - 1, -1 << 63})).Draw(t, "delta")
	switch rapid.SampledFrom([]int{opPut, opPut, opPut, opDelete, opIncr, opIncr, opAppend, opExpire, opExpire, opPersist, opGet, opClock}).Draw(t, "op") {
	case opPut:
		return AppendPut(dst, key, value, PutOp{some(IfAbsent, IfPresent, IfVersion, KeepTTL, ReturnOld), at.Draw(t, "at"), version.Draw(t, "version")})
	case opDelete:
		return AppendDelete(dst, key, DeleteOp{some(IfVersion, ReturnOld), version.Draw(t, "version")})
	case opIncr:
		return AppendIncr(dst, key, delta, IncrOp{at.Draw(t, "at")})
	case opAppend:
		return AppendAppend(dst, key, value)
	case opExpire:
		return AppendExpire(dst, key, at.Draw(t, "at"), some(ExpireNX, ExpireXX, ExpireGT, ExpireLT, ReturnOld))
	case opPersist:
		return AppendPersist(dst, key, some(ReturnOld))
	case opGet:
		return AppendGet(dst, key)
	}
	return AppendClock(dst)
}

func drawEntry(t *rapid.T, now int64, index uint64) []byte {
	entry := Begin(nil)
	if rapid.IntRange(0, 9).Draw(t, "session") == 0 {
		entry = BeginSession(nil, Session{Seq: index})
	}
	SetStamp(entry, now)
	if rapid.IntRange(0, 4).Draw(t, "limited") == 0 {
		SetValueLimit(entry, 10)
	}
	if rapid.IntRange(0, 30).Draw(t, "flush") == 0 {
		return AppendFlush(entry)
	}
	n := rapid.SampledFrom([]int{1, 1, 1, 1, 0, 2, 5, 20}).Draw(t, "ops")
	for range n {
		entry = drawOp(t, entry, now, index)
	}
	SetCount(entry, n)
	return entry
}

func keepOutcomes(into *[]outcomeOf) Sink {
	return SinkFunc(func(i int, r *Result) {
		if i != len(*into) {
			panic(fmt.Sprintf("result %d after %d", i, len(*into)))
		}
		*into = append(*into, outcomeOf{r.Status, r.Kind, r.Int, string(r.Bytes), r.Version, r.ExpireAt})
	})
}

func TestApplyDoesWhatTheModelSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, replica := store.New(store.Options{}), store.New(store.Options{Stripes: 1})
		defer table.Close()
		defer replica.Close()
		m := model{}
		now := int64(1000)
		var applier Applier
		var log [][]byte
		for index := uint64(1); index <= uint64(rapid.IntRange(1, 30).Draw(t, "entries")); index++ {
			now += rapid.Int64Range(0, 5).Draw(t, "elapsed")
			entry := drawEntry(t, now, index)
			log = append(log, entry)
			var got, want []outcomeOf
			if err := applier.Apply(table, index, entry, keepOutcomes(&got)); err != nil {
				t.Fatal(err)
			}
			h, ops, _ := decodeHeader(entry)
			for range h.count {
				var o op
				ops, _ = o.decode(ops)
				want = append(want, m.apply(index, now, h.valueLimit, o))
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("entry %d %x:\n got %v\nwant %v", index, entry, got, want)
			}
			compareWithModel(t, table, m, now)
		}
		for i, entry := range log { // a follower, or this node after a restart
			if err := Apply(replica, uint64(i+1), entry, nil); err != nil {
				t.Fatal(err)
			}
		}
		if a, b := Fingerprint(table, now), Fingerprint(replica, now); a != b {
			t.Fatalf("the same log gave tables %x and %x", a, b)
		}
	})
}

func compareWithModel(t *rapid.T, table *store.Table, m model, now int64) {
	live := 0
	for key, want := range m {
		h := table.Hash([]byte(key))
		s := table.Stripe(h)
		s.Lock()
		var e store.Entry
		found := s.Find(h, []byte(key), &e)
		got := modelEntry{string(e.Value), e.Version, e.ExpireAt}
		s.Unlock()
		if want.expireAt != 0 && want.expireAt <= now {
			continue
		}
		live++
		if !found || got != want {
			t.Fatalf("%q: %+v, want %+v", key, got, want)
		}
	}
	img := table.Image()
	defer img.Close()
	inTable := 0
	for room := img.Next(nil); len(room) > 0; room = img.Next(room) {
		for i := range room {
			if !Expired(room[i].ExpireAt, now) {
				inTable++
			}
		}
	}
	if inTable != live {
		t.Fatalf("%d live entries, the model has %d", inTable, live)
	}
}

func TestFingerprintSeesEveryDifference(t *testing.T) {
	base := []byte(nil)
	base = AppendPut(base, []byte("a"), []byte("1"), PutOp{})
	base = AppendPut(base, []byte("b"), []byte("2"), PutOp{ExpireAt: 100})
	seen := map[uint64]string{}
	for name, ops := range map[string]struct {
		more  []byte
		n     int
		index uint64
		now   int64
	}{
		"base":            {nil, 0, 1, 0},
		"another version": {nil, 0, 2, 0},
		"another value":   {AppendPut(nil, []byte("a"), []byte("2"), PutOp{}), 1, 1, 0},
		"another expiry":  {AppendExpire(nil, []byte("b"), 200, 0), 1, 1, 0},
		"one more":        {AppendPut(nil, []byte("c"), []byte("2"), PutOp{}), 1, 1, 0},
		"one expired":     {nil, 0, 1, 100},
		"bytes moved":     {AppendPut(nil, []byte("a1"), nil, PutOp{}), 1, 1, 0},
		"swapped":         {AppendPut(AppendPut(nil, []byte("a"), []byte("2"), PutOp{ExpireAt: 100}), []byte("b"), []byte("1"), PutOp{}), 2, 1, 0},
	} {
		x := newExecutor(t, 2)
		entry := append(append(Begin(nil), base...), ops.more...)
		SetCount(entry, 2+ops.n)
		if err := Apply(x.table, ops.index, entry, nil); err != nil {
			t.Fatal(err)
		}
		sum := Fingerprint(x.table, ops.now)
		if other, dup := seen[sum]; dup {
			t.Errorf("%s looks like %s", name, other)
		}
		seen[sum] = name
	}
}
