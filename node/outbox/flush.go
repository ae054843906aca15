package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
)

const (
	// What is sent at once: little, for the line may be thin and break off.
	batchRecords = 64
	batchBytes   = 256 << 10

	staleAfter = 24 * time.Hour // a file that was being written so long ago is what a crash left
)

// Log is where records are sent: a *node.Client, or a *node.Node.
type Log interface {
	// SubmitEach takes records and answers about each, also about a single
	// one. An error says nothing about any of them.
	SubmitEach(ctx context.Context, notes ...[]byte) (*node.SubmitAnswer, error)
	// Receipt is the C2SP tlog-proof of a record by its leaf hash.
	Receipt(ctx context.Context, leafHash string) ([]byte, error)
}

// FlushOptions say how to flush.
type FlushOptions struct {
	Again    bool         // send what was refused once more
	Receipts bool         // keep the receipt of each record beside it
	Settled  func([]Item) // is told of answers once they are on the disk; may be nil
}

// Flushed counts what became of the records of a flush.
type Flushed struct {
	Accepted int // acknowledged now
	Present  int // on the log already: sent before, and the answer was lost
	Refused  []Item
}

// Flush sends what is pending, oldest first and in small batches, until all
// is answered or an error ends it: then the rest is still pending, and Flush
// may be called again. The bytes are those that were signed: no key is
// needed. Code outbox_busy: another process is flushing this queue.
func (q *Queue) Flush(ctx context.Context, log Log, opt FlushOptions) (out Flushed, err error) {
	release, err := q.hold()
	if err != nil {
		return out, err
	}
	defer release()
	if err := q.tidy(); err != nil {
		return out, err
	}
	if opt.Again {
		if err := q.again(); err != nil {
			return out, err
		}
	}
	for {
		b, err := q.nextBatch()
		if err != nil || len(b.items) == 0 {
			return out, err
		}
		if err := q.send(ctx, log, b); err != nil {
			return out, err
		}
		if err := q.settle(b); err != nil {
			return out, err
		}
		for i, it := range b.items {
			switch {
			case it.State == Refused:
				out.Refused = append(out.Refused, it)
			case b.present[i]:
				out.Present++
			default:
				out.Accepted++
			}
		}
		if opt.Settled != nil {
			opt.Settled(b.items)
		}
		if opt.Receipts {
			if err := q.keepReceipts(ctx, log, b.items); err != nil {
				return out, err
			}
		}
	}
}

// hold keeps other flushes out of this queue.
func (q *Queue) hold() (release func() error, err error) {
	release, err = q.disk.lock(q.path(lockFile))
	if err == nil && release == nil {
		err = fault.New("outbox_busy", q.cfg.Dir, "another process is sending what is in this outbox").
			WithHint("a node that runs with --workshop or --watch-folder does so by itself")
	}
	return release, err
}

// tidy takes away what crashes left: parts of files, and pending records of
// which the answer is known.
func (q *Queue) tidy() error {
	for _, dir := range []string{pendingDir, sentDir, refusedDir, requestsDir} {
		names, err := q.disk.list(q.path(dir))
		if err != nil {
			return err
		}
		for _, n := range names {
			if !strings.HasPrefix(n, partial) {
				continue
			}
			if info, err := q.disk.stat(q.path(dir, n)); err == nil && q.cfg.Now().Sub(info.mod) > staleAfter {
				if err := q.disk.remove(q.path(dir, n)); err != nil {
					return err
				}
			}
		}
	}
	names, err := q.pendingNames()
	if err != nil {
		return err
	}
	synced := false
	for _, n := range names {
		_, h, _ := splitName(n)
		if !q.has(sentDir, h+recordEnd) {
			continue
		}
		if !synced { // its entry may not be on the disk yet
			if err := q.disk.syncDir(q.path(sentDir)); err != nil {
				return err
			}
			synced = true
		}
		if err := q.disk.remove(q.path(pendingDir, n)); err != nil {
			return err
		}
	}
	return nil
}

// again queues what was refused once more, in its old place.
func (q *Queue) again() error {
	refused, err := q.Refused()
	if err != nil {
		return err
	}
	for _, it := range refused {
		note, err := q.disk.read(q.path(refusedDir, it.LeafHash+recordEnd), maxRecordFile)
		if err != nil {
			return err
		}
		name := it.Queued.UTC().Format(queuedForm) + "-" + it.LeafHash + recordEnd
		if err := put(q.disk, q.path(pendingDir, name), note); err != nil {
			return err
		}
	}
	return q.disk.syncDir(q.path(pendingDir))
}

// batch is what is sent at once.
type batch struct {
	names   []string // of the pending files
	notes   [][]byte
	items   []Item
	present map[int]bool
}

func (b *batch) unanswered() (at []int, notes [][]byte) {
	for i, it := range b.items {
		if it.State == Pending {
			at, notes = append(at, i), append(notes, b.notes[i])
		}
	}
	return at, notes
}

// nextBatch takes the oldest records. One whose bytes are no longer those
// that were signed is refused here: its name says what they were.
func (q *Queue) nextBatch() (*batch, error) {
	names, err := q.pendingNames()
	if err != nil {
		return nil, err
	}
	b := &batch{present: map[int]bool{}}
	taken, size := map[string]bool{}, 0
	for _, n := range names {
		note, err := q.disk.read(q.path(pendingDir, n), maxRecordFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another flush, where there are no locks
		}
		if err != nil {
			return nil, err
		}
		queued, h, _ := splitName(n)
		if len(b.names) == batchRecords || len(b.names) > 0 && size+len(note) > batchBytes {
			break
		}
		it := Item{State: Pending, LeafHash: h, Queued: queued}
		it.describe(note)
		switch {
		case hashOf(note) != h:
			e := damaged(q.path(pendingDir, n))
			it.State, it.Error = Refused, &node.ErrorBody{Code: e.Code, Error: e.Error(), Hint: e.Hint}
		case taken[h]: // queued twice at one moment by two processes
			if err := q.disk.remove(q.path(pendingDir, n)); err != nil {
				return nil, err
			}
			continue
		}
		taken[h] = true
		size += len(note)
		b.names, b.notes, b.items = append(b.names, n), append(b.notes, note), append(b.items, it)
	}
	return b, nil
}

// send asks the log about the records of a batch.
func (q *Queue) send(ctx context.Context, log Log, b *batch) error {
	at, notes := b.unanswered()
	if len(notes) == 0 {
		return nil
	}
	ans, err := log.SubmitEach(ctx, notes...)
	if err != nil {
		return err
	}
	if len(ans.Records) != len(notes) {
		return fault.New("unexpected", "", fmt.Sprintf("the answer is about %d records, not %d", len(ans.Records), len(notes)))
	}
	for i, a := range ans.Records {
		it := &b.items[at[i]]
		switch {
		case (a.Status == "accepted" || a.Status == "present") && a.Index != nil && a.LeafHash == it.LeafHash:
			it.State, it.Index = Acknowledged, a.Index
			b.present[at[i]] = a.Status == "present"
		case a.Status == "refused" && a.Error != nil:
			it.State, it.Error = Refused, a.Error
		default:
			return fault.New("unexpected", "", "the answer about the record "+it.LeafHash+" is none")
		}
	}
	return nil
}

// settle puts each record where its answer belongs. The order is what no
// crash can do harm to: the answer, then a second copy of the record, which
// says that the answer is there, each synced; and only then the pending one
// goes. A crash before that sends the same bytes once more.
func (q *Queue) settle(b *batch) error {
	place := map[string]string{Acknowledged: sentDir, Refused: refusedDir}
	answer := func(_ int, it Item) (string, []byte, error) {
		text, err := it.answerText()
		return it.LeafHash + answerEnd, text, err
	}
	note := func(i int, it Item) (string, []byte, error) { return it.LeafHash + recordEnd, b.notes[i], nil }
	for _, what := range []func(int, Item) (string, []byte, error){answer, note} {
		used := map[string]bool{}
		for i, it := range b.items {
			name, data, err := what(i, it)
			if err != nil {
				return err
			}
			if err := put(q.disk, q.path(place[it.State], name), data); err != nil {
				return err
			}
			used[place[it.State]] = true
		}
		for dir := range used {
			if err := q.disk.syncDir(q.path(dir)); err != nil {
				return err
			}
		}
	}
	for i, it := range b.items {
		gone := []string{q.path(pendingDir, b.names[i])}
		if it.State == Acknowledged { // refused once, accepted now
			gone = append(gone, q.path(refusedDir, it.LeafHash+recordEnd), q.path(refusedDir, it.LeafHash+answerEnd))
		}
		for _, path := range gone {
			if err := q.disk.remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepReceipts fetches the receipts of what was acknowledged. A log that
// gives none is no error: `milepost record show HASH --receipt` gets one at
// any time.
func (q *Queue) keepReceipts(ctx context.Context, log Log, items []Item) error {
	var g errgroup.Group
	g.SetLimit(8)
	texts := make([][]byte, len(items))
	for i, it := range items {
		if it.State == Acknowledged {
			g.Go(func() error {
				texts[i], _ = log.Receipt(ctx, it.LeafHash)
				return nil
			})
		}
	}
	g.Wait()
	for i, it := range items {
		if len(texts[i]) > 0 {
			if err := put(q.disk, q.path(sentDir, it.LeafHash+receiptEnd), texts[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
