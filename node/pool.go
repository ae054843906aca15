package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// Bounds of the pool of a leader.
const (
	maxQueued   = 16384                // records waiting; more are answered 503
	maxWait     = 5 * time.Millisecond // that a batch waits for more records while another is under way
	maxInFlight = 2                    // batches between proposal and answer
)

// Outcomes that are no refusal: the client may send the same bytes again.
var (
	errNoLeader = fault.New("no_leader", "", "there is no leader at the moment").WithHint("try again in a moment; sending the same bytes again is always safe")
	errBusy     = fault.New("overloaded", "", "too many records are waiting").WithHint("try again in a moment; sending the same bytes again is always safe")
	errUnknown  = fault.New("unknown", "", "the record may or may not be on the log").WithHint("send the same bytes again: that is always safe, and tells")
)

// item is one record on its way through the pool.
type item struct {
	rec  *record.Record
	done chan<- answer // has room for the answers of all items that share it
	slot int           // position in the submission
}

type answer struct {
	slot    int
	outcome outcome
	size    uint64 // tree size that covers it; 0 when refused
}

// pool gathers records into batches and proposes them: at once when idle,
// else when a batch is full or has waited long enough and one of the few
// places in flight is free. One goroutine owns the batch being filled.
type pool struct {
	in      chan item
	propose func(*proposal) (*batchResult, error) // blocks until applied
	now     func() time.Time
	ended   chan struct{} // closed when run has returned
}

func newPool(propose func(*proposal) (*batchResult, error), now func() time.Time) *pool {
	return &pool{in: make(chan item, maxQueued), propose: propose, now: now, ended: make(chan struct{})}
}

// submit puts records into the pool and waits for the answers of all. The
// records' signatures have been checked.
func (p *pool) submit(ctx context.Context, recs []*record.Record) ([]answer, error) {
	done := make(chan answer, len(recs))
	for i, r := range recs {
		select {
		case p.in <- item{r, done, i}:
		default:
			if i == 0 {
				return nil, errBusy
			}
			// Part of a submission is in: the rest must follow it.
			select {
			case p.in <- item{r, done, i}:
			case <-ctx.Done():
				return nil, errUnknown
			case <-p.ended:
				return nil, errUnknown
			}
		}
	}
	answers := make([]answer, len(recs))
	for range recs {
		select {
		case a := <-done:
			answers[a.slot] = a
		case <-ctx.Done():
			return nil, errUnknown
		case <-p.ended:
			return nil, errUnknown
		}
	}
	return answers, nil
}

// filling is the batch being filled, and the record that did not fit.
type filling struct {
	items []item
	bytes int
	extra *item
}

func (f *filling) add(it item) {
	if len(f.items) > 0 && f.bytes+len(it.rec.Note) > maxBatchBytes {
		f.extra = &it
		return
	}
	f.items = append(f.items, it)
	f.bytes += len(it.rec.Note)
}

func (f *filling) full() bool {
	return f.extra != nil || len(f.items) >= maxBatchRecords || f.bytes >= maxBatchBytes
}

// take empties the batch; the record that did not fit begins the next.
func (f *filling) take() []item {
	items, extra := f.items, f.extra
	*f = filling{}
	if extra != nil {
		f.add(*extra)
	}
	return items
}

// run fills batches until ctx ends. While all places are taken it goes on
// filling: a larger batch costs less than another one.
func (p *pool) run(ctx context.Context) {
	defer close(p.ended)
	freed := make(chan struct{}, maxInFlight)
	inFlight := 0
	last := make(chan struct{}) // of the batch before: closed once Raft has it, or it has failed
	close(last)
	var next filling
	due := time.NewTimer(maxWait) // runs while next holds records and is not overdue
	due.Stop()
	overdue := false
	for {
		in := p.in
		if next.full() {
			in = nil
		}
		empty := len(next.items) == 0
		select {
		case <-ctx.Done():
			return
		case it := <-in:
			next.add(it)
		case <-freed:
			inFlight--
		case <-due.C:
			overdue = true
		}
		if empty && len(next.items) > 0 {
			due.Reset(maxWait)
		}
		for len(next.items) > 0 && inFlight < maxInFlight && (next.full() || overdue || inFlight == 0 && len(p.in) == 0) {
			items := next.take()
			overdue = false
			if due.Stop(); len(next.items) > 0 {
				due.Reset(maxWait)
			}
			inFlight++
			after, handed := last, make(chan struct{})
			last = handed
			go func() { p.settle(items, after, handed); freed <- struct{}{} }()
		}
	}
}

// settle proposes a batch and answers everyone who waits for it. Raft gets the
// batches in the order of their records, for these may name one another: a
// batch is handed on after the one before, which closes after.
func (p *pool) settle(items []item, after <-chan struct{}, handed chan struct{}) {
	done := sync.OnceFunc(func() { close(handed) })
	defer done()
	prop := &proposal{batch: &batch{time: p.now().UnixMilli()}, after: after, handed: done}
	for _, it := range items {
		prop.batch.notes = append(prop.batch.notes, it.rec.Note)
		prop.records = append(prop.records, it.rec)
	}
	res, err := p.propose(prop)
	for i, it := range items {
		a := answer{slot: it.slot}
		if err != nil {
			a.outcome.err = err
		} else {
			a.outcome = res.records[i]
			switch {
			case a.outcome.present:
				a.size = a.outcome.index + 1
			case a.outcome.err == nil:
				a.size = res.size
			}
		}
		it.done <- a
	}
}

// proposeRaft hands a batch to Raft and waits until it is applied here.
func (n *Node) proposeRaft(p *proposal) (*batchResult, error) {
	run := n.raftRun.Load()
	if run == nil || run.raft.State() != raft.Leader {
		return nil, errNoLeader
	}
	if err := n.checkClock(run); err != nil {
		return nil, err
	}
	if n.lie.propose != nil {
		if err := n.lie.propose(); err != nil {
			return nil, err
		}
	}
	data := p.batch.encode()
	n.state.own.Store(&data[0], p)
	defer n.state.own.Delete(&data[0])
	<-p.after
	future := run.raft.Apply(data, time.Second)
	p.handed()
	done := make(chan error, 1)
	go func() { done <- future.Error() }() // it has no context, and may never answer after a shutdown
	select {
	case err := <-done:
		switch {
		case err == nil:
			if res, ok := future.Response().(*batchResult); ok {
				return res, nil
			}
			return nil, errUnknown // the tree can't be written, and this node ends
		case errors.Is(err, raft.ErrEnqueueTimeout):
			return nil, errBusy
		case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
			return nil, errNoLeader // it was never in this node's ledger
		default:
			return nil, errUnknown
		}
	case <-run.ending:
		return nil, errUnknown
	}
}
