package node

import (
	"sync"

	"github.com/hashicorp/raft"
)

// nudger tells followers at once what is committed. Otherwise they would
// learn it with the next AppendEntries, up to CommitTimeout later, and their
// cosignatures would come that late.
type nudger struct {
	mu   sync.Mutex
	busy map[raft.ServerID]bool
	next map[raft.ServerID]*raft.AppendEntriesRequest // newest wins
}

// nudge sends every peer an empty AppendEntries that says that the entry
// just committed is. Its previous entry is that same entry, with that
// entry's own term, so that a follower which lacks it merely refuses; zeroes
// would be a heartbeat. The reply is of no interest.
func (n *Node) nudge(last *raft.Log) {
	run := n.raftRun.Load()
	if run == nil {
		return
	}
	r, t := run.raft, run.transport
	term := r.CurrentTerm()
	if r.State() != raft.Leader || r.CurrentTerm() != term || term != last.Term {
		return
	}
	local := raft.ServerAddress(n.address)
	for _, s := range r.GetConfiguration().Configuration().Servers {
		if string(s.ID) == n.id {
			continue
		}
		n.nudges.send(t, s, &raft.AppendEntriesRequest{
			RPCHeader:    raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(n.id), Addr: t.EncodePeer(raft.ServerID(n.id), local)},
			Term:         last.Term,
			PrevLogEntry: last.Index, PrevLogTerm: last.Term, LeaderCommitIndex: last.Index,
		})
	}
}

func (g *nudger) send(t *raft.NetworkTransport, s raft.Server, req *raft.AppendEntriesRequest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy == nil {
		g.busy, g.next = map[raft.ServerID]bool{}, map[raft.ServerID]*raft.AppendEntriesRequest{}
	}
	g.next[s.ID] = req
	if g.busy[s.ID] {
		return
	}
	g.busy[s.ID] = true
	go func() {
		for {
			g.mu.Lock()
			req := g.next[s.ID]
			delete(g.next, s.ID)
			if req == nil {
				g.busy[s.ID] = false
				g.mu.Unlock()
				return
			}
			g.mu.Unlock()
			var resp raft.AppendEntriesResponse
			t.AppendEntries(s.ID, s.Address, req, &resp)
		}
	}()
}
