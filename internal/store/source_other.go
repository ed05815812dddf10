//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package store

func defaultSource() source { return heapSource{} }
