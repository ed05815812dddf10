package transport

import (
	"testing"

	"go.uber.org/goleak"
)

// Every goroutine that a test of this package starts has ended with it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
