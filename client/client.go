package client

import (
	"context"
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// NoExpiry is what TTL returns for an entry that never expires.
const NoExpiry time.Duration = -1

// Entry is a key with its value and what the server knows about it.
type Entry struct {
	Key       string
	Value     []byte
	Version   uint64    // changes with every write of the entry
	ExpiresAt time.Time // zero if it never expires
}

// Get returns the value of key, or ErrNotFound.
func (c *Client) Get(ctx context.Context, key string, opts ...Option) ([]byte, error) {
	cl := c.begin(wire.OpGet, key)
	if err := cl.apply(opts, readOptions); err != nil {
		c.release(cl)
		return nil, err
	}
	err := c.do(ctx, cl)
	value := cl.dst
	c.release(cl)
	if err != nil {
		return nil, err
	}
	return value, nil
}

// GetInto is Get into the caller's memory: the value overwrites dst from its
// start, growing it if need be, and the resulting slice is returned. With a
// large enough dst the call allocates nothing. dst must not be touched before
// GetInto returns.
func (c *Client) GetInto(ctx context.Context, key string, dst []byte, opts ...Option) ([]byte, error) {
	cl := c.begin(wire.OpGet, key)
	if err := cl.apply(opts, readOptions); err != nil {
		c.release(cl)
		return dst[:0], err
	}
	if dst == nil {
		dst = []byte{}
	}
	cl.dst = dst[:0]
	err := c.do(ctx, cl)
	value := cl.dst
	c.release(cl)
	if err != nil {
		return dst[:0], err
	}
	return value, nil
}

// GetEntry returns the whole entry of key: value, version and expiry.
func (c *Client) GetEntry(ctx context.Context, key string, opts ...Option) (Entry, error) {
	cl := c.begin(wire.OpGet, key)
	defer c.release(cl)
	if err := cl.apply(opts, readOptions); err != nil {
		return Entry{}, err
	}
	cl.req.OpFlags |= wire.GetMeta
	if err := c.do(ctx, cl); err != nil {
		return Entry{}, err
	}
	var meta wire.EntryMeta
	value, err := meta.Decode(cl.dst)
	if err != nil {
		return Entry{}, c.malformed(cl, err)
	}
	return Entry{Key: key, Value: value, Version: cl.version, ExpiresAt: expiryTime(meta.ExpireAt)}, nil
}

// TTL returns how long the entry of key has to live by the server's clock,
// NoExpiry if it lives for ever, or ErrNotFound.
func (c *Client) TTL(ctx context.Context, key string, opts ...Option) (time.Duration, error) {
	cl := c.begin(wire.OpGet, key)
	defer c.release(cl)
	if err := cl.apply(opts, readOptions); err != nil {
		return 0, err
	}
	cl.req.OpFlags |= wire.GetMeta | wire.GetNoValue
	cl.dst = cl.scratch[:0]
	if err := c.do(ctx, cl); err != nil {
		return 0, err
	}
	var meta wire.EntryMeta
	if _, err := meta.Decode(cl.dst); err != nil {
		return 0, c.malformed(cl, err)
	}
	if meta.RemainingMs < 0 {
		return NoExpiry, nil
	}
	const longest = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(meta.RemainingMs, longest)) * time.Millisecond, nil
}

// Put stores value under key and returns the entry's new version. Options:
// WithTTL, WithExpireAt, KeepTTL, IfAbsent, IfPresent, IfVersion, WithPrevious,
// WithDurability, WithAcks, WithReceipt.
func (c *Client) Put(ctx context.Context, key string, value []byte, opts ...Option) (version uint64, err error) {
	cl := c.begin(wire.OpPut, key)
	if err := cl.apply(opts, putOptions); err != nil {
		c.release(cl)
		return 0, err
	}
	cl.value = value
	version, err = c.doWrite(ctx, cl)
	c.release(cl)
	return version, err
}

// doWrite carries out a PUT or DELETE and returns the version written.
func (c *Client) doWrite(ctx context.Context, cl *call) (version uint64, err error) {
	if cl.previous == nil {
		cl.dst = cl.scratch[:0]
	}
	err = c.do(ctx, cl)
	if malformed := cl.fillPrevious(); malformed != nil && err == nil {
		err = c.malformed(cl, malformed)
	}
	if err != nil {
		return 0, err
	}
	return cl.version, nil
}

const putOptions = writeOptions | optTTL | optExpireAt | optKeepTTL | optIfAbsent | optIfPresent | optIfVersion | optPrevious

// CompareAndPut stores value only if the entry still has the version that the
// caller has seen; version 0 means "only if there is no entry". It returns the
// new version, or ErrVersionMismatch (Error.Version has the present one).
func (c *Client) CompareAndPut(ctx context.Context, key string, version uint64, value []byte, opts ...Option) (newVersion uint64, err error) {
	cl := c.begin(wire.OpPut, key)
	defer c.release(cl)
	if err := cl.apply(opts, writeOptions|optTTL|optExpireAt|optKeepTTL|optPrevious); err != nil {
		return 0, err
	}
	cl.req.OpFlags |= wire.WriteIfVersion
	cl.ifVersion = version
	cl.value = value
	return c.doWrite(ctx, cl)
}

// Delete removes the entry of key and reports whether there was one. Options:
// IfVersion, WithPrevious, WithDurability, WithAcks, WithReceipt.
func (c *Client) Delete(ctx context.Context, key string, opts ...Option) (deleted bool, err error) {
	cl := c.begin(wire.OpDelete, key)
	defer c.release(cl)
	if err := cl.apply(opts, writeOptions|optIfVersion|optPrevious); err != nil {
		return false, err
	}
	_, err = c.doWrite(ctx, cl)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Increment adds delta, which may be negative, to the decimal integer that key
// holds, and returns the sum. A missing entry counts as 0; only when it is
// created, WithTTL or WithExpireAt set its expiry.
func (c *Client) Increment(ctx context.Context, key string, delta int64, opts ...Option) (int64, error) {
	cl := c.begin(wire.OpIncrement, key)
	defer c.release(cl)
	if err := cl.apply(opts, writeOptions|optTTL|optExpireAt); err != nil {
		return 0, err
	}
	cl.delta = delta
	cl.dst = cl.scratch[:0]
	if err := c.do(ctx, cl); err != nil {
		return 0, err
	}
	sum, err := wire.DecodeInt(cl.dst)
	if err != nil {
		return 0, c.malformed(cl, err)
	}
	return sum, nil
}

// Expire lets the entry of key expire after ttl, or returns ErrNotFound.
// Options: IfNoExpiry, IfExpiry, IfLater, IfEarlier (ErrConditionFailed when they
// do not hold), and those of every write.
func (c *Client) Expire(ctx context.Context, key string, ttl time.Duration, opts ...Option) error {
	return c.expire(ctx, key, WithTTL(ttl), opts)
}

// ExpireAt lets the entry of key expire at t; otherwise it is like Expire. A
// time in the past deletes the entry.
func (c *Client) ExpireAt(ctx context.Context, key string, t time.Time, opts ...Option) error {
	return c.expire(ctx, key, WithExpireAt(t), opts)
}

func (c *Client) expire(ctx context.Context, key string, when Option, opts []Option) error {
	cl := c.begin(wire.OpExpire, key)
	defer c.release(cl)
	if err := cl.apply([]Option{when}, optTTL|optExpireAt); err != nil {
		return err
	}
	if err := cl.apply(opts, writeOptions|optIfNoExpiry|optIfExpiry|optIfLater|optIfEarlier); err != nil {
		return err
	}
	cl.dst = cl.scratch[:0]
	return c.do(ctx, cl)
}

// Persist takes the expiry off the entry of key, or returns ErrNotFound. An
// entry that has none is left as it is.
func (c *Client) Persist(ctx context.Context, key string, opts ...Option) error {
	cl := c.begin(wire.OpPersist, key)
	defer c.release(cl)
	if err := cl.apply(opts, writeOptions); err != nil {
		return err
	}
	cl.dst = cl.scratch[:0]
	if err := c.do(ctx, cl); err != nil && !errors.Is(err, ErrConditionFailed) {
		return err
	}
	return nil
}

// expiryTime converts unix ms; 0 is "never".
func expiryTime(ms uint64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(min(ms, 1<<62)))
}
