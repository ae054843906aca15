package node

import (
	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/verify"
)

// liar is how tests make a node lie. Every hook is unset in a real node, and
// nothing outside this package's tests can set one.
type liar struct {
	clockUnchecked bool                                // leads whatever the others' clocks say
	rounds         func() bool                         // whether to have heads cosigned while it leads
	propose        func() error                        // before a batch is proposed; its error is what becomes of it
	maxTree        int                                 // bytes that tree.db may take; 0 for Config.MaxSize
	lawless        bool                                // lets into the log what no case allows
	transport      func(raft.Transport) raft.Transport // what Raft sends goes through it
	shameless      bool                                // goes on though its tree is contradicted
	cosign         func([]certs.Sig) []certs.Sig       // becomes of a cosignature that another node asks for
	level          int64                               // newest feature level that it knows; 0 for verify.FeatureLevel
	types          []string                            // record types that it knows beside those of the program
	ledgerEntry    func([]byte) []byte                 // becomes of a ledger entry that another node asks for
}

// knowsLevel is the newest feature level that a node knows.
func (l *liar) knowsLevel() int64 {
	if l.level > 0 {
		return l.level
	}
	return verify.FeatureLevel
}
