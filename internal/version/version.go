// Package version says which release this source tree leads to.
package version

// Release is the version that every program of the module names.
const Release = "0.1.0-dev"
