//go:build unix && !linux

package clustertest

func echoIfAsked() {}
