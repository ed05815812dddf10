package replica

import (
	"encoding/binary"
	"testing"

	"github.com/prakashpandey/vegadb/internal/command"
)

// BenchmarkApply is a put of one small entry, without a session and with one that has
// some writes in flight.
func BenchmarkApply(b *testing.B) {
	for _, c := range []struct {
		name     string
		inFlight uint64 // 0: no session
	}{{"plain", 0}, {"session/1", 1}, {"session/16", 16}, {"session/256", 256}} {
		b.Run(c.name, func(b *testing.B) {
			g, tab := NewGroup(1, State{}), table(b)
			e := command.Begin(nil)
			session := command.Session{}
			binary.BigEndian.PutUint64(session.ID[:], 1000)
			if c.inFlight > 0 {
				e = command.BeginSession(nil, session)
			}
			e = command.AppendPut(e, []byte("key-of-16-bytes."), make([]byte, 64), command.PutOp{})
			command.SetStamp(e, 1000)
			b.ReportAllocs()
			index := uint64(0)
			for b.Loop() {
				index++
				if c.inFlight > 0 {
					session.Seq, session.Acked = index, index-min(index, c.inFlight)
					e = command.SetSession(e, session)
				}
				if err := g.Apply(tab, index, 1, e, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
