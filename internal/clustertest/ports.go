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

// freePorts returns n ports on which nobody listens. Nobody keeps them from being taken, except for their number.
func freePorts(host string, n int) ([]int, error) {
	var ports []int
	for range 1000 {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1)
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		defer l.Close() // all of them stay taken until there are enough
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no %d free ports found on %s", n, host)
}
