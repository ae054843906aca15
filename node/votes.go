package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify"
)

// Governance says which nodes there are. Which of them vote in Raft decides
// when the log goes on, and never what is true: a head needs its quorum of
// cosignatures whoever votes. So the operator of any node may ask for a change
// of votes, and the leader makes it unless it would endanger the majority.

// maxVoteLag is how many ledger entries a node may lack and still be given a
// vote, or leadership: it fetches them in a moment.
const maxVoteLag = 64

// askVoterFor bounds how long the leader asks a node how it stands.
const askVoterFor = 3 * time.Second

// promote gives a vote to a node that is registered, answers, and has caught
// up with the same tree.
func (n *Node) promote(ctx context.Context, r *raft.Raft, id string) (changed bool, err error) {
	if err := n.registered(id); err != nil {
		return false, err
	}
	s, ok := n.raftServer(id)
	switch {
	case !ok:
		return false, fault.New("node_behind", "", id+" has not joined yet").WithHint("the leader lets it join by itself: try again in a moment")
	case s.Suffrage == raft.Voter:
		return false, nil
	}
	if _, err := n.caughtUp(ctx, id); err != nil {
		return false, err
	}
	n.log.Info("a node gets a vote", "peer", id)
	return true, n.changed(n.await(r.AddVoter(s.ID, s.Address, 0, askVoterFor)))
}

// demote takes a node's vote. It goes on keeping a copy and cosigning.
func (n *Node) demote(ctx context.Context, r *raft.Raft, id string) (changed bool, err error) {
	s, ok := n.raftServer(id)
	switch {
	case !ok:
		return false, unknownNode(id)
	case s.Suffrage != raft.Voter:
		return false, nil
	case id == n.id:
		return false, fault.New("node_leads", "", id+" leads: who leads has a vote").WithHint("hand leadership over first: `milepost cluster transfer`")
	}
	if live, voters := n.liveVoters(ctx, id); live < (voters-1)/2+1 {
		return false, fewVoters(id, "without the vote of", live, voters-1)
	}
	n.log.Info("a node loses its vote", "peer", id)
	return true, n.changed(n.await(r.DemoteVoter(s.ID, 0, askVoterFor)))
}

// transfer hands leadership over, to a node or, if id is "", to the one that
// is furthest.
func (n *Node) transfer(ctx context.Context, r *raft.Raft, id string) (changed bool, err error) {
	if id == n.id {
		return false, nil
	}
	s, ok := n.raftServer(id)
	switch {
	case id == "":
		if s, err = n.bestVoter(ctx); err != nil {
			return false, err
		}
	case !ok:
		return false, unknownNode(id)
	case s.Suffrage != raft.Voter:
		return false, fault.New("no_vote", "", id+" has no vote, and only a voter can lead").WithHint("give it one first: `milepost cluster promote " + id + "`")
	default:
		if _, err := n.caughtUp(ctx, id); err != nil {
			return false, err
		}
	}
	n.log.Info("leadership is handed over", "peer", s.ID)
	n.await(r.LeadershipTransferToServer(s.ID, s.Address)) // who leads then says whether it worked
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		switch now := n.leader(); {
		case now == string(s.ID):
			tick.Stop()
			return true, nil
		case ctx.Err() != nil:
			tick.Stop()
			return false, fault.New("not_transferred", "", fmt.Sprintf("%s did not become the leader", s.ID)).
				WithHint("`milepost cluster status` says who leads; try again, or name another one")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// bestVoter is the voter, other than this node, that answers and is furthest.
func (n *Node) bestVoter(ctx context.Context) (best raft.Server, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var applied uint64
	var why []string
	for _, s := range n.servers() {
		if s.Suffrage != raft.Voter || string(s.ID) == n.id {
			continue
		}
		wg.Go(func() {
			st, err := n.caughtUp(ctx, string(s.ID))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				why = append(why, err.Error())
			} else if best.ID == "" || st.Applied > applied || st.Applied == applied && s.ID < best.ID {
				best, applied = s, st.Applied
			}
		})
	}
	wg.Wait()
	if best.ID == "" {
		slices.Sort(why)
		return best, fault.New("node_behind", "", "no other voter could lead: "+strings.Join(append(why, "there is none")[:max(len(why), 1)], "; ")).
			WithHint("start another voter, or give a node a vote: `milepost cluster promote ID`")
	}
	return best, nil
}

// mayLeave refuses a record that removes a node whose vote Raft can't do
// without. It is not in the state machine, which knows nothing of who is up:
// as with clocks, the leader refuses what it had better not propose.
func (n *Node) mayLeave(ctx context.Context, id string) error {
	s, ok := n.raftServer(id)
	if !ok || s.Suffrage != raft.Voter {
		return nil
	}
	// It stops as soon as the record is final, which may be before Raft has
	// done without it: the others are to be a majority as Raft is now.
	if live, voters := n.liveVoters(ctx, id); live < voters/2+1 {
		return fewVoters(id, "once it is gone,", live, voters).WithHint("start the voters that are down, give another node a vote (`milepost cluster promote ID`), or take this one's first (`milepost cluster demote " + id + "`)")
	}
	return nil
}

func fewVoters(id, when string, live, voters int) *fault.Error {
	if when != "once it is gone," {
		when += " " + id + ","
	}
	return fault.New("few_voters", "node "+id, fmt.Sprintf("%s %d of %d voters would be up, and %d are needed to record anything", when, live, voters, voters/2+1)).
		WithHint("start the voters that are down, or give another node a vote first: `milepost cluster promote ID`")
}

// registered refuses a node that governance has not registered, or has not
// yet under a published head.
func (n *Node) registered(id string) (err error) {
	_, published, _ := n.heads.state()
	n.state.withAuthority(func(a *verify.Authority) {
		v := (*verify.Node)(nil)
		if a.Governance != nil {
			v = a.Governance.Nodes[id]
		}
		switch {
		case v == nil:
			err = unknownNode(id)
		case max(v.Log.Index, v.Cosigner.Index, v.TLS.Index) >= published:
			err = errLate
		}
	})
	return err
}

func unknownNode(id string) error {
	return fault.New("node_unknown", "", "governance has registered no node "+id).
		WithHint("`milepost member list` shows the nodes there are; to add one: docs/operations.md, Add a node")
}

func (n *Node) raftServer(id string) (raft.Server, bool) {
	for _, s := range n.servers() {
		if string(s.ID) == id {
			return s, true
		}
	}
	return raft.Server{}, false
}

// voterStatus asks a node how it stands: it must answer, and follow this
// leader.
func (n *Node) voterStatus(ctx context.Context, id string) (*Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askVoterFor)
	defer cancel()
	for _, p := range n.peers() {
		if p.id != id {
			continue
		}
		st, err := p.client.Status(ctx)
		switch {
		case err != nil:
			return nil, fault.New("node_unreachable", "", id+" does not answer the leader, "+n.id).Because(err).WithHint("start it, and look at the line between the two")
		case st.Leader != n.id:
			return nil, fault.New("node_behind", "", id+" does not follow the leader, "+n.id).WithHint("its log says why; try again in a moment")
		}
		return st, nil
	}
	return nil, unknownNode(id)
}

// caughtUp refuses a node that lacks much of the ledger, or has another tree.
func (n *Node) caughtUp(ctx context.Context, id string) (*Status, error) {
	applied := n.state.bound.Load()
	st, err := n.voterStatus(ctx, id)
	if err != nil {
		return nil, err
	}
	if applied > st.Applied+maxVoteLag {
		return nil, fault.New("node_behind", "", fmt.Sprintf("%s lacks %d of %d ledger entries", id, applied-st.Applied, applied)).WithHint("it catches up by itself; `milepost cluster status` shows how far it is")
	}
	view := n.heads.newest()
	if view == nil {
		return nil, errNoHead
	}
	defer view.Release()
	if st.TreeSize == 0 || st.TreeSize > view.Size {
		return st, nil // it was asked before this node took the newest batch
	}
	root, err := view.RootAt(st.TreeSize)
	if err != nil {
		return nil, err
	}
	if st.Root != verify.Hex(root) {
		return nil, fault.New("root_mismatch", "", fmt.Sprintf("%s has another tree at size %d than the leader, %s", id, st.TreeSize, n.id)).
			WithHint("one of the two is wrong: `milepost audit` there and here, and docs/threat-model.md")
	}
	return st, nil
}

// liveVoters counts the voters there are, and those that are up and follow
// this leader, itself included, the node without left out of the latter.
func (n *Node) liveVoters(ctx context.Context, without string) (live, voters int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, s := range n.servers() {
		if s.Suffrage != raft.Voter {
			continue
		}
		voters++
		if string(s.ID) == without {
			continue
		}
		wg.Go(func() {
			ok := string(s.ID) == n.id
			if !ok {
				_, err := n.voterStatus(ctx, string(s.ID))
				ok = err == nil
			}
			if ok {
				mu.Lock()
				live++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return live, voters
}

// changed is what became of a change of Raft's servers.
func (n *Node) changed(err error) error {
	if err != nil && fault.Code(err) == "internal" {
		return errNoLeader // Raft's own reasons: it leads no more, or is handing over
	}
	return err
}
