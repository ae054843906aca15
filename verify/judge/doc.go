// Package judge infers from a vehicle's complete history which mileage
// stands: whether one mileage that never falls could have produced the
// readings, which of them contradict the rest, and whether they allow a
// suspect to be named. docs/judgement.md is the specification.
//
// It promises that its verdict depends on the records, the rules' parameters
// and the time handed in alone, and not on the order of submission; and that
// no reading is named where an honest course of events explains all of them.
// It is an inference that anyone can recompute, never evidence. Pure: whole
// numbers, no clock, no map order.
package judge
