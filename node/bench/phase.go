package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify"
)

// shape is the load of a phase.
type shape struct {
	clients int // requests in flight
	records int // in each
}

// fastest is how many records a second are signed for a phase beforehand. On
// a faster machine they run out, and the phase ends early.
func (s shape) fastest() float64 { return math.Min(400*float64(s.clients*s.records), 16_000) }

// ack is the answer to one request.
type ack struct {
	at      time.Time
	took    time.Duration
	first   int // of its records, among those signed for the phase
	records int
	index   uint64 // log index of the first
}

// receipts is how many receipts are verified at the end of a phase.
const receipts = 30

// phase keeps a number of requests in flight, first unmeasured until
// connections are open and batches have their size, then measured. What
// counts is what is acknowledged within the measured time.
func (b *load) phase(ctx context.Context, s shape, seconds float64) (Phase, error) {
	measured := time.Duration(seconds * float64(time.Second))
	warm := max(measured/5, 300*time.Millisecond)
	n := int(s.fastest()*(measured+warm).Seconds()) + s.clients*s.records
	notes, err := b.forge.sign(n - n%s.records)
	if err != nil {
		return Phase{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := b.connect(s.clients); err != nil {
		return Phase{}, err
	}
	var next, ranOut atomic.Int64
	begin := time.Now()
	from, to := begin.Add(warm), begin.Add(warm+measured)
	acks := make([][]ack, s.clients)
	var wg sync.WaitGroup
	for w := range s.clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				now := time.Now()
				if now.After(to) {
					return
				}
				first := int(next.Add(int64(s.records))) - s.records
				if first+s.records > len(notes) {
					ranOut.CompareAndSwap(0, now.UnixNano())
					return
				}
				a, err := submit(b.senders[w], notes, first, s.records)
				if err != nil {
					cancel(err)
					return
				}
				acks[w] = append(acks[w], a)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return Phase{}, err
	}
	if out := ranOut.Load(); out != 0 && time.Unix(0, out).Before(to) {
		to = time.Unix(0, out)
	}
	all := slices.Concat(acks...)
	for _, a := range all {
		b.acked += a.records
	}
	if err := b.check(ctx, notes, all); err != nil {
		return Phase{}, err
	}
	return summary(all, from, to, false)
}

// summary gives the figures of the answers that came between two times, and
// if whole is false of all answers where none came between.
func summary(acks []ack, from, to time.Time, whole bool) (p Phase, err error) {
	var took []float64
	records := 0
	for _, a := range acks {
		if a.at.After(from) && !a.at.After(to) {
			took = append(took, float64(a.took)/float64(time.Millisecond))
			records += a.records
		}
	}
	if records == 0 && len(acks) > 0 && !whole {
		// The machine took longer for a request than was to be measured: count
		// every answer there is, over the time that they took.
		for _, a := range acks {
			if begun := a.at.Add(-a.took); begun.Before(from) {
				from = begun
			}
			if a.at.After(to) {
				to = a.at
			}
		}
		return summary(acks, from, to, true)
	}
	if records == 0 || !to.After(from) {
		return p, errors.New("nothing was acknowledged in the measured time")
	}
	slices.Sort(took)
	return Phase{
		Acked: round(float64(records) / to.Sub(from).Seconds()),
		P50:   round(took[len(took)/2]), P99: round(took[len(took)*99/100]),
	}, nil
}

// connect opens the connections that a phase needs, one for each client:
// otherwise it would measure handshakes.
func (b *load) connect(n int) error {
	var g errgroup.Group
	g.SetLimit(32)
	fresh := make([]*sender, max(n-len(b.senders), 0))
	for i := range fresh {
		g.Go(func() (err error) {
			fresh[i], err = newSender(b.cluster, b.leader, b.forge.authors[0])
			return err
		})
	}
	err := g.Wait()
	for _, s := range fresh {
		if s != nil {
			b.senders = append(b.senders, s)
		}
	}
	return err
}

// submit sends one request to the leader and checks the answer.
func submit(s *sender, notes [][]byte, first, n int) (a ack, err error) {
	start := time.Now()
	ans, err := s.submit(notes[first : first+n])
	if err != nil {
		return a, err
	}
	a = ack{at: time.Now(), first: first, records: n}
	a.took = a.at.Sub(start)
	for i, r := range ans.Records {
		switch {
		case r.Error != nil:
			return a, fmt.Errorf("a record was refused: %s: %s", r.Error.Code, r.Error.Error)
		case r.Status != "accepted" || r.Index == nil || *r.Index >= ans.Size:
			return a, fmt.Errorf("an odd answer: %+v, size %d", r, ans.Size)
		}
		if i == 0 {
			a.index = *r.Index
		}
	}
	return a, nil
}

// check fetches the receipts of a sample of acknowledged records, from every
// node in turn, and verifies them.
func (b *load) check(ctx context.Context, notes [][]byte, acks []ack) error {
	ids := b.cluster.IDs()
	for i := range min(receipts, len(acks)) {
		a := acks[i*len(acks)/min(receipts, len(acks))]
		id := ids[i%len(ids)]
		if err := b.receipt(ctx, id, verify.LeafHash(notes[a.first]), a.index); err != nil {
			return fmt.Errorf("the receipt of the acknowledged record at log index %d, from node %s: %w", a.index, id, err)
		}
	}
	return nil
}

func (b *load) receipt(ctx context.Context, id string, hash [32]byte, index uint64) error {
	var data []byte
	for wait := time.Millisecond; ; wait *= 2 {
		var err error
		if data, err = b.clients[id].Receipt(ctx, verify.Hex(hash)); err == nil {
			break
		}
		// Another node than the leader learns of a new head a little later.
		if fault.Code(err) != "no_record" || wait > 2*time.Second {
			return err
		}
		time.Sleep(wait)
	}
	p, err := verify.ParseTLogProof(data)
	if err != nil {
		return err
	}
	if p.Index != index {
		return fmt.Errorf("it is for log index %d", p.Index)
	}
	if _, err := p.CheckInclusion(hash); err != nil {
		return err
	}
	_, err = b.policy.Check(p.Checkpoint, time.Now())
	return err
}

func round(x float64) float64 { return math.Round(x*100) / 100 }
