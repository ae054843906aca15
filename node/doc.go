// Package node is a running member of the cluster: Raft, batching, the state
// machine that decides what is valid, cosigning by quorum, the exchange of
// tree heads between nodes, and the HTTPS API.
//
// It promises that an acknowledged record is on the disks of a majority and
// under a tree head that the quorum of cosigners signed; that a node signs
// only what its own tree and index gave; and that what the state machine
// decides depends on the replicated log alone, never on a clock, on
// randomness or on the order of a map. What the API checks before that is
// advice to the sender.
//
// The Raft log is the ledger: it is never compacted and snapshots are never
// taken or sent. Storage is in node/store, the network port in node/wire.
package node
