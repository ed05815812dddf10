package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Etcd is etcd's own client. Its reads are linearizable, which is its default.
//
// One of its clients is one HTTP/2 connection, so several share the callers, as etcd's own benchmarks do.
type Etcd struct{ clients []*clientv3.Client }

// OpenEtcd makes a number of clients that each connect to all these addresses.
func OpenEtcd(addrs []string, clients int) (*Etcd, error) {
	e := &Etcd{}
	for range clients {
		c, err := clientv3.New(clientv3.Config{Endpoints: addrs, DialTimeout: 5 * time.Second})
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
		e.clients = append(e.clients, c)
	}
	return e, nil
}

func (e *Etcd) any() *clientv3.Client { return e.clients[rand.IntN(len(e.clients))] }

// Get implements Library. A missing key is an error: the others would say so too.
func (e *Etcd) Get(ctx context.Context, key string) error {
	reply, err := e.any().Get(ctx, key)
	if err == nil && len(reply.Kvs) != 1 {
		err = fmt.Errorf("etcd has no key %s", key)
	}
	return err
}

// Set implements Library.
func (e *Etcd) Set(ctx context.Context, key, value string) error {
	_, err := e.any().Put(ctx, key, value)
	return err
}

// SetBatch implements Library with a transaction. A server takes 128 keys at most unless told otherwise.
func (e *Etcd) SetBatch(ctx context.Context, keys []string, value string) error {
	puts := make([]clientv3.Op, len(keys))
	for i, key := range keys {
		puts[i] = clientv3.OpPut(key, value)
	}
	_, err := e.any().Txn(ctx).Then(puts...).Commit()
	return err
}

// Close implements Library.
func (e *Etcd) Close() error {
	var errs error
	for _, c := range e.clients {
		errs = errors.Join(errs, c.Close())
	}
	return errs
}
