package verify

import (
	"fmt"
	"sort"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// checkGenesis: the founding hashes to the origin, all founders signed.
func (a *Authority) checkGenesis(r *record.Record, at Place, sigOK SigCheck) error {
	founding := r.Body.Get("founding")
	if !record.FitsOrigin(r.Origin, founding) {
		return fault.New("genesis_origin", "body.founding", "the founding does not hash to the origin "+r.Origin)
	}
	governors, err := governorsOf(founding, at)
	if err != nil {
		return err
	}
	if a.Governance != nil {
		return a.checkSuccession(r, at, governors, sigOK)
	}
	switch {
	case r.Body.Has("predecessor"):
		return fault.New("predecessor", "body.predecessor", "it goes on from another log, whose leaves are not before it")
	case r.Body.Has("seed"):
		return fault.New("predecessor", "body.seed", "it names a node that begins, and goes on from no log")
	case at.Index != 0:
		return fault.New("genesis_place", "", "a genesis stands at log index 0, or where its predecessor ends")
	case r.Body.Has("prev"):
		return fault.New("prev", "body.prev", "the first record of a history has no predecessor")
	}
	if len(r.Sigs) != len(governors) {
		return fault.New("threshold", "", fmt.Sprintf("a genesis is signed by all %d founders, here by %d", len(governors), len(r.Sigs)))
	}
	if err := signedBy(r, governors, sigOK); err != nil {
		return err
	}
	return a.checkRegistration(r, at)
}

func governorsOf(v jcs.Value, at Place) ([]Governor, error) {
	var gs []Governor
	for _, g := range v.Get("governors").List {
		k, err := keyOf(g.Get("key").Str, UseGovernor, at)
		if err != nil {
			return nil, err
		}
		gs = append(gs, Governor{g.Get("name").Str, *k})
	}
	return gs, nil
}

// signedBy checks that every signature is by one of the governors and fits.
// record.Open has made sure that the names are sorted and distinct, and the
// genesis that no two governors share a key.
func signedBy(r *record.Record, governors []Governor, sigOK SigCheck) error {
	if r.Actor != "" {
		return fault.New("actor", "actor", "governors' keys are bound to no actor, the record names "+r.Actor)
	}
	for _, s := range r.Sigs {
		g := governorOf(governors, s)
		if g == nil {
			return fault.New("not_governor", "", fmt.Sprintf("%s (key %08x) is not a governor at this point of the log", s.Name, s.ID))
		}
		if !sigOK(g.Key.Public, []byte(r.Text), s.Bytes) {
			return fault.New("signature", "", fmt.Sprintf("the signature by governor %s does not fit the record", s.Name))
		}
	}
	return nil
}

// governorOf returns the governor whose name and key a signature bears, or nil.
func governorOf(governors []Governor, s certs.Sig) *Governor {
	i := sort.Search(len(governors), func(i int) bool { return governors[i].Name >= s.Name })
	if i < len(governors) && governors[i].Name == s.Name && governors[i].Key.ID == certs.FormatID(s.ID) {
		return &governors[i]
	}
	return nil
}

// admin returns the member whose own administrator a record claims to be
// signed by, or nil if it is the governors' to sign. A governor may bear the
// name of a member, so that the key decides.
func (a *Authority) admin(r *record.Record) *Member {
	if r.Def == nil || !contains(r.Def.Writers, record.WriterAdmin) {
		return nil
	}
	m := a.Members[r.Body.Get(r.Def.Owner).Str]
	if m == nil || r.Author != m.Name || governorOf(a.Governance.Governors, r.Sigs[0]) != nil {
		return nil
	}
	return m
}

// checkGoverned: records of the governors, and of a member's admin keys.
func (a *Authority) checkGoverned(r *record.Record, at Place, sigOK SigCheck) error {
	if r.Type == "log.genesis/1" {
		return fault.New("genesis_place", "", "the log has its genesis already")
	}
	m := a.Members[r.Body.Get("name").Str]
	last := a.Governance.Last
	if r.Def.Owner != "" {
		last = ""
		if m != nil {
			last = m.Last
		}
	}
	if got := r.Body.Get("prev").Str; got != last {
		return fault.New("prev", "body.prev", fmt.Sprintf("the newest record of this history is %s, not %s", orNone(last), orNone(got)))
	}
	byAdmin := a.admin(r) != nil
	switch {
	case byAdmin:
		if len(r.Sigs) != 1 {
			return fault.New("signatures", "", "a record of a member's administrator carries one signature")
		}
		if _, err := a.signer(m, r, UseAdmin, at, sigOK); err != nil {
			return err
		}
	case len(r.Sigs) != a.Governance.Threshold:
		return fault.New("threshold", "", fmt.Sprintf("exactly %d governors sign this, here are %d signatures", a.Governance.Threshold, len(r.Sigs)))
	default:
		if err := signedBy(r, a.Governance.Governors, sigOK); err != nil {
			return err
		}
		if err := a.checkBallot(r); err != nil {
			return err
		}
	}
	if r.Def.Owner != "" {
		return a.checkMemberRecord(m, r, at, byAdmin)
	}
	if err := a.checkChange(r); err != nil {
		return err
	}
	return a.checkRegistration(r, at)
}

// checkBallot keeps signatures that governors gave under their predecessors,
// or before some of them came to office, from being used later. In the
// governance history prev sees to that; a member's history knows nothing of
// a change of governors, so records that governors write there name it.
func (a *Authority) checkBallot(r *record.Record) error {
	now := a.Governance.Appointed
	if r.Def.Owner == "" || now == "" || contains(r.Envelope.Get("refs").Strings(), now) {
		return nil
	}
	return fault.New("stale_ballot", "refs", "the governors have changed; what they sign for a member's history names that change, "+now).
		WithHint("draft it again and have the present governors sign it")
}

// BallotRefs are the refs that a record of the governors in a member's
// history has to carry at this point of the log; nil for none.
func (a *Authority) BallotRefs() []string {
	if a.Governance == nil || a.Governance.Appointed == "" {
		return nil
	}
	return []string{a.Governance.Appointed}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Apply changes the state by a record that Check has let through, and
// returns the subject whose state changed, or "" if none did.
func (a *Authority) Apply(r *record.Record, at Place) string {
	if r.Def == nil || !r.Def.Governed() {
		return ""
	}
	keys, err := a.keysIn(r, at)
	if err != nil {
		panic("verify: Apply without Check: " + err.Error())
	}
	for _, k := range keys {
		a.use(k.name, k.key)
	}
	if r.Def.Owner != "" {
		a.applyMember(r, at, keys)
	} else {
		a.applyChange(r, at, keys)
	}
	return r.Subjects[0]
}
