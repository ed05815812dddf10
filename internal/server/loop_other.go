//go:build !linux

package server

// newLoopDriver serves plain TCP without an event loop: epoll is Linux's.
func newLoopDriver(s *Server, _ int) driver { return newStreamDriver(s, nil) }
