//go:build unix && !linux

package clustertest

import (
	"errors"
	"testing"
)

func newNamespaces(t testing.TB) (Network, error) {
	need(t, "network namespaces", errors.New("this system has none"))
	return nil, nil
}
