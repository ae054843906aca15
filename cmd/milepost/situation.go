package main

import (
	"fmt"
	"sort"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// situation is who may decide what at this moment, as far as some histories
// tell: governance, and those of the members that were asked for. The records
// come from a node and are replayed here, so that a draft is checked by the
// same rules as the log checks it, before anybody has signed it.
type situation struct {
	auth  *verify.Authority
	rules jcs.Value         // the rules in force, as they were published
	known map[string]uint64 // log index of each of their records, by author and id
}

// situation fetches and replays the histories that decide about a record:
// governance, and that of a member unless the name is "".
func (s *session) situation(c *cli.Context, member string) (*situation, error) {
	var g *node.GovernanceAnswer
	var m *node.MemberAnswer
	err := again(c, func() (err error) {
		if g, err = s.client.Governance(c.Context, true); err == nil && member != "" {
			m, err = s.client.Member(c.Context, member, true)
		}
		return err
	})
	entries := []node.HistoryEntry(nil)
	switch {
	case err == nil:
		entries = g.History
		if m != nil {
			entries = append(entries, m.History...)
		}
	case fault.Code(err) == "no_member" && g != nil:
		entries = g.History
	default:
		return nil, err
	}
	return replay(g.Origin, entries, s.client.Address)
}

func replay(origin string, entries []node.HistoryEntry, from string) (*situation, error) {
	sort.Slice(entries, func(i, j int) bool { return entries[i].Index < entries[j].Index })
	sit := &situation{auth: verify.NewSuccessor(origin), known: map[string]uint64{}}
	for _, e := range entries {
		r, err := record.Open([]byte(e.Note))
		at := verify.Place{Index: e.Index, Time: e.Time}
		if err == nil {
			err = sit.auth.Check(r, at, certs.VerifyEd25519)
		}
		if err != nil {
			return nil, fault.New("unexpected", from, fmt.Sprintf("the node's histories do not hold together at log index %d", e.Index)).Because(err)
		}
		sit.auth.Apply(r, at)
		sit.known[r.Author+" "+r.ID] = e.Index
		switch r.Type {
		case "log.genesis/1":
			sit.rules = r.Body.Get("rules")
		case "rules.published/1":
			sit.rules = without(r.Body, "prev")
		}
	}
	if sit.auth.Governance == nil {
		return nil, fault.New("unexpected", from, "the node's governance history holds no genesis")
	}
	return sit, nil
}

// without returns an object without one of its fields.
func without(v jcs.Value, field string) jcs.Value {
	var fields []jcs.Field
	for _, f := range v.Obj {
		if f.Name != field {
			fields = append(fields, f)
		}
	}
	return jcs.Make(fields...)
}

// member returns a member that the situation knows.
func (s *situation) member(name string) (*verify.Member, error) {
	m := s.auth.Members[name]
	if m == nil {
		return nil, fault.New("no_member", "", "there is no member "+name).WithHint("`milepost member list` shows who there is")
	}
	return m, nil
}

// key returns a member's key by its ID, or an error.
func keyOf(m *verify.Member, id string) (*verify.Key, error) {
	for _, k := range m.Keys {
		if k.ID == id {
			return k, nil
		}
	}
	return nil, fault.New("key_unknown", "", fmt.Sprintf("%s has no key %s", m.Name, id)).
		WithHint("`milepost member list " + m.Name + "` shows its keys")
}

// onLog returns where a record is in the log already.
func (s *situation) onLog(r *record.Record) (index uint64, ok bool) {
	index, ok = s.known[r.Author+" "+r.ID]
	return index, ok
}

// refused says why the log would refuse a proposed record now, nil if it
// would not. That all signers sign is taken for granted, and what other
// members' histories say is not known here.
func (s *situation) refused(p *record.Proposed) error {
	at := verify.Place{Index: verify.MaxIndex, Time: clock().UnixMilli()}
	return s.auth.Check(p.AsIfSigned(), at, func(_, _, _ []byte) bool { return true })
}

// apply goes on as if the record had been taken under this leaf hash.
func (s *situation) apply(r *record.Record) {
	s.auth.Apply(r, verify.Place{Index: verify.MaxIndex, Time: clock().UnixMilli()})
}
