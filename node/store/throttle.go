package store

import (
	"math"
	"sync"
	"time"
)

// throttle knows how many bytes lie between the applied and the commit
// index. Entries stored before the file was opened count as nothing: Raft
// reads those back at its own pace.
type throttle struct {
	limit int

	mu      sync.Mutex
	off     bool
	applied uint64        // as the state machine told
	base    uint64        // sums[i] is the size of all entries stored up to index base+i
	sums    []int         // entries at or below applied are dropped
	gone    int           // the sum just before base
	changed chan struct{} // closed when a waiting call should look again; nil while none waits
}

// NoteApplied tells the store that the state machine has applied the entries
// up to index. The state machine calls it after each batch.
func (s *Store) NoteApplied(index uint64) { s.unapplied.note(index) }

// Unapplied returns how many bytes of entries, of those that were stored since
// the file was opened, lie above what NoteApplied was told.
func (s *Store) Unapplied() int {
	s.unapplied.mu.Lock()
	defer s.unapplied.mu.Unlock()
	return s.unapplied.upTo(math.MaxUint64) - s.unapplied.gone
}

// Throttle switches waiting in StoreLogs on, as it is at first, or off, which
// ends the waits that are under way.
func (s *Store) Throttle(on bool) { s.unapplied.set(on) }

// wait returns once few enough bytes are committed and not applied, waiting
// is switched off, or MaxWait is over.
func (s *Store) wait() {
	if s.cfg.Committed == nil {
		return
	}
	changed := s.unapplied.full(s.cfg.Committed())
	if changed == nil {
		return
	}
	s.Counters.Waits.Add(1)
	overdue := time.NewTimer(s.cfg.MaxWait)
	defer overdue.Stop()
	for changed != nil {
		select {
		case <-changed:
		case <-overdue.C:
			s.Counters.Overdue.Add(1)
			return
		}
		changed = s.unapplied.full(s.cfg.Committed())
	}
}

// full returns nil, or what closes when it should be asked again.
func (t *throttle) full(committed uint64) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.off || t.upTo(committed)-t.gone <= t.limit {
		return nil
	}
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	return t.changed
}

// upTo returns the size of all entries stored up to index. mu is held.
func (t *throttle) upTo(index uint64) int {
	if index < t.base || len(t.sums) == 0 {
		return t.gone
	}
	return t.sums[min(index-t.base, uint64(len(t.sums)-1))]
}

func (t *throttle) stored(index uint64, size int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.sums) == 0 {
		t.base = index
	}
	t.sums = append(t.sums, t.upTo(index)+size)
}

// truncate forgets the entries from index on.
func (t *throttle) truncate(index uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sums = t.sums[:min(max(index, t.base)-t.base, uint64(len(t.sums)))]
}

func (t *throttle) note(index uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.applied = max(t.applied, index)
	if len(t.sums) > 0 && index >= t.base {
		t.gone = t.upTo(index)
		n := min(index-t.base+1, uint64(len(t.sums)))
		t.sums, t.base = t.sums[n:], t.base+n
	}
	t.wake()
}

func (t *throttle) set(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.off = !on
	t.wake()
}

func (t *throttle) wake() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

func (t *throttle) mark() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.applied
}
