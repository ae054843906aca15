package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/verify"
)

// mendEvery is how often a node with a damaged ledger asks the others again.
const mendEvery = 10 * time.Second

// mending looks after ledger entries that somebody asked for in vain, Raft or
// a reader, and asks again for those that could not be mended. Meanwhile the
// node cosigns nothing, and does not lead: it could not bring others up to
// date.
func (n *Node) mending(ctx context.Context) {
	tick := time.NewTicker(mendEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case entry := <-n.damage.suspect:
			n.damage.judging.Lock()
			if n.unreadable(entry) {
				n.suspected(ctx, entry)
			}
			n.damage.judging.Unlock()
		case <-tick.C:
			n.damage.judging.Lock()
			n.mendAll(ctx)
			n.damage.judging.Unlock()
		}
		if n.damage.err() != nil && n.leads() {
			n.handOver(ctx)
		}
	}
}

// suspected names what is damaged in an entry, and mends it, if it is news.
// The caller holds judging.
func (n *Node) suspected(ctx context.Context, entry uint64) {
	n.damage.mu.Lock()
	_, known := n.damage.entries[entry]
	n.damage.mu.Unlock()
	if known {
		return // mendAll comes by
	}
	view := n.tree.View()
	if view == nil {
		return
	}
	var found []Damage
	w := newWalk(n.id, n.origin, n.ledger, func(d Damage) { found = append(found, d) })
	b, err := batchOfEntry(view, entry)
	if err == nil {
		_, cause := n.ledger.Stored(entry)
		w.badEntry(view, entry, b, cause)
	}
	view.Release()
	n.assess(ctx, found)
}

// mendAll tries to mend what is known to be damaged. The caller holds judging.
func (n *Node) mendAll(ctx context.Context) {
	mended := map[uint64]bool{}
	for _, d := range n.damage.list() {
		if mended[d.Entry] {
			continue
		}
		mended[d.Entry] = true
		by, err := n.mend(ctx, d.Entry)
		if err != nil {
			n.log.Error("a damaged ledger entry could not be mended; nothing is cosigned until it is", "entry", d.Entry, "err", err, "hint", fault.Hint(err))
			continue
		}
		n.damage.mended(d.Entry)
		n.metrics.damageMended.Inc()
		n.log.Warn("a damaged ledger entry was mended", "entry", d.Entry, "peer", by, "damage", d.String())
	}
	n.metrics.damaged.Set(float64(len(n.damage.list())))
}

// mend fetches an entry from the other nodes in turn, until one is proven to
// be what was stored here once, and writes it in the damaged one's place.
func (n *Node) mend(ctx context.Context, entry uint64) (from string, err error) {
	if !n.unreadable(entry) {
		return "this node itself", nil // a second read gave it: the disk mended it, or someone else
	}
	damaged, _, err := n.ledger.Salvage(entry)
	if err != nil {
		return "", err
	}
	h := n.heads.current()
	if h == nil {
		return "", fault.New("no_head", "", "there is no signed tree head to hold it against")
	}
	defer h.view.Release()
	err = fault.New("unreachable", "", "no other node gave the entry")
	for _, p := range n.peers() {
		ctx, cancel := context.WithTimeout(ctx, answerTimeout)
		stored, gerr := p.client.Get(ctx, "/v1/ledger/"+strconv.FormatUint(entry, 10))
		cancel()
		if gerr == nil {
			gerr = vouched(h.view, entry, damaged, stored)
		}
		if gerr == nil {
			gerr = n.ledger.Repair(entry, stored)
		}
		if gerr == nil {
			_, gerr = n.ledger.Entry(entry)
		}
		if gerr == nil {
			return p.id, nil
		}
		err = fmt.Errorf("from %s: %w", p.id, gerr)
	}
	return "", err
}

// batchOfEntry finds the batch that was made of a ledger entry; nil if none
// was, for batches follow each other as their entries do.
func batchOfEntry(v *log.View, entry uint64) (b *log.Batch, err error) {
	at := sort.Search(int(v.Size), func(i int) bool {
		x, berr := v.Batch(uint64(i))
		if berr != nil {
			err = berr
			return true
		}
		return x.Entry >= entry
	})
	if err != nil || uint64(at) == v.Size {
		return nil, err
	}
	if b, err = v.Batch(uint64(at)); err != nil || b.Entry != entry {
		return nil, err
	}
	return b, nil
}

// vouched holds an entry that another node gave against the tree under a
// signed head. Its records must have the leaf hashes there, which binds their
// every byte, and its time must give the seal's. What the tree does not bind
// (header, lengths, records that were refused or were there before) must be
// what is stored here in the damaged entry; where that is what is damaged, the
// checksum stored here must fit, and no such record may be among it: a
// checksum can be forged.
func vouched(v *log.View, entry uint64, damaged, stored []byte) error {
	refuse := func(format string, args ...any) error {
		return fault.New("ledger_repair", "", fmt.Sprintf("entry %d of the ledger cannot be repaired in place: ", entry)+fmt.Sprintf(format, args...)).
			WithHint(damageHint("")) // replace the node
	}
	l, err := store.Parse(entry, stored)
	if err != nil {
		return err
	}
	if len(damaged) != len(stored) {
		return refuse("what is stored here has %d bytes, the other's %d", len(damaged), len(stored))
	}
	if l.Type != raft.LogCommand {
		return refuse("it holds no records, and the tree does not say what it held")
	}
	batch, err := decodeBatch(l.Data)
	if err != nil {
		return err
	}
	b, err := batchOfEntry(v, entry)
	if err != nil {
		return err
	}
	if b == nil {
		return refuse("no record of it is under a signed tree head")
	}
	places := noteRanges(l.Data, len(stored)-store.SumSize-len(l.Data))
	mine, theirs := bytes.Clone(damaged), bytes.Clone(stored)
	for leaf := b.First; leaf < b.Seal; leaf++ {
		pos := b.Pos(leaf)
		if pos >= len(batch.notes) {
			return refuse("the other's has %d records", len(batch.notes))
		}
		hash := verify.LeafHash(batch.notes[pos])
		if kept, err := v.LeafHash(leaf); err != nil || kept != hash || !included(v, leaf, hash) {
			return refuse("the other's record for leaf %d is not the one under the signed tree head", leaf)
		}
		clear(mine[places[pos][0]:places[pos][1]])
		clear(theirs[places[pos][0]:places[pos][1]])
	}
	before := int64(0)
	if b.First > 0 {
		in, err := v.Batch(b.First - 1)
		if err != nil {
			return err
		}
		before = in.Time
	}
	if max(batch.time, before) != b.Time {
		return refuse("the other's has another time")
	}
	body := len(stored) - store.SumSize
	if bytes.Equal(mine[:body], theirs[:body]) {
		return nil
	}
	if uint64(len(batch.notes)) == b.Seal-b.First && store.SameSum(damaged, stored) {
		return nil
	}
	return refuse("the damage is in what the tree does not bind")
}

// noteRanges says where in a stored entry its records lie; data, which
// decodeBatch has read, begins at base.
func noteRanges(data []byte, base int) (out [][2]int) {
	at := 9
	n, used := binary.Uvarint(data[at:])
	at += used
	for range n {
		l, used := binary.Uvarint(data[at:])
		at += used
		out = append(out, [2]int{base + at, base + at + int(l)})
		at += int(l)
	}
	return out
}
