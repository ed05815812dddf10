package router

import (
	"testing"
)

func TestCommandsOfOneKeyGoToTheirPartition(t *testing.T) {
	f := newFakeCluster(t)
	c := startRouter(t, f).dial()
	c.ask("SET greeting hello", "OK")
	c.ask("get greeting", "hello")
	c.ask("GET none", "(nil)")
	c.ask("INCR n", "1")
	c.ask("INCR greeting", "-ERR value is not an integer or out of range")
	c.ask("MGET greeting n none", "[hello 1 (nil)]")
	c.ask("DEL greeting n", "2")
	c.ask("PING", "PONG")
}
