package front

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// acceptPause is how long no connection is taken after one could not be: out of
// descriptors, most likely, and trying at once would spin.
const acceptPause = 10 * time.Millisecond

// Accept takes connections until the listener is closed, and hands them to serve, which
// must not wait.
func Accept(ctx context.Context, ln net.Listener, logger *slog.Logger, serve func(raw net.Conn, remote, local netip.AddrPort)) {
	for {
		raw, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			logger.Warn("cannot accept connections", "err", err)
			pause := time.NewTimer(acceptPause)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
			}
			continue
		}
		local, err1 := AddrPort(raw.LocalAddr())
		remote, err2 := AddrPort(raw.RemoteAddr())
		if err1 != nil || err2 != nil {
			raw.Close()
			continue
		}
		serve(raw, remote, local)
	}
}

// StopPatience is how long what stops waits for peers that do not take their replies.
const StopPatience = time.Second

// WaitEnded waits for connections that have been asked to end once they are answered. It
// calls hurry after a second, which leaves behind those whose peers do not take their
// replies, and cut when ctx ends, which leaves behind everybody; it returns ctx's error
// then.
func WaitEnded(ctx context.Context, running *sync.WaitGroup, hurry, cut func()) error {
	ended := make(chan struct{})
	go func() { running.Wait(); close(ended) }()
	patience := time.NewTimer(StopPatience)
	defer patience.Stop()
	for {
		select {
		case <-ended:
			return nil
		case <-patience.C:
			hurry()
		case <-ctx.Done():
			cut()
			<-ended
			return ctx.Err()
		}
	}
}
