package node

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/milepost-log/milepost/record"
)

// Batches come to Raft in the order of their records, however slow the check
// before one of them is: a visit in the second may name a reading in the first.
func TestBatchesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	second := make(chan struct{})
	var order []string // guarded by the order itself: -race tells if there is none
	p := newPool(func(p *proposal) (*batchResult, error) {
		if p.records[0].ID == "1" {
			<-second // the first is checked for longer than the second
		} else {
			close(second)
		}
		<-p.after
		for _, r := range p.records {
			order = append(order, r.ID)
		}
		p.handed()
		return &batchResult{records: make([]outcome, len(p.records))}, nil
	}, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	// Both are in before the pool looks: the second doesn't fit beside the first.
	big := make([]byte, maxBatchBytes)
	done := make(chan error, 1)
	go func() {
		_, err := p.submit(ctx, []*record.Record{{ID: "1", Note: big}, {ID: "2", Note: big}})
		done <- err
	}()
	go p.run(ctx)
	if err := <-done; err != nil {
		t.Error(err)
	}
	cancel()
	<-p.ended
	if !slices.Equal(order, []string{"1", "2"}) {
		t.Errorf("Raft got %q", order)
	}
}
