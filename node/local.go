package node

import (
	"context"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify"
)

// Submit takes record notes as POST /v1/records does, from within the
// process and at the leader only (code no_leader elsewhere). At most 2,000
// notes, each of which has its own outcome in the answer.
func (n *Node) Submit(ctx context.Context, notes ...[]byte) (*SubmitAnswer, error) {
	switch {
	case len(notes) == 0 || len(notes) > maxNotes:
		return nil, fault.New("request_form", "", "1 to 2,000 records are expected")
	case !n.leads():
		return nil, errNoLeader
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return n.submit(ctx, "node "+n.id, notes)
}

// SigCheck returns the check of record signatures that nodes make, with a
// cache of its own. It accepts exactly what certs.VerifyEd25519 accepts.
func SigCheck() verify.SigCheck { return newSigCache().verify }

// SubmitEach takes record notes as POST /v1/records does at this node, whether
// it leads or sends them on, from within the process. Each of the 1 to 2,000
// has its own outcome in the answer, also a single one.
func (n *Node) SubmitEach(ctx context.Context, notes ...[]byte) (*SubmitAnswer, error) {
	if len(notes) == 0 || len(notes) > maxNotes {
		return nil, fault.New("request_form", "", "1 to 2,000 records are expected")
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return n.accept(ctx, "node "+n.id, notes)
}

// Receipt is the receipt of a record by its leaf hash, a C2SP tlog-proof, as
// GET /v1/records/{hash}/receipt gives it.
func (n *Node) Receipt(_ context.Context, leafHash string) (text []byte, err error) {
	err = n.withLeafOf(leafHash, func(h *head, index uint64) error {
		text, err = receipt(h.view, index, h.note)
		return err
	})
	return text, err
}
