package node

import (
	"net/http"
	"strconv"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node/store"
)

// stallTimeout ends a backup whose reader takes nothing: it holds read
// transactions, and while it does the databases grow.
const stallTimeout = time.Minute

// getBackup streams the node's data to the node's own TLS key. Who holds that
// key is this node already, to all others; so no new right, socket or port is
// needed, and what is whole is given to nobody else.
func (n *Node) getBackup(w http.ResponseWriter, r *http.Request, c caller) error {
	if c.node == nil || c.node.ID != n.id || c.pin != n.keys.Load().identity.Pin() {
		return fault.New("forbidden", "", "a backup is given to the node's own TLS key only").
			WithHint("run `milepost node backup` where the node runs")
	}
	if !n.backingUp.CompareAndSwap(false, true) {
		return fault.New("backup_busy", "", "another backup of this node is under way").WithHint("wait until it is done")
	}
	defer n.backingUp.Store(false)
	b, err := n.liveBackup()
	if b != nil {
		defer b.release()
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-tar")
	if err := b.write(&patientWriter{w, http.NewResponseController(w)}, n.now()); err != nil {
		// The status is out. Without its manifest the reader knows that the
		// rest is missing.
		n.log.Warn("a backup broke off", "err", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// patientWriter gives each piece of an answer its own deadline, so that a
// long answer may take hours and a stalled one ends.
type patientWriter struct {
	w http.ResponseWriter
	c *http.ResponseController
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.c.SetWriteDeadline(time.Now().Add(stallTimeout)); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}

// getLedger hands an applied ledger entry, as it is stored, to another node
// whose own is damaged.
func (n *Node) getLedger(w http.ResponseWriter, r *http.Request, c caller) error {
	index, err := strconv.ParseUint(r.PathValue("index"), 10, 63)
	if err != nil || strconv.FormatUint(index, 10) != r.PathValue("index") {
		return fault.New("request_form", "index", "the number of a ledger entry is expected")
	}
	if index == 0 || index > n.state.bound.Load() {
		return fault.New("behind", "", "this node has not taken that ledger entry yet").WithHint("ask another node")
	}
	stored, err := n.ledger.Stored(index)
	if err != nil {
		return err
	}
	if n.lie.ledgerEntry != nil {
		stored = n.lie.ledgerEntry(stored)
	}
	if len(stored) > store.MaxEntry {
		return fault.New("too_large", "", "the entry is larger than an answer may be")
	}
	return writeText(w, "application/octet-stream", stored)
}
