// Package log is the Merkle log and the index of histories, in one BoltDB
// file, tree.db. It knows of a record its leaf hash, its author and id, and
// the subjects whose histories it belongs to; not what it says, who may write
// it, how it came here, or who signs the tree head.
//
// # What it promises
//
//   - A tree of RFC 6962 over the leaves: records, and after each batch a seal
//     (package verify), whose index root commits to every history as of that
//     leaf. The same calls of Add and Seal give the same tree on every node.
//   - A transaction is on the disk whole or not at all, synced before Commit
//     returns: leaves, index, ids, the place in the ledger and the state of
//     the rooms above are always of one moment.
//   - A View is the log right after a seal and never changes, while the
//     writer goes on.
//   - Time and writes for a record grow with the logarithm of the log, memory
//     with the number of subjects (about 5 bytes each), neither with the
//     number of records. Nothing reads the leaves at start.
//
// # What it assumes
//
//   - A disk that keeps what it has said it synced, and a file system on
//     which bbolt's order of writes holds: pages first, then the meta page
//     that points at them, whose checksum shows whether it was written whole.
//   - The address space for a mapping of 256 GiB, or four times the file if
//     that is more. Under a limit on it (ulimit -v) the file can grow to less
//     before the process must be started again; Commit then fails.
//   - One process with the file open for writing, in it one goroutine that
//     writes, and views that are released soon: while one is held, no page
//     that it sees is used again, and the file grows.
//   - The ledger, which holds the records' bytes, is at least as new as this
//     file. What it gives is checked against the tree.
//
// # What it leaves to others
//
// Which records are valid, and their order, is for the state machine above to
// decide before Add; duplicates it finds with Lookup. A log that is broken
// (ErrBroken) can't be mended in place: the process ends, and the next start
// sees the last commit. A file that is lost or corrupt is made again by
// feeding an empty one from the ledger. Open checks the right edge of the tree
// and all histories' leaves, not every leaf and every number: an audit that
// replays the ledger does.
//
// At 10^7 subjects and more, Open's scan of the histories will take long
// enough to want the trie's slots (see trie.go) kept in the file as well.
package log
