// Package store keeps the ledger: the Raft log, and Raft's own few values,
// in one BoltDB file, raft.db.
//
// The Raft log is never compacted: it is where the bytes of every record
// live, and everything else a node has on disk can be rebuilt from it. So
// this store is stricter than Raft asks for.
//
// It promises:
//   - what StoreLogs, DeleteRange and Set accepted is synced to disk before
//     they return; a call is stored as a whole or not at all;
//   - entries stand at 1, 2, 3, ... without a gap, terms never fall, and each
//     entry is of a type and shape that Raft can apply. A leader, broken or
//     hostile, that sends something else is refused before it is stored;
//   - an entry that was committed or applied is never deleted, even if the
//     tree that was built from it is lost: see Store.Floor;
//   - a damaged entry is an error (ledger_corrupt), never other bytes;
//   - after a failed commit no further write is accepted, since nobody can
//     say what reached the disk: the process is expected to end.
//
// It assumes that fdatasync keeps its word, and one process per data
// directory, which the lock on the file enforces.
//
// It leaves to others: what an entry means and whether its time is sound
// (Config.Check), when to end or restart Raft (Config.Failed), snapshots
// (there are none; Snapshots tells Raft where the tree stands) and backups.
//
// # Waiting in StoreLogs
//
// Raft hands committed entries to the state machine through a queue of 128
// rounds, which holds their bytes in memory. A node that catches up stores
// faster than it checks signatures, so StoreLogs waits while more than
// Config.MaxUnapplied bytes are committed, hence queued, but not applied.
//
// Only those count, for a reason: entries that are stored but not committed
// commit through messages that Raft's one main loop handles, and that loop
// is the caller of StoreLogs; to wait for them would be to wait for oneself.
// Whatever is at or below the commit index, however, the same loop has
// already put into the queue, and the state machine empties the queue on its
// own. So a wait ends as long as applying never waits for Raft. Entries that
// await their commit are on disk, not in memory.
//
// Should the state machine stall all the same, a wait ends after
// Config.MaxWait and the entries are stored: Raft's own queue then holds the
// line. Store.Throttle(false) and Close end all waits; call the former
// before raft.Shutdown, which stops the state machine and then waits for the
// main loop. On a follower heartbeats bypass the main loop, so a wait does
// not cost the leader its lease; on a leader it slows the proposals.
package store
