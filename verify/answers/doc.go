// Package answers works out what people ask a vehicle's history: was it
// serviced when its maker's plan says, and when is the next service due; which
// software does each control unit have; was it ever a total loss; how far was
// it driven on a lease; when did nobody write anything.
//
// Every answer is an inference from the records at hand, and anyone can
// compute it again: the package is pure, and its only time is the one that it
// is handed. It promises that an answer names the records that it rests on,
// and that what the records don't tell is said to be unknown and never
// guessed. It assumes records that were verified, or are somebody's word.
//
// No data is not no work: a service that is not on the log is called not
// shown, never not done. Nobody's name is in an answer but those of the
// members that signed: owners are commitments, which are not even looked at.
package answers
