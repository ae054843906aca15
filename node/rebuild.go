package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/certs/durable"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// RebuildReport says what a rebuild made.
type RebuildReport struct {
	Origin  string `json:"origin"`
	Entries uint64 `json:"ledger_entries"` // the newest that was taken
	Size    uint64 `json:"tree_size"`
	Root    string `json:"root"`
	Heads   int    `json:"heads"` // kept heads whose roots it gave again
	Aside   string `json:"set_aside,omitempty"`
}

// rebuildFile is where the new tree grows; asideFile is where the former one
// goes.
const (
	rebuildFile = "tree.db.new"
	asideFile   = "tree.db.old"
)

// Rebuild makes tree.db anew from raft.db, in a data directory that no node
// is using: the same state machine takes the same entries, signatures and
// all. It goes as far as the ledger is known to be final: what was applied
// once, and what a kept head covers; a node that starts does the rest. The
// new tree must give the root of every head that heads.db keeps. Until it is
// whole the former one stays where it is; then that is set aside as
// tree.db.old. Codes: data_dir, data_in_use, rebuild_differs, ledger_corrupt,
// ledger_empty, heads_corrupt, disk_full.
func Rebuild(ctx context.Context, dir string, progress func(done, total uint64)) (rep *RebuildReport, err error) {
	if err := hasLedger(dir); err != nil {
		return nil, err
	}
	release, err := store.Hold(filepath.Join(dir, ledgerFile))
	if err != nil {
		return nil, err
	}
	err = store.CheckPages(filepath.Join(dir, ledgerFile))
	release()
	if err != nil {
		return nil, fault.New("ledger_corrupt", dir, "raft.db is damaged").Because(err).WithHint(damageHint(ledgerFile))
	}
	// Open for writing, though nothing is written: it keeps everyone else out.
	ledger, err := store.Open(filepath.Join(dir, ledgerFile), store.Config{})
	if err != nil {
		return nil, err
	}
	defer ledger.Close()
	kept, newest, origin, err := keptRoots(dir)
	if err != nil {
		return nil, err
	}
	origins, err := originsOf(ledger)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(origins, origin) {
		origin = origins[len(origins)-1]
		if old := oldTree(dir); old != nil {
			if amongPredecessors(old, origin) {
				origin = old.Origin()
			}
			old.Close()
		}
	}
	path := filepath.Join(dir, rebuildFile)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) { // of one that was broken off
		return nil, fault.New("file", path, "it cannot be removed").Because(err)
	}
	defer func() {
		if err != nil {
			os.Remove(path)
		}
	}()
	tree, err := log.Open(path, log.Config{Origin: origin, Ledger: ledgerNotes{ledger}})
	if err != nil {
		return nil, store.WriteError(err)
	}
	rep, err = rebuild(ctx, tree, ledger, max(ledger.Floor(), appliedOf(dir, ledger)), newest, progress)
	if err == nil {
		err = rep.fits(tree, kept, newest)
	}
	if cerr := tree.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close the new tree: %w", cerr)
	}
	if err != nil {
		return nil, err
	}
	rep.Origin = origin
	return rep, rep.place(dir)
}

// originsOf reads the origins off a ledger: that of its first record, a
// genesis that must hash to it, and those of each genesis that goes on from
// the one before.
func originsOf(ledger *store.Store) (origins []string, err error) {
	last, err := ledger.LastIndex()
	if err != nil {
		return nil, err
	}
	for i := uint64(1); i <= last; i++ {
		e, err := ledger.Entry(i)
		if err != nil && origins != nil {
			break // for whoever reads it to tell
		}
		if err != nil {
			return nil, fmt.Errorf("ledger entry %d cannot be read: %w", i, err)
		}
		if e.Type != raft.LogCommand || origins != nil && !bytes.Contains(e.Data, []byte(`"log.genesis/1"`)) {
			continue
		}
		b, err := decodeBatch(e.Data)
		if err != nil && origins == nil {
			return nil, fmt.Errorf("ledger entry %d: %w", i, err)
		}
		if err != nil {
			break
		}
		r, err := record.Open(b.notes[0])
		switch {
		case err != nil && origins == nil:
			return nil, fmt.Errorf("the first record of the ledger: %w", err)
		case err != nil:
		case origins == nil:
			origins = append(origins, r.Origin)
		default:
			if p := verify.PredecessorOf(r); p != nil && p.Origin == origins[len(origins)-1] {
				origins = append(origins, r.Origin)
			}
		}
	}
	if origins == nil {
		return nil, fault.New("ledger_empty", "", "the ledger holds no record").WithHint("the node has nothing yet: start it")
	}
	return origins, nil
}

// keptRoots reads the heads that a node has put its name to, by size, the
// largest size of them and of the published head, and the origin of that; ""
// if there is none.
func keptRoots(dir string) (kept map[uint64][32]byte, newest uint64, origin string, err error) {
	kept = map[uint64][32]byte{}
	path := filepath.Join(dir, headsFile)
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return kept, 0, "", nil
	}
	if err := store.CheckPages(path); err != nil {
		return nil, 0, "", headsCorrupt(err)
	}
	db, err := bolt.Open(path, 0o400, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return nil, 0, "", headsCorrupt(err)
	}
	defer db.Close()
	if note := savedHead(db); len(note) > 0 {
		c, _, err := verify.ParseCheckpoint(note)
		if err != nil {
			return nil, 0, "", headsCorrupt(err)
		}
		kept[c.Size], newest, origin = c.Root, c.Size, c.Origin
	}
	err = db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(cosignedBucket)
		if b == nil {
			return errors.New("it holds no heads")
		}
		return b.ForEach(func(k, v []byte) error {
			if len(k) != 8 || len(v) < 40 {
				return errors.New("an entry cannot be read")
			}
			size, root := binary.BigEndian.Uint64(k), [32]byte(v)
			if other, ok := kept[size]; ok && other != root {
				return fmt.Errorf("it holds two roots of size %d", size)
			}
			kept[size], newest = root, max(newest, size)
			return nil
		})
	})
	if err != nil {
		return nil, 0, "", headsCorrupt(err)
	}
	return kept, newest, origin, nil
}

// oldTree opens the former tree; nil if that can't be read.
func oldTree(dir string) *log.Log {
	path := filepath.Join(dir, treeFile)
	if store.CheckPages(path) != nil {
		return nil
	}
	old, err := log.Open(path, log.Config{ReadOnly: true})
	if err != nil {
		return nil
	}
	return old
}

// appliedOf is what the former tree had taken, if that can still be told.
func appliedOf(dir string, ledger *store.Store) uint64 {
	old := oldTree(dir)
	if old == nil {
		return 0
	}
	defer old.Close()
	index, term := old.Applied()
	if e, err := ledger.Entry(index); err != nil || e.Term != term {
		return 0 // what it says is part of the damage
	}
	return index
}

// rebuild replays the ledger up to an entry, and on until a tree size is
// reached.
func rebuild(ctx context.Context, tree *log.Log, ledger *store.Store, end, newest uint64, progress func(done, total uint64)) (*RebuildReport, error) {
	st, err := openState(tree, tree.Origin())
	if err != nil {
		return nil, err
	}
	rep := &RebuildReport{}
	last, err := ledger.LastIndex()
	if err != nil {
		return nil, err
	}
	reached := func() bool {
		v := tree.View()
		if v == nil {
			return newest == 0
		}
		defer v.Release()
		return v.Size >= newest
	}
	take := func(chunk []*raft.Log) error {
		if _, err := st.apply(chunk); err != nil {
			return err
		}
		rep.Entries = chunk[len(chunk)-1].Index
		if progress != nil {
			progress(rep.Entries, max(end, rep.Entries))
		}
		return ctx.Err()
	}
	if err := replay(ledger, 1, min(end, last), take); err != nil {
		return nil, err
	}
	// Entry by entry past the end: not one more than is needed is final.
	for i := end + 1; i <= last && !reached(); i++ {
		if err := replay(ledger, i, i, take); err != nil {
			return nil, err
		}
	}
	return rep, ctx.Err()
}

// replay hands on, in chunks, the entries of a ledger from one index up to
// another that the state machine takes; the others hold nothing for it.
func replay(ledger *store.Store, from, to uint64, take func(chunk []*raft.Log) error) error {
	var chunk []*raft.Log
	for i := from; i <= to; i++ {
		e, err := ledger.Entry(i)
		if err != nil {
			return err
		}
		if e.Type == raft.LogCommand || e.Type == raft.LogConfiguration {
			chunk = append(chunk, e)
		}
		if len(chunk) == auditChunk || i == to && len(chunk) > 0 {
			if err := take(chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
	}
	return nil
}

// fits holds the new tree against the kept heads.
func (rep *RebuildReport) fits(tree *log.Log, kept map[uint64][32]byte, newest uint64) error {
	differs := func(what string) error {
		return fault.New("rebuild_differs", "", what).
			WithHint("raft.db is not what this node cosigned from: leave everything as it is, run `milepost audit`, and replace the node")
	}
	v := tree.View()
	if v == nil {
		if newest > 0 {
			return differs(fmt.Sprintf("the ledger gives no tree, and a kept head covers %d leaves", newest))
		}
		return nil
	}
	defer v.Release()
	rep.Size, rep.Root, rep.Heads = v.Size, verify.Hex(v.Root), len(kept)
	if newest > v.Size {
		return differs(fmt.Sprintf("the ledger gives %d leaves, and a kept head covers %d", v.Size, newest))
	}
	for size, want := range kept {
		root, err := v.RootAt(size)
		if err != nil {
			return err
		}
		if root != want {
			return differs(fmt.Sprintf("the ledger gives the root %s at size %d, the kept head has %s", verify.Hex(root), size, verify.Hex(want)))
		}
	}
	return nil
}

// place sets the former tree aside and puts the new one in its place. A crash
// between the two leaves no tree.db: the node then makes one itself, or a
// second rebuild does.
func (rep *RebuildReport) place(dir string) error {
	path := filepath.Join(dir, treeFile)
	aside := filepath.Join(dir, asideFile)
	switch err := os.Rename(path, aside); {
	case err == nil:
		rep.Aside = aside
	case !os.IsNotExist(err):
		return fmt.Errorf("set the former tree aside: %w", err)
	}
	if err := os.Rename(filepath.Join(dir, rebuildFile), path); err != nil {
		return fmt.Errorf("put the new tree in place: %w", err)
	}
	return durable.SyncDir(dir)
}
