package node

import (
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/milepost-log/milepost/certs/fault"
)

// A call of a database that has not come back after hangAfter ends the
// process: while Raft's main loop waits for a disk, its heartbeats go on, and
// nobody else would ever lead.
const (
	hangAfter = 10 * time.Second
	hangLooks = 20 // of the watchdog, within hangAfter
)

// watchdog notices calls of the databases that do not come back. It counts
// its own looks and not the time: a process or a machine that was stopped for
// a while must not take that for a disk that hangs.
type watchdog struct {
	seconds *prometheus.HistogramVec // of calls, by file
	hang    func(file string)        // in tests: may keep a call for as long as it likes

	mu    sync.Mutex
	calls map[*storeCall]struct{} // under way
}

type storeCall struct {
	file  string
	begun time.Time
	looks int
}

// begin notes that a call of a file begins; the function that it returns
// notes the end.
func (w *watchdog) begin(file string) (end func()) {
	c := &storeCall{file: file, begun: time.Now()}
	w.mu.Lock()
	w.calls[c] = struct{}{}
	w.mu.Unlock()
	if w.hang != nil {
		w.hang(file)
	}
	return func() {
		w.mu.Lock()
		delete(w.calls, c)
		w.mu.Unlock()
		w.seconds.WithLabelValues(file).Observe(time.Since(c.begun).Seconds())
	}
}

// look returns the file of a call that has been under way for too many looks.
func (w *watchdog) look() (file string, hangs bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	longest := hangLooks
	for c := range w.calls {
		if c.looks++; c.looks > longest {
			file, longest = c.file, c.looks
		}
	}
	return file, longest > hangLooks
}

// watchCalls ends the node when a call hangs. It is none of the goroutines
// that Stop waits for: it is what lets Stop come back although one of those
// never will.
func (n *Node) watchCalls() {
	looks := n.hangTicks
	if looks == nil {
		tick := time.NewTicker(hangAfter / hangLooks)
		defer tick.Stop()
		looks = tick.C
	}
	for {
		select {
		case <-n.released:
			return
		case <-looks:
		}
		if file, hangs := n.watchdog.look(); hangs {
			n.fail(fault.New("disk_hangs", "", fmt.Sprintf("a call of %s has not come back for %s", file, hangAfter)).
				WithHint("look at the disk of the data directory; the node can be started again when it answers"))
			go n.stopRaft() // no heartbeat may keep the others waiting
			close(n.hung)
			return
		}
	}
}
