// Package e2e holds the tests of the whole: the real binaries, as processes, with a real Temporal, real databases, a
// real authorization server and a real browser.
package e2e
