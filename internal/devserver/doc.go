// Package devserver runs a real Temporal server as a child process, for `worker --dev` and for tests.
//
// The server is the Temporal CLI's `temporal server start-dev`. A CLI that is already on PATH is used; otherwise one is
// built once, with the go command, from the nested module in temporal/ into the user's cache directory ([Builder]). The
// main module does not depend on the server.
//
// With a data directory the server outlives its parent: [Start] records the child in the directory and a later Start
// adopts that very process, never another that merely listens on the same port.
package devserver
