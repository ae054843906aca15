package node

import (
	"context"
	"errors"
	"fmt"
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
	stuckAfter  = 10 * time.Second     // a leader whose own entry finds no majority for so long ends
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
	done chan<- answer
	slot int // position in the submission
}

type answer struct {
	slot    int
	outcome outcome
	size    uint64 // tree size that covers it; 0 when refused
}

// pool gathers records into batches and proposes them: at once when idle,
// else when a batch is full or has waited long enough. One goroutine owns
// the batch being filled.
type pool struct {
	in      chan item
	propose func(*proposal) (*batchResult, error) // blocks until applied
	now     func() time.Time
}

func newPool(propose func(*proposal) (*batchResult, error), now func() time.Time) *pool {
	return &pool{in: make(chan item, maxQueued), propose: propose, now: now}
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
		}
	}
	return answers, nil
}

// run fills batches until ctx ends. The first record of a batch never waits
// longer than maxWait behind the batches under way.
func (p *pool) run(ctx context.Context) {
	free := make(chan struct{}, maxInFlight)
	idle := make(chan struct{}, 1)
	var next []item
	size := 0
	var timer <-chan time.Time
	send := func() {
		items := next
		next, size, timer = nil, 0, nil
		free <- struct{}{} // waits while maxInFlight are under way
		go func() {
			p.settle(items)
			<-free
			select {
			case idle <- struct{}{}:
			default:
			}
		}()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case it := <-p.in:
			if size+len(it.rec.Note) > maxBatchBytes && len(next) > 0 {
				send()
			}
			next = append(next, it)
			size += len(it.rec.Note)
			switch {
			case len(next) == maxBatchRecords || size >= maxBatchBytes:
				send()
			case len(free) == 0 && len(p.in) == 0:
				send()
			case timer == nil:
				timer = time.After(maxWait)
			}
		case <-idle:
			if len(next) > 0 && len(free) == 0 {
				send()
			}
		case <-timer:
			timer = nil
			if len(next) > 0 {
				send()
			}
		}
	}
}

// settle proposes a batch and answers everyone who waits for it.
func (p *pool) settle(items []item) {
	prop := &proposal{batch: &batch{time: p.now().UnixMilli()}}
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
	r := n.currentRaft()
	if r == nil || r.State() != raft.Leader {
		return nil, errNoLeader
	}
	if err := n.clock.ok(); err != nil {
		return nil, err
	}
	data := p.batch.encode()
	n.state.own.Store(&data[0], p)
	defer n.state.own.Delete(&data[0])
	future := r.Apply(data, time.Second)
	done := make(chan error, 1)
	go func() { done <- future.Error() }() // it has no context, and may never answer after a shutdown
	timer := time.NewTimer(stuckAfter)
	defer timer.Stop()
	select {
	case err := <-done:
		switch {
		case err == nil:
			return future.Response().(*batchResult), nil
		case errors.Is(err, raft.ErrEnqueueTimeout):
			return nil, errBusy
		case errors.Is(err, raft.ErrNotLeader):
			return nil, errNoLeader // it was never in this node's ledger
		default:
			return nil, errUnknown
		}
	case <-timer.C:
		if r.State() == raft.Leader {
			// Heartbeats renew the lease of a leader whose entries nobody
			// stores, so Raft would never step down by itself.
			n.fail(fmt.Errorf("an own entry found no majority for %s: the other nodes refuse or cannot store it", stuckAfter))
		}
		return nil, errUnknown
	case <-n.done:
		return nil, errUnknown
	}
}
