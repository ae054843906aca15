package verify

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// OwnReach is how far back a member's own report of a compromised key may
// date it; the governors may go further.
const OwnReach = 30 * 24 * time.Hour

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
	if err := a.signedBy(r, governors, sigOK); err != nil {
		return err
	}
	_, err = a.newKeys(r, at)
	return err
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
// record.Open has made sure that the names are sorted and distinct.
func (a *Authority) signedBy(r *record.Record, governors []Governor, sigOK SigCheck) error {
	for _, s := range r.Sigs {
		i := sort.Search(len(governors), func(i int) bool { return governors[i].Name >= s.Name })
		if i == len(governors) || governors[i].Name != s.Name || governors[i].Key.ID != certs.FormatID(s.ID) {
			return fault.New("not_governor", "", fmt.Sprintf("%s (key %08x) is not a governor at this point of the log", s.Name, s.ID))
		}
		if !sigOK(governors[i].Key.Public, []byte(r.Text), s.Bytes) {
			return fault.New("signature", "", fmt.Sprintf("the signature by governor %s does not fit the record", s.Name))
		}
	}
	return nil
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
	byAdmin := contains(r.Def.Writers, record.WriterAdmin) && m != nil && r.Author == m.Name
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
		if err := a.signedBy(r, a.Governance.Governors, sigOK); err != nil {
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
		return a.checkRevocation(m, r, at, byAdmin)
	}
	_, err := a.newKeys(r, at)
	return err
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (a *Authority) checkRevocation(m *Member, r *record.Record, at Place, own bool) error {
	k := m.key(r.Body.Get("key_id").Str)
	if k == nil || k.Revoked != nil {
		return fault.New("key_unknown", "body.key_id", m.Name+" has no such key in force")
	}
	if s := r.Body.Get("since").Str; s != "" {
		since, _ := record.ParseUTC(s)
		now := time.UnixMilli(at.Time)
		switch {
		case since.After(now):
			return fault.New("since", "body.since", "it lies after the log time of this record")
		case own && now.Sub(since) > OwnReach:
			return fault.New("since", "body.since", "a member's own report reaches back 30 days; further is for the governors")
		}
	}
	if own && k.Use == UseAdmin {
		actors := map[string]bool{}
		for _, o := range m.Keys {
			if o != k && o.Use == UseAdmin && o.Live() {
				actors[o.Actor] = true
			}
		}
		if len(actors) < 2 {
			return fault.New("administrators", "body.key_id", "at least two administrators always remain")
		}
	}
	return nil
}

// newKeys lists the keys that a record registers, with the names that they
// are registered under, having checked that each is new and that its proof
// of possession fits.
func (a *Authority) newKeys(r *record.Record, at Place) (keys []registered, err error) {
	b := r.Body
	member := b.Get("name").Str
	add := func(name, vkey, use string, more func(*Key)) {
		if err != nil {
			return
		}
		var k *Key
		if k, err = keyOf(vkey, use, at); err == nil {
			if more != nil {
				more(k)
			}
			keys = append(keys, registered{name, k})
		}
	}
	node := func(n jcs.Value) {
		add(a.Origin, n.Get("log_key").Str, UseLog, nil)
		own := record.NodeName(a.Origin, n.Get("id").Str)
		add(own, n.Get("cosigner_key").Str, UseCosigner, nil)
		add(own, n.Get("tls_key").Str, UseTLS, nil)
	}
	switch r.Type {
	case "log.genesis/1":
		for _, n := range b.Get("nodes").List {
			node(n)
		}
	case "node.added/1":
		node(b)
	case "member.admitted/1":
		for _, k := range b.Get("admin_keys").List {
			add(member, k.Get("key").Str, UseAdmin, func(n *Key) { n.Actor = k.Get("actor").Str })
		}
		for _, k := range b.Get("keys").Strings() {
			add(member, k, UseRecord, nil)
		}
		for _, k := range b.Get("tls_keys").Strings() {
			add(member, k, UseTLS, nil)
		}
	case "key.added/1":
		add(member, b.Get("key").Str, b.Get("use").Str, func(n *Key) {
			n.Actor = b.Get("actor").Str
			if d := b.Get("device"); d.Kind != 0 {
				n.Device = &Device{d.Get("kind").Str, d.Get("vehicle").Str}
			}
		})
	}
	if err != nil {
		return nil, err
	}
	if r.Type == "log.genesis/1" || r.Type == "node.added/1" {
		if err := checkPolicyText(r, keys); err != nil {
			return nil, err
		}
	}
	return keys, a.checkPossession(r, keys)
}

type registered struct {
	name string
	key  *Key
}

func (a *Authority) checkPossession(r *record.Record, keys []registered) error {
	proofs := r.Body.Get("pop").Strings()
	if len(proofs) != len(keys) {
		return fault.New("pop", "body.pop", fmt.Sprintf("%d keys need %d proofs of possession, here are %d", len(keys), len(keys), len(proofs)))
	}
	seen := map[string]bool{}
	for _, g := range r.Body.Get("founding").Get("governors").List {
		if v, err := certs.ParseVKey(g.Get("key").Str); err == nil {
			seen[string(v.Public())] = true
		}
	}
	for i, reg := range keys {
		pub, pair := string(reg.key.Public), reg.name+"+"+reg.key.ID
		if a.used[pub] || a.used[pair] || seen[pub] || seen[pair] {
			return fault.New("key_reused", "body", fmt.Sprintf("key %s of %s was registered before; a key is registered once, for one use", reg.key.ID, reg.name))
		}
		seen[pub], seen[pair] = true, true
		proof, _ := base64.StdEncoding.DecodeString(proofs[i])
		if !possessed(reg, a.Origin, proof) {
			return fault.New("pop", fmt.Sprintf("body.pop[%d]", i), fmt.Sprintf("the proof of possession of key %s (%s of %s) does not fit", reg.key.ID, reg.key.Use, reg.name))
		}
	}
	return nil
}

func possessed(reg registered, origin string, proof []byte) bool {
	if reg.key.Use == UseTLS {
		return certs.PinPossessed(reg.key.VKey, origin, reg.name, proof)
	}
	v, err := certs.ParseVKey(reg.key.VKey)
	return err == nil && v.Possessed(origin, reg.key.Use, proof)
}

func keyOf(s, use string, at Place) (*Key, error) {
	if use == UseTLS {
		pub, err := certs.ParsePin(s)
		if err != nil {
			return nil, err
		}
		return &Key{VKey: s, Public: pub, ID: s[len(s)-8:], Use: use, Index: at.Index}, nil
	}
	v, err := certs.ParseVKey(s)
	if err != nil {
		return nil, err
	}
	return &Key{VKey: s, Public: v.Public(), ID: certs.FormatID(v.ID()), Use: use, Index: at.Index}, nil
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

// checkPolicyText: the policy is this log's, and knows the keys of the nodes
// that the record registers.
func checkPolicyText(r *record.Record, keys []registered) error {
	text := PolicyText(r)
	p, err := ParsePolicy([]byte(text))
	if err != nil {
		return fault.New("policy_form", "body.policy", err.Error())
	}
	if p.Origin() != r.Origin {
		return fault.New("policy_origin", "body.policy", "the policy is of another log: "+p.Origin())
	}
	for _, k := range keys {
		if k.key.Use != UseTLS && !strings.Contains(text, k.key.VKey) {
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
	hash := hex.EncodeToString(r.Hash[:])
	keys, err := a.newKeys(r, at)
	if err != nil {
		panic("verify: Apply without Check: " + err.Error())
	}
	for _, k := range keys {
		a.use(k.name, k.key)
	}
	subject := r.Subjects[0]
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
		m.key(b.Get("key_id").Str).Revoked = &Revocation{
			Index: at.Index, Time: at.Time, Reason: b.Get("reason").Str, Since: b.Get("since").Str, By: r.Author,
		}
	}
	if text := PolicyText(r); text != "" {
		a.Governance.Policy = text
	}
	if m != nil {
		m.Last = hash
	} else {
		a.Governance.Last = hash
	}
	return subject
}

func (a *Authority) addNode(n jcs.Value, keys []registered) {
	id := n.Get("id").Str
	a.Governance.Nodes[id] = &Node{
		ID: id, Member: n.Get("member").Str, Address: n.Get("address").Str,
		Log: *keys[0].key, Cosigner: *keys[1].key, TLS: *keys[2].key,
	}
}
