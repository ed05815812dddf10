package load

import (
	"context"
	"sync"

	"github.com/prakashpandey/vegadb/client"
)

// Vega is the Go client of this repository, with its defaults.
type Vega struct {
	client  *client.Client
	reads   []client.Option
	writes  []client.Option
	batches sync.Pool // *client.Batch, reused as rueidis reuses its commands
}

// OpenVega connects to a vega-server, or to a cluster of them at these addresses.
func OpenVega(ctx context.Context, addrs ...string) (*Vega, error) {
	c, err := client.Open(ctx, client.Options{Addresses: addrs})
	if err != nil {
		return nil, err
	}
	return &Vega{client: c, batches: sync.Pool{New: func() any { return new(client.Batch) }}}, nil
}

// Reading is the same client with options for Get.
func (v *Vega) Reading(options ...client.Option) *Vega {
	return &Vega{client: v.client, reads: options, batches: sync.Pool{New: v.batches.New}}
}

// Writing is the same client with options for Set.
func (v *Vega) Writing(options ...client.Option) *Vega {
	return &Vega{client: v.client, writes: options, batches: sync.Pool{New: v.batches.New}}
}

// Client is what it is made of.
func (v *Vega) Client() *client.Client { return v.client }

// Get implements Library.
func (v *Vega) Get(ctx context.Context, key string) error {
	_, err := v.client.Get(ctx, key, v.reads...)
	return err
}

// Set implements Library.
func (v *Vega) Set(ctx context.Context, key, value string) error {
	_, err := v.client.Put(ctx, key, []byte(value), v.writes...)
	return err
}

// GetBatch implements Library.
func (v *Vega) GetBatch(ctx context.Context, keys []string) error {
	results, err := v.client.GetBatch(ctx, keys)
	return firstError(results, err)
}

// SetBatch implements Library.
func (v *Vega) SetBatch(ctx context.Context, keys []string, value string) error {
	batch := v.batches.Get().(*client.Batch)
	batch.Reset()
	text := []byte(value)
	for _, key := range keys {
		batch.Put(key, text)
	}
	results, err := v.client.Batch(ctx, batch)
	v.batches.Put(batch)
	return firstError(results, err)
}

// Close implements Library.
func (v *Vega) Close() error { return v.client.Close() }

func firstError(results []client.Result, err error) error {
	if err != nil {
		return err
	}
	for i := range results {
		if err := results[i].Err(); err != nil {
			return err
		}
	}
	return nil
}
