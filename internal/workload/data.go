package workload

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"strings"
)

// KeyPrefix starts every key.
const KeyPrefix = "user"

// Sizes is a range of sizes in bytes, both ends included.
type Sizes struct{ Min, Max int }

// ParseSizes understands "100" and "64-1024".
func ParseSizes(s string) (Sizes, error) {
	low, high, ranged := strings.Cut(s, "-")
	if !ranged {
		high = low
	}
	minimum, err1 := strconv.Atoi(low)
	maximum, err2 := strconv.Atoi(high)
	if err := errors.Join(err1, err2); err != nil || minimum < 0 || maximum < minimum || maximum > maxValueSize {
		return Sizes{}, fmt.Errorf("%q is not a size such as 100 or a range such as 64-1024 (at most %d)", s, maxValueSize)
	}
	return Sizes{minimum, maximum}, nil
}

// String is the opposite of ParseSizes.
func (s Sizes) String() string {
	if s.Min == s.Max {
		return strconv.Itoa(s.Min)
	}
	return fmt.Sprintf("%d-%d", s.Min, s.Max)
}

const maxValueSize = 64 << 20

// appendKey appends the key of a record, size bytes long if that is enough
// for the prefix and the number.
func appendKey(dst []byte, record int64, size int) []byte {
	dst = append(dst, KeyPrefix...)
	var digits [20]byte
	number := strconv.AppendInt(digits[:0], record, 10)
	for n := size - len(KeyPrefix) - len(number); n > 0; n-- {
		dst = append(dst, '0')
	}
	return append(dst, number...)
}

// keySizeNeeded returns the length of the longest key among records.
func keySizeNeeded(records int64) int {
	return len(appendKey(nil, max(records-1, 0), 0))
}

// A verifiable value is checksum(key) | checksum(body) | body, each checksum a
// CRC-32C in four bytes, little-endian.
const checksumBytes = 8

// values makes values. It is for one goroutine; the pool is shared and never written.
type values struct {
	sizes  Sizes
	verify bool
	rng    *rand.Rand
	pool   []byte
	table  *crc32.Table
	buf    []byte // the values handed out since the last reset
}

// newPool returns random bytes to cut values from: incompressible, and large
// enough that values differ.
func newPool(seed uint64, sizes Sizes) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	source := rand.NewChaCha8(key)
	pool := make([]byte, max(1<<20, 2*sizes.Max))
	_, _ = source.Read(pool) // never fails
	return pool
}

func newValues(sizes Sizes, verify bool, rng *rand.Rand, pool []byte) *values {
	return &values{sizes: sizes, verify: verify, rng: rng, pool: pool, table: crc32.MakeTable(crc32.Castagnoli)}
}

// reset allows the memory of the values handed out so far to be used again.
func (v *values) reset() { v.buf = v.buf[:0] }

// next makes a value for key, valid until reset.
func (v *values) next(key []byte) []byte {
	size := v.sizes.Min
	if v.sizes.Max > size {
		size += v.rng.IntN(v.sizes.Max - size + 1)
	}
	if !v.verify {
		start := v.rng.IntN(len(v.pool) - size + 1)
		return v.pool[start : start+size : start+size]
	}
	size = max(size, checksumBytes) - checksumBytes
	start := v.rng.IntN(len(v.pool) - size + 1)
	body := v.pool[start : start+size]
	at := len(v.buf)
	v.buf = binary.LittleEndian.AppendUint32(v.buf, crc32.Checksum(key, v.table))
	v.buf = binary.LittleEndian.AppendUint32(v.buf, crc32.Checksum(body, v.table))
	v.buf = append(v.buf, body...)
	return v.buf[at:len(v.buf):len(v.buf)]
}

// check tells what is wrong with a value that was read for key; nil: nothing.
func (v *values) check(key, value []byte) error {
	if len(value) < checksumBytes {
		return fmt.Errorf("a value of %d bytes cannot carry its checksum", len(value))
	}
	if binary.LittleEndian.Uint32(value) != crc32.Checksum(key, v.table) {
		return errors.New("the value belongs to another key")
	}
	if binary.LittleEndian.Uint32(value[4:]) != crc32.Checksum(value[checksumBytes:], v.table) {
		return errors.New("the value's bytes do not match their checksum")
	}
	return nil
}
