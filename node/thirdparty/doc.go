// Package thirdparty holds a running milepost cluster against programs that
// no one here wrote. It has tests alone, and a module of its own, so that
// what they need stays out of the module that others import.
//
// What the tests show is that a stranger needs none of milepost's code to
// check a tree head, a record's receipt, a proof of the index, the log's
// tiles and a record's signature, and that an ordinary C2SP witness cosigns
// the log. Milepost's own packages start the cluster, sign records and fetch
// what is to be checked; what checks it is one of these, and the other way
// round what these have made is checked by verify:
//
//   - filippo.io/torchwood: tree heads, cosignatures, tlog-proofs, policy,
//     Merkle Patricia proofs, tiles, and litewitness, a witness in use;
//   - github.com/transparency-dev/tessera: tiles, consistency, fsck;
//   - github.com/transparency-dev/formats: tlog-proofs and policy;
//   - filippo.io/mldsa: ML-DSA-44 signatures and keys;
//   - golang.org/x/mod/sumdb: signed notes and RFC 6962 hashes.
package thirdparty
