package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// Predecessor is a log that another one goes on from: its leaves below Size
// are the first ones of that other log, which has its genesis at Size.
type Predecessor struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"` // at that size, hex
	Time   int64  `json:"time"` // log time of the genesis that goes on from it, ms
	// Closed says that its governors had ended it in favour of the successor,
	// so that nothing can have come after Size.
	Closed bool `json:"closed,omitempty"`
}

// NewSuccessor returns the authority of an empty log that may begin with the
// leaves of others: whatever genesis stands first, and whichever go on from
// it, until that of origin is reached. Until then Authority.Origin is that of
// the leaves applied last.
func NewSuccessor(origin string) *Authority {
	a := NewAuthority("")
	a.heir = origin
	return a
}

// Arrived reports whether the genesis of the log itself has been applied, and
// not merely those of its predecessors.
func (a *Authority) Arrived() bool { return a.Governance != nil && a.heir == "" }

// Begins is the log index of the log's own genesis: 0, or the size of the
// newest predecessor.
func (g *Governance) Begins() uint64 {
	if n := len(g.Predecessors); n > 0 {
		return g.Predecessors[n-1].Size
	}
	return 0
}

// PredecessorOf returns what a genesis says of the log that it goes on from;
// nil if it goes on from none.
func PredecessorOf(r *record.Record) *Predecessor {
	p := r.Body.Get("predecessor")
	if r.Type != "log.genesis/1" || p.Kind == 0 {
		return nil
	}
	return &Predecessor{Origin: p.Get("origin").Str, Size: uint64(p.Get("size").Int), Root: p.Get("root").Str}
}

// CheckRoot holds a genesis against the leaves that it goes on from: root is
// that of all leaves before it. Who has the leaves asks this, beside Check; a
// proof file does not show it. The error has the code "predecessor".
func (p *Predecessor) CheckRoot(root [32]byte) error {
	if have := Hex(root); have != p.Root {
		return fault.New("predecessor", "body.predecessor.root", fmt.Sprintf("the leaves before it have the root %s, not %s", have, p.Root))
	}
	return nil
}

// CheckGenesis checks of a genesis what it shows by itself: that its founding
// hashes to its origin, that all founders signed it, its nodes' keys and its
// policy. Whether it may stand where it does is for Authority.Check.
func CheckGenesis(r *record.Record, sigOK SigCheck) error {
	founding := r.Body.Get("founding")
	if r.Type != "log.genesis/1" || !record.FitsOrigin(r.Origin, founding) {
		return fault.New("genesis_origin", "body.founding", "it is no genesis whose founding hashes to "+r.Origin)
	}
	founders, err := governorsOf(founding, Place{})
	if err != nil {
		return err
	}
	signed := 0
	for _, s := range r.Sigs {
		g := governorOf(founders, s)
		if g == nil {
			continue // a governor of the log before
		}
		if !sigOK(g.Key.Public, []byte(r.Text), s.Bytes) {
			return fault.New("signature", "", fmt.Sprintf("the signature by governor %s does not fit the record", s.Name))
		}
		signed++
	}
	if signed != len(founders) {
		return fault.New("threshold", "", fmt.Sprintf("a genesis is signed by all %d founders, here by %d", len(founders), signed))
	}
	return NewAuthority(r.Origin).checkRegistration(r, Place{})
}

// ownOrigin reports whether records of an origin are, or were before a
// succession, of this log.
func (a *Authority) ownOrigin(origin string) bool {
	return origin == a.Origin || a.Governance != nil && slices.ContainsFunc(a.Governance.Predecessors, func(p Predecessor) bool { return p.Origin == origin })
}

// checkSuccession: a genesis that goes on from the log that the state is of.
// The governors of that one have signed it too: those who are not founders as
// many as its threshold still lacks, so that a text has one set of signatures
// no more than any other record of governors.
func (a *Authority) checkSuccession(r *record.Record, at Place, founders []Governor, sigOK SigCheck) error {
	g, p := a.Governance, PredecessorOf(r)
	switch {
	case p == nil:
		return fault.New("genesis_place", "", "the log has its genesis already")
	case !r.Body.Has("seed"):
		return fault.New("predecessor", "body.seed", "it names no node that begins with the leaves before it")
	case p.Origin != a.Origin:
		return fault.New("predecessor", "body.predecessor.origin", fmt.Sprintf("it goes on from %s, the leaves before it are of %s", p.Origin, a.Origin))
	case p.Size != at.Index:
		return fault.New("predecessor", "body.predecessor.size", fmt.Sprintf("it goes on from size %d, and stands at log index %d", p.Size, at.Index))
	case g.Closed != "" && g.Closed != r.Origin:
		return fault.New("log_closed", "", "the log before it is closed; it goes on in "+g.Closed)
	}
	if got := r.Body.Get("prev").Str; got != g.Last {
		return fault.New("prev", "body.prev", fmt.Sprintf("the newest record of this history is %s, not %s", orNone(g.Last), orNone(got)))
	}
	both := 0
	signers := slices.Clone(founders)
	for i := range founders {
		f := &founders[i]
		if a.governor(f.Name, f.Key.VKey) != nil {
			both++
		} else if a.used[string(f.Key.Public)] || a.used[f.Name+"+"+f.Key.ID] {
			return fault.New("key_reused", "body.founding", fmt.Sprintf("key %s of %s was registered before; a key is registered once, for one use", f.Key.ID, f.Name))
		}
	}
	for _, old := range g.Governors {
		if !slices.ContainsFunc(founders, func(f Governor) bool { return f.Name == old.Name }) {
			signers = append(signers, old)
		}
	}
	slices.SortFunc(signers, func(x, y Governor) int { return strings.Compare(x.Name, y.Name) })
	if want := len(founders) + max(0, g.Threshold-both); len(r.Sigs) != want {
		return fault.New("threshold", "", fmt.Sprintf("all %d founders sign it, and %d of the governors of the log before, of whom %d are founders: %d signatures, here are %d",
			len(founders), g.Threshold, both, want, len(r.Sigs)))
	}
	for _, f := range founders {
		if !slices.ContainsFunc(r.Sigs, func(s certs.Sig) bool { return s.Name == f.Name }) {
			return fault.New("threshold", "", "a genesis is signed by all founders; "+f.Name+" is missing")
		}
	}
	if err := signedBy(r, signers, sigOK); err != nil {
		return err
	}
	if got := r.Body.Get("feature_level").Int; got < g.Level {
		return fault.New("feature_level", "body.feature_level", fmt.Sprintf("the log before is at feature level %d", g.Level))
	}
	if err := g.checkRules(r.Body.Get("rules"), "body.rules"); err != nil {
		return err
	}
	for _, n := range r.Body.Get("nodes").List {
		if id := n.Get("id").Str; g.Nodes[id] != nil || g.Gone(id) {
			return fault.New("node_exists", "body.nodes", "a node "+id+" was added before, and ids are never used again").
				WithHint("it may have voted and cosigned: it comes back under a new id, with new keys")
		}
	}
	return a.checkRegistration(r, at)
}

// succeed puts the governors, nodes, rules and policy of a genesis in place of
// those of the log that it goes on from. Members, and all that was ever
// registered, go on.
func (a *Authority) succeed(r *record.Record, at Place) {
	old, next := a.Governance, opened(r, at)
	for i, g := range next.Governors {
		if same := a.governor(g.Name, g.Key.VKey); same != nil {
			next.Governors[i] = *same
		}
	}
	a.Governance = next
	next.Policies, next.Removed, next.Former = old.Policies, old.Removed, old.Former
	for _, g := range old.Governors {
		if a.governor(g.Name, g.Key.VKey) == nil {
			a.retire(g.Name, g.Key, r, at, "retired")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(old.Nodes)) {
		n := old.Nodes[id]
		for _, use := range nodeUses {
			a.retire(a.keyName(id, use), *n.key(use), r, at, "retired")
		}
		next.Removed = append(next.Removed, Gone{n, at.Index})
	}
	p := PredecessorOf(r)
	p.Time, p.Closed = at.Time, old.Closed != ""
	next.Predecessors = append(slices.Clone(old.Predecessors), *p)
}

// Continues says which logs this one goes on from, a sentence each, oldest
// first; nil for none.
func (g *Governance) Continues() (sentences []string) {
	for _, p := range g.Predecessors {
		day := time.UnixMilli(p.Time).UTC().Format(time.DateOnly)
		if p.Closed {
			sentences = append(sentences, fmt.Sprintf("the log continues %s, closed at size %d and continued on %s", p.Origin, p.Size, day))
			continue
		}
		sentences = append(sentences, fmt.Sprintf("the log continues %s, recovered at size %d on %s: records that were acknowledged there beyond that size may be missing",
			p.Origin, p.Size, day))
	}
	return sentences
}
