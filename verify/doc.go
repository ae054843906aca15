// Package verify is what is proven, offline: tree heads and the trust policy
// that they must satisfy, the seal, proofs of the index of histories, the
// proof file, and who was allowed to write what at each place of the log.
//
// It promises that Verify accepts a file only if it shows every record of
// its subject up to the tree head that the quorum cosigned, unchanged and in
// order, and that it gives each shown record a verdict. It assumes that the
// policy it is handed is the right one, and that any two quorums of it share
// an honest cosigner. It says nothing of whether a reading was true when it
// was entered.
//
// It is pure: no file, network, clock or database; time comes in as an
// argument, and it compiles to WebAssembly. A node's state machine and audit
// decide validity with the same Authority that the verifier replays, so no
// two of them can disagree. docs/format.md is the specification.
package verify
