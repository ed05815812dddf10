//go:build unix

package clustertest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports come from below the range that systems take for outgoing connections: a port that is closed while its node is
// down must not be taken by somebody's connection.
const lowestPort, highestPort = 20000, 31999

// ports are some that nobody else has, as long as they are held.
type ports struct {
	numbers []int
	held    []net.Listener
}

// takePorts finds n ports on the loopback on which nobody listens, and holds them.
func takePorts(n int) (*ports, error) {
	p := &ports{}
	for range 1000 {
		number := lowestPort + rand.IntN(highestPort-lowestPort+1)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(number)))
		if err != nil {
			continue
		}
		p.numbers, p.held = append(p.numbers, number), append(p.held, l)
		if len(p.held) == n {
			return p, nil
		}
	}
	p.release()
	return nil, fmt.Errorf("no %d free ports found", n)
}

// release lets go of the ports, for whoever is to listen there now.
func (p *ports) release() {
	for _, l := range p.held {
		l.Close()
	}
	p.held = nil
}
