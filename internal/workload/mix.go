package workload

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Kind is what a request does.
type Kind uint8

// The kinds. ReadModifyWrite reads a record and writes it anew.
const (
	Read Kind = iota
	Update
	Insert
	Scan
	ReadModifyWrite
	kinds
)

// String gives the kind's name as reports show it.
func (k Kind) String() string {
	return [kinds]string{"read", "update", "insert", "scan", "read-modify-write"}[k]
}

// Mix is the share of each kind among the requests; the shares add up to 1.
type Mix struct {
	Name   string
	Shares [kinds]float64
	// Distribution is the one that belongs to the mix; it may be overridden.
	Distribution Distribution
}

// MaxScan is the longest scan of mix E; lengths are uniform from 1.
const MaxScan = 100

// ParseMix understands a letter from a to f and lists like "read=90,update=10".
func ParseMix(s string) (Mix, error) {
	for _, m := range []Mix{
		{"a", [kinds]float64{Read: 0.5, Update: 0.5}, Zipfian},
		{"b", [kinds]float64{Read: 0.95, Update: 0.05}, Zipfian},
		{"c", [kinds]float64{Read: 1}, Zipfian},
		{"d", [kinds]float64{Read: 0.95, Insert: 0.05}, Latest},
		{"e", [kinds]float64{Scan: 0.95, Insert: 0.05}, Zipfian},
		{"f", [kinds]float64{Read: 0.5, ReadModifyWrite: 0.5}, Zipfian},
	} {
		if strings.EqualFold(s, m.Name) {
			return m, nil
		}
	}
	return parseShares(s)
}

func parseShares(s string) (Mix, error) {
	m := Mix{Name: s, Distribution: Zipfian}
	sum := 0.0
	for _, part := range strings.Split(s, ",") {
		name, text, found := strings.Cut(strings.TrimSpace(part), "=")
		if !found {
			return m, fmt.Errorf("unknown workload %q: use a letter from a to f, or shares like read=90,update=10", s)
		}
		kind := kinds
		for k := range kinds {
			if k.String() == name {
				kind = k
			}
		}
		share, err := strconv.ParseFloat(text, 64)
		if kind == kinds || err != nil || share < 0 || math.IsInf(share, 0) || math.IsNaN(share) {
			return m, fmt.Errorf("workload %q: %q is not one of read, update, insert, scan, read-modify-write with a share", s, part)
		}
		m.Shares[kind] += share
		sum += share
	}
	if sum <= 0 {
		return m, fmt.Errorf("workload %q: the shares add up to nothing", s)
	}
	for k := range m.Shares {
		m.Shares[k] /= sum
	}
	return m, nil
}

// draw picks the kind of the next request.
func (m *Mix) draw(rng *rand.Rand) Kind {
	u := rng.Float64()
	for k := range kinds - 1 {
		if u -= m.Shares[k]; u < 0 {
			return k
		}
	}
	// The last kind with a share: rounding must not invent a request.
	for k := kinds - 1; k > 0; k-- {
		if m.Shares[k] > 0 {
			return k
		}
	}
	return Read
}

// has tells whether any request is of kind k.
func (m *Mix) has(k Kind) bool { return m.Shares[k] > 0 }
