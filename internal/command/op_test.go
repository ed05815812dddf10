package command

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The bytes are those of the package comment's drawing. They are in logs on
// disks: a change here needs a new EncodingVersion.
func TestEncodingIsWhatTheFormatSays(t *testing.T) {
	key, value := []byte("key"), []byte("va")
	long := []byte(strings.Repeat("x", 200))
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"header", Begin(nil), "01 00 0000 01000000 0000000000000000"},
		{"session", BeginSession(nil, Session{[16]byte{1, 2, 15: 3}, 7, 5}),
			"01 01 0000 01000000 0000000000000000 01020000000000000000000000000003 0700000000000000 0500000000000000"},
		{"put", AppendPut(nil, key, value, PutOp{}), "01 00 03 6b6579 02 7661"},
		{"put expiring", AppendPut(nil, key, value, PutOp{Flags: IfAbsent | ReturnOld, ExpireAt: 0x0102}), "01 31 03 6b6579 0201000000000000 02 7661"},
		{"put if version", AppendPut(nil, key, nil, PutOp{Flags: IfVersion | KeepTTL, IfVersion: 5}), "01 0c 03 6b6579 0500000000000000 00"},
		{"put with all", AppendPut(nil, nil, value, PutOp{Flags: IfVersion | IfPresent, ExpireAt: -1, IfVersion: 5}), "01 26 00 ffffffffffffffff 0500000000000000 02 7661"},
		{"delete", AppendDelete(nil, key, DeleteOp{}), "02 00 03 6b6579"},
		{"delete if version", AppendDelete(nil, key, DeleteOp{Flags: IfVersion | ReturnOld, IfVersion: 1}), "02 14 03 6b6579 0100000000000000"},
		{"increment", AppendIncr(nil, key, -2, IncrOp{}), "03 00 03 6b6579 feffffffffffffff"},
		{"increment expiring", AppendIncr(nil, key, 1, IncrOp{ExpireAt: 9}), "03 20 03 6b6579 0900000000000000 0100000000000000"},
		{"append", AppendAppend(nil, key, value), "04 00 03 6b6579 02 7661"},
		{"expire", AppendExpire(nil, key, 9, ExpireXX|ExpireGT|ReturnOld), "05 16 03 6b6579 0900000000000000"},
		{"persist", AppendPersist(nil, key, ReturnOld), "06 10 03 6b6579"},
		{"get", AppendGet(nil, key), "07 00 03 6b6579"},
		{"flush", AppendFlush(nil), "08 00"},
		{"clock", AppendClock(nil), "09 00"},
		{"long key", AppendGet(nil, long), "07 00 c801 " + hex.EncodeToString(long)},
	} {
		if got, want := hex.EncodeToString(c.got), strings.ReplaceAll(c.want, " ", ""); got != want {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
	}
}

func TestHeaderFieldsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		session := drawSession(t)
		with := rapid.Bool().Draw(t, "with session")
		entry := Begin(nil)
		if with {
			entry = BeginSession(nil, session)
		}
		stamp := rapid.Int64().Draw(t, "stamp")
		SetStamp(entry, stamp)
		count := rapid.IntRange(0, 3).Draw(t, "count")
		SetCount(entry, count)
		for range count {
			entry = AppendClock(entry)
		}
		if err := Validate(entry); err != nil {
			t.Fatal(err)
		}
		if Stamp(entry) != stamp || Count(entry) != count {
			t.Fatalf("stamp %d, count %d", Stamp(entry), Count(entry))
		}
		if got, ok := EntrySession(entry); ok != with || ok && got != session {
			t.Fatalf("session %v, %v", got, ok)
		}
	})
}

func drawSession(t *rapid.T) (s Session) {
	copy(s.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	s.Seq, s.Acked = rapid.Uint64().Draw(t, "seq"), rapid.Uint64().Draw(t, "acked")
	return s
}

func TestAnEntryCanBeGivenASession(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		session := drawSession(t)
		plain, with := Begin(nil), BeginSession(nil, drawSession(t))
		want := BeginSession(nil, session)
		for _, e := range []*[]byte{&plain, &with, &want} {
			SetStamp(*e, 42)
			SetCount(*e, 2)
			*e = AppendPut(AppendGet(*e, []byte("k")), []byte("k"), []byte("v"), PutOp{})
		}
		if got := SetSession(plain, session); !bytes.Equal(got, want) {
			t.Fatalf("of an entry without one: %x, want %x", got, want)
		}
		if got := SetSession(with, session); !bytes.Equal(got, want) {
			t.Fatalf("of an entry with another: %x, want %x", got, want)
		}
		if err := Validate(want); err != nil {
			t.Fatal(err)
		}
	})
}

func TestASessionTellsWhenItWasCreated(t *testing.T) {
	s := Session{ID: [16]byte{6: 1, 7: 2, 15: 9}}
	if got := s.CreatedAt(); got != 0x0102 {
		t.Errorf("created at %d", got)
	}
	s.ID[0] = 0xff
	if got := s.CreatedAt(); got != math.MaxInt64 {
		t.Errorf("beyond every time: %d", got)
	}
}

func TestValueLimitIsRoundedUpALittle(t *testing.T) {
	entry := Begin(nil)
	if got := valueLimit(entry); got != MaxValueBytes {
		t.Fatalf("without a limit: %d", got)
	}
	for limit, want := range map[int64]int64{-1: 1, 0: 1, 1: 1, 2047: 2047, 2048: 2048, 64 << 20: 64 << 20, MaxValueBytes: MaxValueBytes, 1 << 62: MaxValueBytes} {
		SetValueLimit(entry, limit)
		if got := valueLimit(entry); got != want {
			t.Errorf("limit %d became %d", limit, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, MaxValueBytes).Draw(t, "limit")
		SetValueLimit(entry, limit)
		if got := valueLimit(entry); got < limit || float64(got) > float64(limit)*1.001+1 {
			t.Fatalf("limit %d became %d", limit, got)
		}
	})
}

func TestWhatThisVersionDoesNotKnowIsNamed(t *testing.T) {
	sound := AppendPut(Begin(nil), []byte("key"), []byte("value"), PutOp{Flags: IfVersion, ExpireAt: 1})
	changed := func(at int, b byte) []byte {
		entry := append([]byte(nil), sound...)
		entry[at] = b
		return entry
	}
	two := func(first, second []byte) []byte {
		entry := append(append(Begin(nil), first...), second...)
		SetCount(entry, 2)
		return entry
	}
	for _, c := range []struct {
		name  string
		entry []byte
		want  string
	}{
		{"encoding version", changed(0, 2), "encoding version 2"},
		{"header flag", changed(1, 2), "entry has flags 0x2"},
		{"code 0", changed(16, 0), "operation 0 is unknown"},
		{"code 10", changed(16, 10), "operation 10 is unknown"},
		{"code 255", changed(16, 255), "operation 255 is unknown"},
		{"op flag", changed(17, 0x40), "operation 1 has flags 0x40"},
		{"flag of another op", append(Begin(nil), opGet, 1, 0), "operation 7 has flags 0x1"},
		{"second op", two(AppendClock(nil), []byte{77, 0}), "operation 2 of 2: operation 77 is unknown"},
		{"trailing byte", append(append([]byte(nil), sound...), 0), "bytes follow"},
		{"flush with company", two(AppendFlush(nil), AppendClock(nil)), "flush must be the only"},
		{"session cut", BeginSession(nil, Session{})[:47], "ends within its session"},
		{"empty", nil, "shorter than its header"},
		{"huge key length", append(Begin(nil), opGet, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), "cut short"},
		{"endless key length", append(Begin(nil), opGet, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), "cut short"},
	} {
		x := newExecutor(t, 2)
		err := Apply(x.table, 42, c.entry, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "entry 42") {
			t.Errorf("%s: %v", c.name, err)
		}
		if Validate(c.entry) == nil {
			t.Errorf("%s: Validate accepts what Apply refuses", c.name)
		}
		if x.table.Len() != 0 {
			t.Errorf("%s: something was applied", c.name)
		}
	}
	for n := range sound {
		if Validate(sound[:n]) == nil {
			t.Errorf("cut at %d of %d bytes: accepted", n, len(sound))
		}
	}
}
