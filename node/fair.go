package node

import "sync"

// turns is a queue that takes one of each caller in turn: who has put a
// thousand in does not keep waiting who comes with one.
type turns[T any] struct {
	wake chan struct{} // holds a token when there may be something to take

	mu      sync.Mutex
	waiting map[string][]T
	order   []string // callers with something waiting; the first is next
	held    int
}

// newTurns makes a queue for so many takers.
func newTurns[T any](takers int) *turns[T] {
	return &turns[T]{wake: make(chan struct{}, takers), waiting: map[string][]T{}}
}

func (q *turns[T]) push(who string, items ...T) {
	if len(items) == 0 {
		return
	}
	q.mu.Lock()
	if len(q.waiting[who]) == 0 {
		q.order = append(q.order, who)
	}
	q.waiting[who] = append(q.waiting[who], items...)
	q.held += len(items)
	q.mu.Unlock()
	for range min(len(items), cap(q.wake)) {
		select {
		case q.wake <- struct{}{}:
		default:
			return
		}
	}
}

func (q *turns[T]) pop() (item T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held == 0 {
		return item, false
	}
	who := q.order[0]
	list := q.waiting[who]
	item, list[0] = list[0], item // what was taken is not kept
	if q.order = q.order[1:]; len(list) > 1 {
		q.waiting[who] = list[1:]
		q.order = append(q.order, who)
	} else {
		delete(q.waiting, who)
	}
	q.held--
	return item, true
}

func (q *turns[T]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held
}

// shares divides a bounded amount among callers. Nobody may hold more than
// is left free: who is alone may have half, each of n callers 1/(n+1), and
// there is always some for who comes next. (Choudhury and Hahne, "Dynamic
// queue length thresholds for shared-memory packet switches", 1998.)
type shares struct {
	mu          sync.Mutex
	total, held int
	by          map[string]int
}

func newShares(total int) *shares { return &shares{total: total, by: map[string]int{}} }

// take reports whether who may have n more, which give gives back.
func (s *shares) take(who string, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[who]+n > s.total-s.held {
		return false
	}
	s.held += n
	s.by[who] += n
	return true
}

func (s *shares) give(who string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held -= n
	if s.by[who] -= n; s.by[who] == 0 {
		delete(s.by, who)
	}
}
