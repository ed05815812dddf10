package client

import (
	"bytes"
	"context"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestForwardSendsTheRequestAsItIs(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		var seen atomic.Pointer[wire.Request]
		s.on(func(_ *fakeSession, r *wire.Request) bool {
			copied := *r
			copied.Body = bytes.Clone(r.Body)
			seen.Store(&copied)
			return false
		})
		req := wire.Request{
			Op: wire.OpPut, OpFlags: wire.WriteIfAbsent,
			Flags: wire.FlagDeadline | wire.FlagDurability | wire.FlagEpoch | wire.FlagSession | wire.FlagReceipt | wire.FlagTiming,
			ID:    77, DeadlineMs: 1, Acks: wire.AcksLeader, Durability: wire.DurabilityNever, Epoch: 9,
			Session: wire.SessionID{1, 2, 3}, Sequence: 5, Acknowledged: 4,
			Body: wire.AppendPut(nil, wire.WriteIfAbsent, "k", "v", 0, 0),
		}
		before := req
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var reply wire.Response
		must(t, c.Forward(ctx, 3, &req, &reply))
		if !reflect.DeepEqual(req, before) {
			t.Error("the request was changed")
		}
		got := *seen.Load()
		if got.DeadlineMs < 59_000 || got.DeadlineMs > 60_001 {
			t.Errorf("deadline %d ms, want the context's", got.DeadlineMs)
		}
		want := before
		want.Flags &^= wire.FlagEpoch
		want.ID, want.DeadlineMs, want.Epoch = got.ID, got.DeadlineMs, 0
		if !reflect.DeepEqual(got, want) {
			t.Errorf("sent\n%+v, want\n%+v", got, want)
		}
		if reply.Status != wire.OK || reply.Version == 0 || reply.Term != 7 || reply.SyncNs != 3 ||
			reply.Flags != wire.ReplyVersion|wire.ReplyReceipt|wire.ReplyTiming {
			t.Errorf("reply %+v", reply)
		}
	})
}

func TestForwardReturnsRefusalsAsReplies(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		var reply wire.Response
		must(t, c.Forward(t.Context(), 0, &wire.Request{Op: wire.OpGet, Body: []byte("none")}, &reply))
		if reply.Status != wire.NotFound || len(reply.Body) != 0 {
			t.Errorf("%+v", reply)
		}
		must(t, c.Forward(t.Context(), 0, &wire.Request{Op: wire.OpPut, Body: []byte{1}}, &reply))
		if reply.Status != wire.InvalidArgument || len(reply.Body) == 0 {
			t.Errorf("%+v", reply)
		}
		_, err := c.Put(t.Context(), "k", []byte("v"))
		must(t, err)
		must(t, c.Forward(t.Context(), AnyPartition, &wire.Request{Op: wire.OpGet, Body: []byte("k")}, &reply))
		if reply.Status != wire.OK || string(reply.Body) != "v" || reply.Flags != wire.ReplyVersion {
			t.Errorf("%+v", reply)
		}
	})
}

func TestForwardTellsWhatItCannotKnow(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakeServer, c *Client) {
		must(t, c.Ping(t.Context()))
		s.on(func(fs *fakeSession, _ *wire.Request) bool {
			fs.nc.Close()
			return true
		})
		var reply wire.Response
		err := c.Forward(t.Context(), 0, &wire.Request{Op: wire.OpPersist, Body: []byte("k")}, &reply)
		wantErr(t, err, ErrUnknownOutcome)
	})
}

func TestOfferIsWhatTheServerHasTold(t *testing.T) {
	s := newFakeServer(t)
	now := uint64(time.Now().Add(-time.Hour).UnixMilli())
	s.hello = func(h wire.ClientHello) wire.ServerHello {
		l := wire.DefaultLimits()
		l.MaxValue = 12345
		return wire.ServerHello{Version: h.Negotiate(), Limits: l, ClusterID: "c", Features: h.Features & wire.FeatureSessions, TimeMs: now}
	}
	c := open(t, s)
	o, ok := c.Offer()
	if !ok || o.Limits.MaxValue != 12345 || !o.Sessions || o.ClockMs < now || o.ClockMs > now+60_000 {
		t.Errorf("%+v, %v", o, ok)
	}
}
