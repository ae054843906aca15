package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
)

// DefaultScrub is how long one pass of the scrub takes.
const DefaultScrub = 24 * time.Hour

// Bounds of one step of the scrub: what it reads before it lets go of its view
// of the tree, and rests.
const (
	scrubBytes     = 256 << 10 // of the ledger
	scrubHistories = 256
	scrubHeads     = 256
	historyBytes   = 512 // that a history, or a head, counts for in the pace
)

// scrub reads everything that this node has on disk, over and over, one pass
// in scrubPace: a bit that flips on a disk is found while the other nodes still
// have theirs. What it finds ends the node, but for ledger entries, which may
// be mended: see mend.
func (n *Node) scrub(ctx context.Context) {
	if n.scrubPace < 0 {
		return
	}
	for {
		begun := time.Now()
		whole := n.scrubPass(ctx)
		rest := n.scrubPace - time.Since(begun)
		if whole {
			n.metrics.scrubPasses.Inc()
			n.metrics.scrubbed.SetToCurrentTime()
		} else {
			rest = min(rest, time.Minute) // there was nothing to read yet
		}
		if !pauseFor(ctx, max(rest, time.Millisecond)) {
			return
		}
	}
}

// pauseFor waits, and reports whether ctx goes on.
func pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// scrubPass is one pass; it reports whether it came to its end.
func (n *Node) scrubPass(ctx context.Context) bool {
	total := int64(1)
	for _, name := range []string{ledgerFile, treeFile, headsFile} {
		if info, err := os.Stat(filepath.Join(n.dir, name)); err == nil {
			total += info.Size()
		}
	}
	var found []Damage
	collect := func(d Damage) { found = append(found, d) }
	w := newWalk(n.id, n.origin, n.ledger, collect)
	heads := &headWalk{node: n.id, found: collect}
	// step runs one step on the newest tree, rests as long as it has earned,
	// and reports whether to go on.
	step := func(fn func(v *log.View) (done bool, bytes int, err error)) (done, goOn bool) {
		v := n.tree.View()
		if v == nil {
			return false, false
		}
		n.damage.judging.Lock()
		done, bytes, err := fn(v)
		v.Release()
		n.metrics.scrubLeaves.Set(float64(w.leaf))
		whole := n.assess(ctx, found)
		n.damage.judging.Unlock()
		if !whole || err != nil {
			return done, false
		}
		found = found[:0]
		return done, pauseFor(ctx, time.Duration(float64(n.scrubPace)*min(1, float64(bytes)/float64(total))))
	}
	for _, fn := range []func(v *log.View) (bool, int, error){
		func(v *log.View) (bool, int, error) { return w.ledgerStep(v, scrubBytes) },
		func(v *log.View) (bool, int, error) {
			done, err := w.historyStep(v, scrubHistories)
			return done, scrubHistories * historyBytes, err
		},
		func(v *log.View) (bool, int, error) {
			done, err := heads.step(n.heads.db, v, scrubHeads)
			if len(found) > 0 {
				// The tree may have been damaged since this pass read it, and heads.db
				// be whole: the two need different remedies.
				if tree := n.readAgain(ctx, v); len(tree) > 0 {
					found = tree
				}
			}
			return done, scrubHeads * historyBytes, err
		},
		// What came in since, in one go, so that the end is held against the
		// very tree that was read.
		func(v *log.View) (bool, int, error) {
			for {
				done, _, err := w.ledgerStep(v, scrubBytes)
				if err != nil || ctx.Err() != nil {
					return false, 0, errors.Join(err, ctx.Err())
				}
				if done {
					w.end(v)
					return true, 0, nil
				}
			}
		},
	} {
		for done := false; !done; {
			goOn := false
			if done, goOn = step(fn); !goOn {
				return false
			}
		}
	}
	return true
}

// readAgain reads ledger and tree in one go, and returns what is wrong with
// them.
func (n *Node) readAgain(ctx context.Context, v *log.View) (found []Damage) {
	w := newWalk(n.id, n.origin, n.ledger, func(d Damage) { found = append(found, d) })
	for done := false; !done && ctx.Err() == nil; {
		var err error
		if done, _, err = w.ledgerStep(v, scrubBytes); err != nil {
			break
		}
	}
	return found
}

// assess decides about damage: entries of the ledger that can't be read are
// kept in mind and mended, and the node goes on without cosigning; with
// anything else it ends. It reports whether to go on. The caller holds judging.
func (n *Node) assess(ctx context.Context, found []Damage) bool {
	var fatal []Damage
	for _, d := range found {
		n.metrics.damageFound.WithLabelValues(d.File).Inc()
		if d.File == ledgerFile && d.Entry > 0 && n.unreadable(d.Entry) {
			if n.damage.add(d) {
				n.log.Error("damage was found on this node's disk", "damage", d.String())
			}
			continue
		}
		n.log.Error("damage was found on this node's disk", "damage", d.String())
		fatal = append(fatal, d)
	}
	if len(fatal) > 0 {
		if err := markDamaged(n.dir, fatal); err != nil {
			n.log.Error("the damage could not be noted on disk", "err", err)
		}
		n.fail(fatal[0].fault())
		return false
	}
	n.mendAll(ctx)
	return true
}

// unreadable reports whether an entry's stored bytes are damaged; unlike
// Store.Entry it tells nobody.
func (n *Node) unreadable(entry uint64) bool {
	stored, _, err := n.ledger.Salvage(entry)
	if err == nil {
		_, err = store.Parse(entry, stored)
	}
	return err != nil
}
