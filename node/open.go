package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// noteMetas warns when a database has one broken meta page: it is then opened
// as of one transaction earlier, if the broken page was the newer one.
//
// It only warns, for what it sees may be two things. Either power failed while
// the page was being written: then nobody was told of that transaction, and to
// go back is right. (The 64 bytes with the checksum are in one sector, so that
// few disks can leave them half written; but to refuse would make a power
// failure of all nodes at once the end of the cluster.) Or the disk has lost
// what was synced: then raft.db may have forgotten its newest entries or its
// vote, like a node restored from a copy, and should be replaced. tree.db
// takes the entries in again. heads.db forgets the newest cosignature, and no
// more comes of that than of its loss: the node signs at each size only what
// its own tree gives there, and that can't go back, for a ledger that is
// shorter than its tree is refused (ledger_short).
func (n *Node) noteMetas() {
	for _, name := range databases {
		err := store.CheckMetas(filepath.Join(n.dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			n.log.Warn("a database has a broken meta page and may be one transaction behind", "file", name, "err", err)
		}
	}
}

func (n *Node) openStores(maxSize int) (err error) {
	n.noteMetas()
	if n.ledger, err = n.openLedger(store.Config{MaxSize: maxSize}); err != nil {
		return err
	}
	if n.lie.maxTree > 0 {
		maxSize = n.lie.maxTree
	}
	n.tree, err = log.Open(filepath.Join(n.dir, treeFile), log.Config{Origin: n.origin, Ledger: ledgerNotes{n.ledger}, MaxSize: maxSize})
	if err != nil {
		return err
	}
	if err := n.checkLedger(); err != nil {
		return err
	}
	st, err := openStateOf(n.tree, n.origin, n.lie)
	if err != nil {
		return err
	}
	if st.auth.Governance == nil && n.predecessor == nil {
		st.auth = verify.NewAuthority(n.origin) // nothing comes before its genesis
	}
	if err := n.replayFinal(st); err != nil {
		return err
	}
	st.applied = n.onView
	st.begin = n.nudge
	st.settled = n.ledger.NoteApplied
	st.writes = func() func() { return n.watchdog.begin(treeFile) }
	st.changed = n.onChanged
	st.fatal = n.failApply
	st.skipped = n.onSkipped
	n.state = st
	if n.heads, err = openHeads(n.dir); err != nil {
		return err
	}
	n.heads.writes = func() func() { return n.watchdog.begin(headsFile) }
	return nil
}

// checkLedger refuses a raft.db that tree.db was not made from.
func (n *Node) checkLedger() error {
	index, term := n.tree.Applied()
	first, err := n.ledger.FirstIndex()
	if err != nil {
		return err
	}
	last, err := n.ledger.LastIndex()
	if err != nil {
		return err
	}
	if first > 1 || last < index {
		return fault.New("ledger_short", n.dir, fmt.Sprintf("the ledger holds entries %d to %d, the tree has taken %d", first, last, index)).
			WithHint("raft.db is older than tree.db: put the right one back, or replace the node: docs/operations.md")
	}
	foreign := fault.New("ledger_foreign", n.dir, fmt.Sprintf("entry %d of the ledger is not the one that the tree has taken", index)).
		WithHint("raft.db is not the one that tree.db was made from: put the right one back, or replace the node: docs/operations.md")
	if index > 0 {
		e, err := n.ledger.Entry(index)
		if err != nil {
			return err
		}
		if e.Term != term {
			return foreign
		}
	}
	if v := n.tree.View(); v != nil {
		defer v.Release()
		// The last record before the newest seal: its bytes are the ledger's,
		// its hash is the tree's.
		if _, err := v.Leaf(v.Size - 2); err != nil {
			if fault.Code(err) == "ledger_corrupt" {
				return err // damage, of the right ledger
			}
			return foreign.Because(err)
		}
	}
	n.ledger.NoteApplied(index)
	return nil
}

// replayFinal brings a tree that was lost up to what the ledger alone knows to
// be final. Without it the node would know the keys of the founding only, and
// refuse a leader that has exchanged its own since: the one to tell it the
// rest.
func (n *Node) replayFinal(st *state) error {
	index, _ := n.tree.Applied()
	floor := n.ledger.Floor()
	if index >= floor {
		return nil
	}
	n.log.Info("the tree is behind the ledger and catches up", "applied", index, "final", floor)
	var chunk []*raft.Log
	for i := index + 1; i <= floor; i++ {
		e, err := n.ledger.Entry(i)
		if err != nil {
			return err
		}
		if e.Type == raft.LogCommand || e.Type == raft.LogConfiguration {
			chunk = append(chunk, e)
		}
		if len(chunk) == auditChunk || i == floor && len(chunk) > 0 {
			if err := log.Guard(func() error { _, err := st.apply(chunk); return err }); err != nil {
				return fmt.Errorf("take ledger entries up to %d: %w", i, err)
			}
			chunk = chunk[:0]
		}
	}
	n.ledger.NoteApplied(floor)
	return nil
}

// resume takes up what was known before a restart.
func (n *Node) resume() {
	if v := n.tree.View(); v != nil {
		n.heads.add(v)
	}
	if note := n.heads.saved(); note != nil {
		_ = n.publish(note) // what heads.db keeps was checked before
	}
}

// onView is told of every new seal, once it is on disk.
func (n *Node) onView(v *log.View) {
	if n.governed.Swap(false) {
		if err := n.loadPolicies(v); err != nil {
			n.fail(err)
			return
		}
		n.exchangeKeys()
	}
	n.heads.add(v.Hold())
	n.pendMu.Lock()
	waiting := len(n.pending) > 0
	n.pendMu.Unlock()
	if waiting {
		n.spawn(n.settlePending)
	}
}

// onSkipped is told of every record of the ledger that the state machine
// refused. An honest leader has checked what it proposes, so this is rare: a
// key that was revoked a moment before, or a leader that lies.
func (n *Node) onSkipped(index uint64, pos int, err error) {
	n.metrics.skipped.WithLabelValues(fault.Code(err)).Inc()
	n.log.Warn("a record of the ledger is skipped", "entry", index, "position", pos, "err", err)
}

// onChanged is told which histories of authority changed.
func (n *Node) onChanged(subjects []string) {
	for _, s := range subjects {
		if s == record.Governance {
			n.governed.Store(true) // the new view, which comes next, has it
		}
	}
	n.cutRevoked()
}

// cutRevoked closes the connections of TLS keys that no longer count, or
// whose member is suspended.
func (n *Node) cutRevoked() {
	var pins []string
	n.state.withAuthority(func(a *verify.Authority) {
		for _, m := range a.Members {
			for _, k := range m.Keys {
				if k.Use == verify.UseTLS && (!k.Live() || m.Suspended != nil) {
					pins = append(pins, k.VKey)
				}
			}
		}
	})
	for _, p := range pins {
		n.port.CloseKey(p)
	}
}

// refuseRevoked keeps revoked TLS keys from coming back. A key that nobody
// ever registered is let in, to what is public.
func (n *Node) refuseRevoked(pin string) (err error) {
	n.state.withAuthority(func(a *verify.Authority) {
		for _, m := range a.Members {
			for _, k := range m.Keys {
				if k.Use == verify.UseTLS && k.VKey == pin && !k.Live() {
					err = fault.New("key_revoked", "", fmt.Sprintf("TLS key %s of %s was revoked", k.ID, m.Name))
				}
			}
		}
	})
	return err
}

// holder names whom a TLS key belongs to.
func (n *Node) holder(pin string) string {
	if v := n.foundingNode(pin); v != nil {
		return "node " + v.ID
	}
	name := ""
	n.state.withAuthority(func(a *verify.Authority) {
		if m := a.MemberByPin(pin); m != nil {
			name = m.Name
		}
	})
	return name
}

// openLog proposes the founding records, while this node leads, until they
// are all on the log: the leader that proposed the genesis may have crashed
// before the admissions.
func (n *Node) openLog(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := n.unfounded()
		if len(missing) == 0 {
			return
		}
		if missing[0].Type == "log.genesis/1" {
			missing = missing[:1] // without it the others would be refused, were only its batch to fail
		}
		if n.leads() {
			// Whether they were taken shows in the state; who led before may
			// have done the same, and the second time is "already there".
			answers, err := n.pool.submit(ctx, n.id, missing)
			for i := range answers {
				if o := answers[i].outcome; err == nil && o.err != nil && !isOutage(o.err) {
					n.log.Error("a record of the founding was refused", "type", missing[i].Type, "err", o.err)
					return // it will be the next time as well
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// unfounded lists the founding records that are not on the log yet.
func (n *Node) unfounded() (missing []*record.Record) {
	n.state.withAuthority(func(a *verify.Authority) {
		for _, r := range n.founding.Records {
			if r.Type == "log.genesis/1" && !a.Arrived() || r.Type != "log.genesis/1" && a.Members[r.Body.Get("name").Str] == nil {
				missing = append(missing, r)
			}
		}
	})
	return missing
}
