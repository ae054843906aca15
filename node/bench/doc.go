// Package bench measures what a machine can carry: records acknowledged a
// second by three nodes in one process over TLS, beside the rates of the two
// things that bound it, the disk's syncs and the processor's signature
// checks; and, by Grow, whether what a record costs stays flat as the log
// grows.
//
// Every record is signed before the clock starts, and nothing is left out
// for speed: quorum three of three, everything synced, every record checked
// by every node. A phase ends with an error unless every record was accepted
// and a sample of receipts, from all nodes, verifies against the policy.
// Clients and nodes share the processors, so a node with a machine of its
// own carries more.
package bench
