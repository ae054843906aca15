package node

import (
	"encoding/json"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// Status is what a node says of itself.
type Status struct {
	Node      string       `json:"node"`
	Origin    string       `json:"origin"`
	Role      string       `json:"role"`   // leader, follower, candidate, or observer for one that does not vote
	Leader    string       `json:"leader"` // id, "" if none
	Term      uint64       `json:"term"`
	Applied   uint64       `json:"applied"`   // newest ledger entry in the tree
	TreeSize  uint64       `json:"tree_size"` // leaves in this node's tree
	Root      string       `json:"root"`      // of that tree, hex; "" while it is empty
	Cosigned  uint64       `json:"cosigned"`  // size of the newest head that this node cosigned
	Published uint64       `json:"published"` // size of the newest head with a quorum
	AsOf      string       `json:"as_of"`     // the quorum's time of that head
	Quorum    int          `json:"quorum"`
	Cosigners int          `json:"cosigners"`
	Tolerates int          `json:"tolerates"` // liars
	Time      string       `json:"time"`
	Version   string       `json:"version"`
	Level     int64        `json:"feature_level"`     // of the log, as far as this node knows it
	Supports  int64        `json:"feature_level_max"` // that this program knows
	Disk      Disk         `json:"disk"`
	NotReady  []ErrorBody  `json:"not_ready"` // why records can't be sent here; empty if they can
	Silent    []Silence    `json:"silent"`    // at the leader: who did not cosign when asked last, sorted by node
	Refused   []Refusal    `json:"refused"`   // what was refused of other nodes since this one started, sorted by node
	Peers     []PeerStatus `json:"peers"`     // sorted by node
}

// PeerStatus is another node, as far as this one knows.
type PeerStatus struct {
	Node    string `json:"node"`
	Address string `json:"address"`
	Votes   bool   `json:"votes"`
	*Sighting
}

// Sighting is what a node last saw of another one; nil until it has looked.
type Sighting struct {
	Seen     string     `json:"seen"`              // when it answered last; "" if it never did
	Error    *ErrorBody `json:"error,omitempty"`   // why it does not answer now
	TreeSize uint64     `json:"tree_size"`         // leaves in its tree
	Behind   uint64     `json:"behind"`            // leaves that its tree lacked of this node's
	Ahead    float64    `json:"clock_ahead"`       // seconds that its clock is ahead of this node's; below 0 if it is behind
	Version  string     `json:"version"`           // of its program
	Supports int64      `json:"feature_level_max"` // that its program knows
	Ready    bool       `json:"ready"`             // whether it takes records
}

// Silence is why a node did not cosign.
type Silence struct {
	Node  string    `json:"node"`
	Since string    `json:"since"`
	Size  uint64    `json:"size"` // of the head that it was asked about last
	Error ErrorBody `json:"error"`
}

// Disk is the room that a node's data directory has, in bytes. Size is 0 where
// it can't be told.
type Disk struct {
	Free uint64 `json:"free"` // to this node, without what the system keeps back
	Size uint64 `json:"size"` // of the file system
	Used uint64 `json:"used"` // by the node's three databases
	// Least is the mark below which the node takes no records; 0 for none.
	// Short says that it takes none because of it.
	Least uint64 `json:"least"`
	Short bool   `json:"short"`

	files map[string]uint64 // sizes of the databases in bytes, by name
}

func (n *Node) getStatus(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := n.strict(r); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, n.Status())
	return nil
}

// Status describes the node now.
func (n *Node) Status() *Status {
	newest, published, _ := n.heads.state()
	p := n.policy()
	s := &Status{
		Node: n.id, Origin: n.origin, Leader: n.leader(), Applied: n.state.bound.Load(), TreeSize: newest, Cosigned: n.heads.lastCosigned(),
		Published: published, Quorum: p.Quorum(), Cosigners: p.Of(), Tolerates: p.Tolerates(),
		Time: record.FormatUTC(n.now()), Version: Version, Role: "stopped", Supports: n.state.level,
		NotReady: []ErrorBody{}, Silent: n.silent(), Refused: n.refusals(), Peers: []PeerStatus{},
	}
	if v := n.heads.newest(); v != nil {
		s.TreeSize, s.Root = v.Size, verify.Hex(v.Root)
		v.Release()
	}
	s.Disk = *n.disk.Load()
	n.state.withAuthority(func(a *verify.Authority) {
		if a.Governance != nil {
			s.Level = a.Governance.Level
		}
	})
	if h := n.heads.current(); h != nil {
		s.AsOf = record.FormatUTC(h.time)
		h.view.Release()
	}
	if rf := n.currentRaft(); rf != nil {
		s.Role, s.Term = strings.ToLower(rf.State().String()), rf.CurrentTerm()
		for _, srv := range rf.GetConfiguration().Configuration().Servers {
			if string(srv.ID) == n.id {
				if srv.Suffrage != raft.Voter {
					s.Role = "observer"
				}
				continue
			}
			s.Peers = append(s.Peers, PeerStatus{string(srv.ID), string(srv.Address), srv.Suffrage == raft.Voter, n.sighting(string(srv.ID))})
		}
	}
	sort.Slice(s.Peers, func(i, j int) bool { return s.Peers[i].Node < s.Peers[j].Node })
	for _, c := range n.checks() {
		if c.Err != nil {
			s.NotReady = append(s.NotReady, errorBody(c.Err))
		}
	}
	return s
}

// silent lists who did not cosign when this node, as the leader, asked last;
// nobody where it does not lead. What was removed is not asked any more.
func (n *Node) silent() []Silence {
	out := []Silence{}
	if !n.leads() {
		return out
	}
	nodes := n.nodesNow()
	n.complainMu.Lock()
	defer n.complainMu.Unlock()
	for id, c := range n.complaints {
		if nodes[id] != nil {
			out = append(out, Silence{id, record.FormatUTC(c.since), c.size, errorBody(c.err)})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Node < out[j].Node })
	return out
}

// sighting is what Status tells of a sight.
func (n *Node) sighting(id string) *Sighting {
	s, ok := n.sightOf(id)
	if !ok {
		return nil
	}
	out := &Sighting{Behind: s.behind, Ahead: s.ahead.Round(time.Millisecond).Seconds()}
	if !s.answered.IsZero() {
		out.Seen = record.FormatUTC(s.answered)
	}
	if s.err != nil {
		body := errorBody(s.err)
		if body.Code == "internal" {
			body = errorBody(fault.New("unreachable", "", "no answer came").Because(s.err))
		}
		out.Error = &body
	}
	if st := s.status; st != nil {
		out.TreeSize, out.Version, out.Supports, out.Ready = st.TreeSize, st.Version, st.Supports, s.err == nil && len(st.NotReady) == 0
	}
	return out
}

func parseStatus(data []byte) (*Status, error) {
	s := new(Status)
	return s, json.Unmarshal(data, s)
}
