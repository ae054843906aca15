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
