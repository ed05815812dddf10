// Package version says which release this source tree leads to, and whether it was built for tests (package faultfs).
package version
