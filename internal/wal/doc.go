// Package wal is the append-only log of one node, shared by all its replicas.
package wal
