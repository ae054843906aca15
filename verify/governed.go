package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// checkGenesis: the founding hashes to the origin, all founders signed.
func (a *Authority) checkGenesis(r *record.Record, at Place, sigOK SigCheck) error {
	founding := r.Body.Get("founding")
	switch {
	case r.Body.Has("predecessor"):
		return fault.New("predecessor", "body.predecessor", "this program does not read successor logs yet")
	case at.Index != 0:
		return fault.New("genesis_place", "", "a genesis stands at log index 0")
	case r.Body.Has("prev"):
		return fault.New("prev", "body.prev", "the first record of a history has no predecessor")
	case !record.FitsOrigin(a.Origin, founding):
		return fault.New("genesis_origin", "body.founding", "the founding does not hash to the origin "+a.Origin)
	}
	governors, err := governorsOf(founding, at)
	if err != nil {
		return err
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
	}
	switch r.Type {
	case "member.admitted/1":
		if m != nil {
			return fault.New("member_exists", "body.name", m.Name+" was admitted before, and names are never used again")
		}
	case "node.added/1":
		if a.Governance.Nodes[r.Body.Get("id").Str] != nil {
			return fault.New("node_exists", "body.id", "a node of this id was added before, and ids are never used again")
		}
	case "key.added/1", "key.revoked/1":
		if m == nil {
			return fault.New("member_unknown", "body.name", r.Body.Get("name").Str+" is not a member")
		}
	}
	if r.Type == "key.revoked/1" {
		return checkRevocation(m, r, at, byAdmin)
	}
	return a.checkRegistration(r, at)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// PolicyText returns the policy that a governance record puts in force, or
// "" if it changes none.
func PolicyText(r *record.Record) string {
	lines := r.Body.Get("policy").Strings()
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

func policyHash(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

// checkPolicyText: the policy is this log's, is no former one, and has the
// keys of the nodes that the record registers. A text stands for one time
// of the log only, so that a verifier that holds it knows which policies
// came after it (see bridges).
func (a *Authority) checkPolicyText(r *record.Record, keys []registered) error {
	text := PolicyText(r)
	p, err := ParsePolicy([]byte(text))
	if err != nil {
		return fault.New("policy_form", "body.policy", err.Error())
	}
	if p.Origin() != r.Origin {
		return fault.New("policy_origin", "body.policy", "the policy is of another log: "+p.Origin())
	}
	if a.Governance != nil && contains(a.Governance.Policies, policyHash(text)) {
		return fault.New("policy_again", "body.policy", "this very text was in force before").
			WithHint("a comment line with a number makes it another one")
	}
	listed := map[string]bool{}
	for _, l := range p.Logs() {
		listed[l.VKey()] = true
	}
	for _, w := range p.Witnesses() {
		listed[w.Key.VKey()] = true
	}
	for _, k := range keys {
		if k.key.Use != UseTLS && !listed[k.key.VKey] {
			return fault.New("policy_keys", "body.policy", fmt.Sprintf("the policy lacks the %s key %s of a node", k.key.Use, k.key.ID))
		}
	}
	return nil
}

// Apply changes the state by a record that Check has let through, and
// returns the subject whose state changed, or "" if none did.
func (a *Authority) Apply(r *record.Record, at Place) string {
	if r.Def == nil || !r.Def.Governed() {
		return ""
	}
	b := r.Body
	keys, err := a.keysIn(r, at)
	if err != nil {
		panic("verify: Apply without Check: " + err.Error())
	}
	for _, k := range keys {
		a.use(k.name, k.key)
	}
	m := a.Members[b.Get("name").Str]
	switch r.Type {
	case "log.genesis/1":
		governors, _ := governorsOf(b.Get("founding"), at)
		for i := range governors {
			a.use(governors[i].Name, &governors[i].Key)
		}
		a.Governance = &Governance{
			Governors: governors, Threshold: int(b.Get("founding").Get("threshold").Int),
			Level: b.Get("feature_level").Int, Rules: rulesOf(b.Get("rules")), Nodes: map[string]*Node{},
		}
		for i, n := range b.Get("nodes").List {
			a.addNode(n, keys[3*i:])
		}
	case "node.added/1":
		a.addNode(b, keys)
	case "member.admitted/1":
		m = &Member{
			Name: b.Get("name").Str, LegalName: b.Get("legal_name").Str, Kinds: b.Get("kind").Strings(),
			Country: b.Get("country").Str, Zone: b.Get("zone").Str, WMI: b.Get("wmi").Strings(),
			ValidFrom: b.Get("valid_from").Str, ValidTo: b.Get("valid_to").Str,
		}
		a.Members[m.Name] = m
		fallthrough
	case "key.added/1":
		for _, k := range keys {
			m.Keys = append(m.Keys, k.key)
		}
	case "key.revoked/1":
		revoke(m, r, at)
	}
	if text := PolicyText(r); text != "" {
		a.Governance.Policy = text
		a.Governance.Policies = append(a.Governance.Policies, policyHash(text))
	}
	if hash := hex.EncodeToString(r.Hash[:]); m != nil {
		m.Last = hash
	} else {
		a.Governance.Last = hash
	}
	return r.Subjects[0]
}

func (a *Authority) addNode(n jcs.Value, keys []registered) {
	id := n.Get("id").Str
	a.Governance.Nodes[id] = &Node{
		ID: id, Member: n.Get("member").Str, Address: n.Get("address").Str,
		Log: *keys[0].key, Cosigner: *keys[1].key, TLS: *keys[2].key,
	}
}
