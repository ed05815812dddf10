package version

// Release is the version that every program of the module names.
const Release = "0.1.0-dev" + tag
