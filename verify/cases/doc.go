// Package cases runs corrections, disputes, warranty claims, part orders,
// returns and recalls: small state machines kept as data and stepped by one
// function. A node's state machine calls it at
// append and refuses what it refuses; audit and the verifier replay it.
//
// It promises that what it decides depends on the case, the record and the
// facts of its place in the log alone; that a refused record changes
// nothing; and that the original of whatever a decision corrects stays as it
// was. It reads no other readings and never judges mileage. Pure.
package cases
