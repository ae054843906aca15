package verify

import (
	"fmt"
	"maps"
	"slices"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

func (m *Member) key(id string) *Key {
	for _, k := range m.Keys {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// Live reports whether the key may be used after the newest record.
func (k *Key) Live() bool { return k.Revoked == nil }

// HasRole reports whether an actor of the member has a role.
func (m *Member) HasRole(actor, role string) bool { return contains(m.Roles[actor], role) }

// Administrators lists the actors who act for the member: they have the role
// and an admin key that is not revoked. Sorted.
func (m *Member) Administrators() []string {
	return m.administrators(func(*Key) bool { return true })
}

// administrators counts only admin keys that stay.
func (m *Member) administrators(stays func(*Key) bool) []string {
	var actors []string
	for _, k := range m.Keys {
		if k.Use == UseAdmin && k.Live() && stays(k) && m.HasRole(k.Actor, record.RoleAdministrator) && !contains(actors, k.Actor) {
			actors = append(actors, k.Actor)
		}
	}
	slices.Sort(actors)
	return actors
}

// enoughAdministrators: a member's own record leaves it two administrators,
// or as many as it has.
func enoughAdministrators(m *Member, where string, left []string) error {
	if len(left) >= 2 || len(left) >= len(m.Administrators()) {
		return nil
	}
	return fault.New("administrators", where, "at least two administrators always remain").
		WithHint("add another administrator first, or ask the governors")
}

// classes are what the rules know a writer by: the member's kinds and, with a
// key that is bound to an actor, KIND:role for each of the actor's roles.
func (m *Member) classes(k *Key) []string {
	classes := slices.Clone(m.Kinds)
	if k.Actor == "" {
		return classes
	}
	for _, kind := range m.Kinds {
		for _, role := range m.Roles[k.Actor] {
			classes = append(classes, kind+":"+role)
		}
	}
	return classes
}

// Key returns the member's key that signed a record, or nil.
func (a *Authority) Key(r *record.Record) *Key {
	if m := a.Members[r.Author]; m != nil {
		return m.key(certs.FormatID(r.Sigs[0].ID))
	}
	return nil
}

// NodeByPin returns the node with this TLS key, or nil.
func (a *Authority) NodeByPin(pin string) *Node {
	if a.Governance == nil {
		return nil
	}
	for _, n := range a.Governance.Nodes {
		if n.TLS.VKey == pin && n.TLS.Live() {
			return n
		}
	}
	return nil
}

// MemberByPin returns the member with this live TLS key, or nil; nil also if
// the member is suspended.
func (a *Authority) MemberByPin(pin string) *Member {
	m, _ := a.memberKey(pin)
	return m
}

func (a *Authority) memberKey(pin string) (*Member, *Key) {
	m := a.Members[a.pins[pin]]
	if m == nil || m.Suspended != nil {
		return nil, nil
	}
	for _, k := range m.Keys {
		if k.Use == UseTLS && k.VKey == pin && k.Live() {
			return m, k
		}
	}
	return nil, nil
}

// runsNode reports whether a member runs a node at this point of the log.
func (a *Authority) runsNode(member string) bool {
	for _, n := range a.Governance.Nodes {
		if n.Member == member {
			return true
		}
	}
	return false
}

// checkMemberRecord: what a record in a member's history says fits the state
// that the member is in. own: a member's administrator signed it.
func (a *Authority) checkMemberRecord(m *Member, r *record.Record, at Place, own bool) error {
	b := r.Body
	if r.Type == "member.admitted/1" {
		if m != nil {
			return fault.New("member_exists", "body.name", m.Name+" was admitted before, and names are never used again")
		}
		return a.checkRegistration(r, at)
	}
	if m == nil {
		return fault.New("member_unknown", "body.name", b.Get("name").Str+" is not a member")
	}
	switch actor, role := b.Get("actor").Str, b.Get("role").Str; r.Type {
	case "key.added/1":
		return a.checkRegistration(r, at)
	case "key.revoked/1":
		return checkRevocation(m, r, at, own)
	case "member.changed/1":
		if from, to := orElse(b.Get("valid_from").Str, m.ValidFrom), orElse(b.Get("valid_to").Str, m.ValidTo); to != "" && to < from {
			return fault.New("field", "body", fmt.Sprintf("the membership would end on %s, before it begins on %s", to, from))
		}
	case "member.suspended/1":
		if m.Suspended != nil {
			return fault.New("member_state", "body.name", m.Name+" is suspended already")
		}
	case "member.reinstated/1":
		if m.Suspended == nil {
			return fault.New("member_state", "body.name", m.Name+" is not suspended")
		}
	case "role.granted/1":
		if m.HasRole(actor, role) {
			return fault.New("role_state", "body.role", fmt.Sprintf("%s of %s is %s already", actor, m.Name, role))
		}
	case "role.revoked/1":
		if !m.HasRole(actor, role) {
			return fault.New("role_state", "body.role", fmt.Sprintf("%s of %s is not %s", actor, m.Name, role))
		}
		if own && role == record.RoleAdministrator {
			return enoughAdministrators(m, "body.actor", m.administrators(func(k *Key) bool { return k.Actor != actor }))
		}
	}
	return nil
}

// clone copies whatever Apply may change of a member.
func (m *Member) clone() *Member {
	c := *m
	c.Keys = make([]*Key, len(m.Keys))
	for i, k := range m.Keys {
		k := *k
		c.Keys[i] = &k
	}
	c.Roles = maps.Clone(m.Roles)
	for actor, roles := range c.Roles {
		c.Roles[actor] = slices.Clone(roles)
	}
	return &c
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// applyMember changes a member by a record of its history that
// checkMemberRecord has let through. keys are those that it registers.
func (a *Authority) applyMember(r *record.Record, at Place, keys []registered) {
	b := r.Body
	m := &Member{Name: b.Get("name").Str}
	if old := a.Members[m.Name]; old != nil {
		m = old.clone()
	}
	a.Members[m.Name] = m
	for _, k := range keys {
		m.Keys = append(m.Keys, k.key)
		if k.key.Use == UseAdmin {
			m.grant(k.key.Actor, record.RoleAdministrator)
		}
	}
	switch r.Type {
	case "member.admitted/1", "member.changed/1":
		m.describe(r)
	case "key.revoked/1":
		revoke(m, r, at)
	case "member.suspended/1":
		m.Suspended = &Suspension{Index: at.Index, Time: at.Time, Reason: b.Get("reason").Str}
	case "member.reinstated/1":
		m.Suspended = nil
	case "role.granted/1":
		m.grant(b.Get("actor").Str, b.Get("role").Str)
	case "role.revoked/1":
		m.takeRole(b.Get("actor").Str, b.Get("role").Str)
	}
	m.Last = Hex(r.Hash)
}

// describe takes over what a record says of a member; what it does not
// mention stays.
func (m *Member) describe(r *record.Record) {
	for _, f := range r.Body.Obj {
		switch v := f.Value; f.Name {
		case "legal_name":
			m.LegalName = v.Str
		case "kind":
			m.Kinds = v.Strings()
		case "country":
			m.Country = v.Str
		case "zone":
			m.Zone = v.Str
		case "calendar":
			m.Calendar = v.Str
		case "documents_checked":
			m.Documents = v.Strings()
		case "tax_id":
			m.TaxID = v.Str
		case "wmi":
			m.WMI = v.Strings()
		case "valid_from":
			m.ValidFrom = v.Str
		case "valid_to":
			m.ValidTo = v.Str
		}
	}
}

func (m *Member) grant(actor, role string) {
	if m.HasRole(actor, role) {
		return
	}
	if m.Roles == nil {
		m.Roles = map[string][]string{}
	}
	m.Roles[actor] = append(m.Roles[actor], role)
	slices.Sort(m.Roles[actor])
}

func (m *Member) takeRole(actor, role string) {
	m.Roles[actor] = slices.DeleteFunc(m.Roles[actor], func(have string) bool { return have == role })
	if len(m.Roles[actor]) == 0 {
		delete(m.Roles, actor)
	}
	if len(m.Roles) == 0 {
		m.Roles = nil
	}
}
