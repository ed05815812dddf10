package replica

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Role is what a replica is within its group.
type Role uint8

// The roles.
const (
	Voter   Role = 1
	Learner Role = 2 // gets the log, has no vote
)

// Replica is one replica of a group.
type Replica struct {
	ID   uint64
	Node ring.NodeID
	Role Role
}

// stateVersion is the version of a group's encoded state.
const stateVersion = 1

var errState = errors.New("not a group's state")

// appendState appends what a group's snapshot holds beside its entries:
//
//	version u8 | conf index uvarint | configuration | sessions
//
// Equal states give equal bytes.
func appendState(dst []byte, c *Configuration, s *Sessions) []byte {
	dst = append(dst, stateVersion)
	dst = c.append(dst)
	return s.append(dst)
}

func decodeState(b []byte) (*Configuration, *Sessions, error) {
	if len(b) == 0 { // a snapshot of a version that had no state
		return &Configuration{}, NewSessions(), nil
	}
	if b[0] != stateVersion {
		return nil, nil, fmt.Errorf("%w: version %d, this program knows %d", errState, b[0], stateVersion)
	}
	d := decoder{b: b[1:]}
	c := d.configuration()
	s := d.sessions()
	if d.failed || len(d.b) != 0 {
		return nil, nil, fmt.Errorf("%w: cut off or with bytes behind it", errState)
	}
	return c, s, nil
}

func (s *Sessions) append(dst []byte) []byte {
	dst = binary.AppendVarint(dst, s.floor)
	dst = binary.AppendVarint(dst, s.purgedAt)
	all := s.sorted()
	dst = binary.AppendUvarint(dst, uint64(len(all)))
	for _, ses := range all {
		dst = append(dst, ses.id[:]...)
		dst = binary.AppendUvarint(dst, ses.acked)
		dst = binary.AppendUvarint(dst, uint64(ses.count()))
		for i := range ses.outcomes[ses.head:] {
			dst = ses.outcomes[ses.head+i].append(dst)
		}
	}
	return dst
}

func (o *outcome) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, o.seq)
	dst = binary.AppendUvarint(dst, uint64(o.n))
	for i := range o.n {
		r, value := o.get(i)
		cut := byte(0)
		if r.cut {
			cut = 1
		}
		dst = binary.LittleEndian.AppendUint16(dst, uint16(r.status))
		dst = append(dst, byte(r.kind), cut)
		dst = binary.AppendVarint(dst, r.int)
		dst = binary.AppendUvarint(dst, r.version)
		dst = binary.AppendVarint(dst, r.expireAt)
		dst = binary.AppendUvarint(dst, uint64(len(value)))
		dst = append(dst, value...)
	}
	return dst
}

// decoder reads what the append methods write. After a fault it gives zeros, and
// failed is set. Nothing is allocated by a count that the bytes cannot hold.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) fail() { d.failed, d.b = true, nil }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if b := d.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// count reads a count of things that take at least size bytes each.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) sessions() *Sessions {
	s := NewSessions()
	s.floor, s.purgedAt = d.varint(), d.varint()
	n := d.count(18)
	for range n {
		ses := &session{}
		copy(ses.id[:], d.bytes(16))
		id := command.Session{ID: ses.id}
		ses.created = id.CreatedAt()
		ses.acked = d.uvarint()
		outcomes := d.count(2)
		for range outcomes {
			ses.outcomes = append(ses.outcomes, d.outcome())
			if d.failed {
				return s
			}
			s.outcomes++
			s.values += ses.outcomes[len(ses.outcomes)-1].bytes()
		}
		s.byID[ses.id] = ses
		if d.failed {
			return s
		}
	}
	return s
}

func (d *decoder) outcome() outcome {
	o := outcome{seq: d.uvarint()}
	results := d.count(8)
	for range results {
		var r result
		if b := d.bytes(2); b != nil {
			r.status = wire.Status(binary.LittleEndian.Uint16(b))
		}
		r.kind, r.cut = command.ResultKind(d.byte()), d.byte() == 1
		r.int, r.version, r.expireAt = d.varint(), d.uvarint(), d.varint()
		var value []byte
		if b := d.bytes(d.uvarint()); len(b) > 0 {
			value = append([]byte(nil), b...)
		}
		if d.failed {
			return o
		}
		o.add(r, value)
	}
	return o
}
