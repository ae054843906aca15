package node

import "github.com/hashicorp/raft"

// liar is how tests make a node lie. Every hook is unset in a real node, and
// nothing outside this package's tests can set one.
type liar struct {
	clockUnchecked bool                                // leads whatever the others' clocks say
	rounds         func() bool                         // whether to have heads cosigned while it leads
	propose        func() error                        // before a batch is proposed; its error is what becomes of it
	maxTree        int                                 // bytes that tree.db may take; 0 for Config.MaxSize
	lawless        bool                                // lets into the log what no case allows
	transport      func(raft.Transport) raft.Transport // what Raft sends goes through it
	ledgerEntry    func([]byte) []byte                 // becomes of a ledger entry that another node asks for
}
