//go:build unix && !linux

package clustertest

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }
