//go:build faultfs

package version

// tag says what a build for tests is: package faultfs.
const tag = "+faultfs"
