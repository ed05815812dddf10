// Package store is the in-memory table of one partition: entries, expiry, memory accounting and point-in-time images.
package store
