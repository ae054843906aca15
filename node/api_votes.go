package node

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/fault"
)

// Changes of votes that may be asked for.
const (
	VotePromote  = "promote"  // a node gets a vote
	VoteDemote   = "demote"   // a node loses its vote
	VoteTransfer = "transfer" // another node leads
)

// VotesAnswer is what a change of votes led to.
type VotesAnswer struct {
	Changed bool     `json:"changed"` // false if it was so before
	Leader  string   `json:"leader"`
	Voters  []string `json:"voters"` // ids, sorted
}

// postVotes changes who votes in Raft, or who leads. Any node may ask; the
// leader decides.
func (n *Node) postVotes(w http.ResponseWriter, r *http.Request, c caller) error {
	change, id := r.PathValue("change"), r.URL.Query().Get("node")
	do := map[string]func(context.Context, *raft.Raft, string) (bool, error){
		VotePromote: n.promote, VoteDemote: n.demote, VoteTransfer: n.transfer,
	}[change]
	if do == nil {
		return fault.New("request_form", "change", "promote, demote or transfer is expected")
	}
	if !ValidID(id) && (id != "" || change != VoteTransfer) {
		return fault.New("request_form", "node", "the id of a node is expected")
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	if !n.leads() {
		return n.forwardVotes(ctx, w, r, change, id)
	}
	n.votesMu.Lock()
	defer n.votesMu.Unlock()
	rf := n.currentRaft()
	if rf == nil {
		return errNoLeader
	}
	n.log.Info("a change of votes is asked for", "change", change, "peer", id, "by", c.String())
	changed, err := do(ctx, rf, id)
	if err != nil {
		return err
	}
	out := VotesAnswer{Changed: changed, Leader: n.leader(), Voters: []string{}}
	for _, s := range n.servers() {
		if s.Suffrage == raft.Voter {
			out.Voters = append(out.Voters, string(s.ID))
		}
	}
	slices.Sort(out.Voters)
	writeJSON(w, http.StatusOK, out)
	return nil
}

// forwardVotes sends the question on to the leader, one hop.
func (n *Node) forwardVotes(ctx context.Context, w http.ResponseWriter, r *http.Request, change, id string) error {
	p := n.leaderPeer()
	if p == nil || r.Header.Get(forwardedHeader) != "" {
		return errNoLeader
	}
	out, err := p.client.changeVotes(ctx, change, id, http.Header{forwardedHeader: {"1"}})
	switch fault.Code(err) {
	case "unreachable", "stopping":
		return errNoLeader
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// ChangeVotes asks for a change of votes, one of the Vote constants, in the
// name of a node. The id may be empty for a transfer: to any. It is safe to
// ask again.
func (c *Client) ChangeVotes(ctx context.Context, change, id string) (*VotesAnswer, error) {
	return c.changeVotes(ctx, change, id, nil)
}

func (c *Client) changeVotes(ctx context.Context, change, id string, header http.Header) (*VotesAnswer, error) {
	data, err := c.do(ctx, http.MethodPost, "/v1/votes/"+change+"?node="+url.QueryEscape(id), header, nil)
	if err != nil {
		return nil, err
	}
	out := new(VotesAnswer)
	if err := json.Unmarshal(data, out); err != nil {
		return nil, fault.New("unexpected", c.Address, "the node's answer cannot be read").Because(err)
	}
	return out, nil
}
