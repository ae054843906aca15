//go:build race

package node_test

// raceEnabled: the race detector slows everything down about tenfold.
const raceEnabled = true
