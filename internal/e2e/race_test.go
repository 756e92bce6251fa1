//go:build race

package e2e_test

// raceFlag builds the binaries under test like the test itself.
const raceFlag = true
