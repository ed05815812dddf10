//go:build unix

package clustertest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
)

func TestFramesAreDoubledAndReorderedWholeAndNoneIsLost(t *testing.T) {
	hello := make([]byte, helloBytes)
	copy(hello, helloMagic)
	hello[helloPurpose] = forFrames
	stream := slices.Clone(hello)
	const count = 500
	for i := range count {
		payload := fmt.Sprintf("%05d%*s", i, i%40, "")
		stream = binary.LittleEndian.AppendUint32(stream, uint32(len(payload)))
		stream = append(stream, "sum!"+payload...)
	}
	l := newLink()
	s := newShuffler(l, stream[:helloPeek])
	l.shuffle(true)
	out := slices.Clone(stream[:helloPeek])
	for rest := stream[helloPeek:]; len(rest) > 0; {
		n := min(len(rest), 7)
		out = append(out, s.pass(rest[:n])...)
		rest = rest[n:]
	}
	l.shuffle(false)
	out = append(out, s.frame(nil, append(make([]byte, 4), "end!"...))...)
	if string(out[:helloBytes]) != string(hello) {
		t.Fatal("the hello has changed")
	}
	seen, doubled, late := map[string]int{}, 0, 0
	last := ""
	for rest := out[helloBytes:]; len(rest) > 0; {
		size := frameHeader + int(binary.LittleEndian.Uint32(rest))
		frame := string(rest[4:size])
		rest = rest[size:]
		if frame == "end!" {
			continue
		}
		if seen[frame]++; seen[frame] == 2 {
			doubled++
		} else if frame < last {
			late++
		}
		last = max(last, frame)
	}
	if len(seen) != count {
		t.Errorf("of %d frames %d have arrived", count, len(seen))
	}
	if doubled < count/20 || late < count/20 {
		t.Errorf("%d frames were doubled and %d late", doubled, late)
	}
	if frames := l.shuffle(false); frames != doubled+late {
		t.Errorf("%d frames are counted, %d were doubled and %d late", frames, doubled, late)
	}
	if newShuffler(l, append([]byte("VPEER\x01\x01\x02"), make([]byte, helloPeek-8)...)) != nil {
		t.Error("a snapshot is shuffled")
	}
}
