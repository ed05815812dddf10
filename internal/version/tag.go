//go:build !faultfs

package version

const tag = ""
