// Package fleet adds up what the histories of many vehicles say of their
// running: what they cost, how long they stood in workshops, what failed, what
// is due. It is for a client that runs them and may read their histories.
//
// It is pure, and every figure in it is an inference from records that
// somebody handed over. A cost is no part of a record, which commits to it
// only: of a line whose opening the caller lacks the cost is not known, and
// counted as such. Money is counted in hundredths of its currency, and
// different currencies are never added up.
package fleet
