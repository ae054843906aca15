package node

import (
	"net/http"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// Refusal is what this node refused of another one: the other lies, or has
// lost data, or this node has.
type Refusal struct {
	Node  string    `json:"node"`
	Since string    `json:"since"` // when this node first refused this of it
	Last  string    `json:"last"`  // and last
	Count uint64    `json:"count"`
	Size  uint64    `json:"size,omitempty"` // of the tree head that it was about last; 0 for none
	Error ErrorBody `json:"error"`          // of the last time
}

// Grave reports whether no honest node does what was refused. The others,
// such as a tree head from before, may come of a bad moment: a machine that
// was asleep finds all that it was asked meanwhile at once.
func (r Refusal) Grave() bool {
	if r.Error.Code == "overloaded" {
		return r.Count >= floodCount
	}
	return slices.Contains([]string{"root_mismatch", "contradiction", "cosignature", "cosigner_bad", "cosigner_twice", "log_key_bad", "log_key_missing",
		"log_unknown", "consistency", "request_form", "newer_needed", "ledger_entry", "ledger_rewrite"}, r.Error.Code)
}

// refusals keeps, in memory, what was refused of whom: one line for each node
// and code, whatever the number, so that a flood takes no room.
type refusals struct {
	mu sync.Mutex
	of map[refusalKey]*refusal
}

type refusalKey struct{ node, code string }

type refusal struct {
	since, last time.Time            // by this node's clock
	told        map[string]time.Time // line of the log -> when it last said so, monotonic
	count, size uint64
	err         error
}

// refusedOf notes that something was refused of another node, for status and
// metrics, and reports whether the log is to say so in a line: the first time,
// and then no more than once a minute, however often it happens.
func (n *Node) refusedOf(peer string, size uint64, err error, line string) bool {
	if peer == "" || peer == n.id {
		return true // nobody else to name
	}
	code := fault.Code(err)
	n.metrics.peerRefusals.WithLabelValues(peer, code).Inc()
	n.refusedBy.mu.Lock()
	defer n.refusedBy.mu.Unlock()
	key := refusalKey{peer, code}
	r := n.refusedBy.of[key]
	if r == nil {
		r = &refusal{since: n.now(), told: map[string]time.Time{}}
		n.refusedBy.of[key] = r
	}
	r.count, r.size, r.err, r.last = r.count+1, size, err, n.now()
	if told, ok := r.told[line]; ok && time.Since(told) < complaintEvery {
		return false
	}
	r.told[line] = time.Now()
	return true
}

// refusals is what Status tells of them, sorted by node and code.
func (n *Node) refusals() []Refusal {
	n.refusedBy.mu.Lock()
	defer n.refusedBy.mu.Unlock()
	out := []Refusal{}
	for k, r := range n.refusedBy.of {
		out = append(out, Refusal{k.node, record.FormatUTC(r.since), record.FormatUTC(r.last), r.count, r.size, errorBody(r.err)})
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Node != out[j].Node {
			return out[i].Node < out[j].Node
		}
		return out[i].Error.Code < out[j].Error.Code
	})
	return out
}

// floodCount is how many requests are refused as too many at a time before
// that is called a flood.
const floodCount = 100

// maxAtOnce is how many requests of one kind a node may have under way here
// at a time. An honest one has one, and for a moment those that it gave up.
const maxAtOnce = 4

// maxHeadBody is the cap on a request that carries a tree head, in bytes.
const maxHeadBody = 512 << 10

// fewAtOnce keeps a node that floods another one with requests from taking its
// processors and its disk: what is beyond maxAtOnce is refused before it is
// read. What a node may send is not limited by time, since a busy leader has
// hundreds of heads cosigned a second.
func (n *Node) fewAtOnce(kind string, fn func(http.ResponseWriter, *http.Request, caller) error) func(http.ResponseWriter, *http.Request, caller) error {
	var mu sync.Mutex
	underWay := map[string]int{} // by node
	return func(w http.ResponseWriter, r *http.Request, c caller) error {
		id := c.node.ID
		mu.Lock()
		if underWay[id] >= maxAtOnce {
			mu.Unlock()
			err := fault.New("overloaded", "", "this node has too many such requests of "+id+" under way").WithHint("try again in a moment")
			if n.refusedOf(id, 0, err, "flood") {
				n.log.Warn("a node sends too much at a time", "peer", id, "request", kind, "err", err)
			}
			return err
		}
		underWay[id]++
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			if underWay[id]--; underWay[id] == 0 {
				delete(underWay, id)
			}
		}()
		r.Body = http.MaxBytesReader(w, r.Body, maxHeadBody)
		return fn(w, r, c)
	}
}

// blame notes what another node asked and was refused, unless that is an
// outage or was noted where it was found.
func (n *Node) blame(peer string, size uint64, err error) {
	switch fault.Code(err) {
	case "root_mismatch", "contradiction", "internal":
		return
	}
	if err == nil || peer == n.id || isOutage(err) {
		return
	}
	if n.refusedOf(peer, size, err, "request") {
		n.log.Warn("a node's request was refused", "peer", peer, "size", size, "err", err)
	}
}
