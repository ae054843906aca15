package node

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/judge"
)

// KeySource finds the key of a holder and a use, or makes it. Holders are
// those of Cluster.KeyPath.
type KeySource func(holder, use, name string) (*keyfile.Key, error)

// NewRequest makes a request from the keys of whoever asks: all that such a
// request has. admins are a member's administrators.
func NewRequest(kind, name, origin string, details jcs.Value, admins []string, key KeySource) (*Request, error) {
	q := &Request{Kind: kind, Name: name, Origin: origin, Details: details}
	holder := name
	if kind == AskNode {
		holder = "node/" + name
	}
	add := func(holder, use, actor string) error {
		k, err := key(holder, use, RequestKeyName(kind, origin, name, use))
		if err != nil {
			return err
		}
		return q.Add(k, actor, jcs.Value{})
	}
	for _, use := range requestUses[kind] {
		if use != keyfile.UseAdmin {
			if err := add(holder, use, ""); err != nil {
				return nil, err
			}
			continue
		}
		for _, a := range admins {
			if err := add(holder+"/"+a, use, a); err != nil {
				return nil, err
			}
		}
	}
	return q, q.Check()
}

// NewFounding fixes who founds a log and how many of them must sign later on,
// and so the origin: from here on proofs of possession can be made for it.
func NewFounding(c *Cluster, governors []*Request) (founding jcs.Value, origin string, err error) {
	byName := map[string]*Request{}
	for _, q := range governors {
		byName[q.Name] = q
	}
	var list []jcs.Value
	for _, g := range slices.Sorted(slices.Values(c.Governs.Names)) {
		q := byName[g]
		if q == nil || q.Kind != AskGovernor {
			return founding, "", missingRequest("governor " + g)
		}
		list = append(list, jcs.Make(jcs.Field{Name: "name", Value: jcs.Text(g)}, jcs.Field{Name: "key", Value: jcs.Text(q.Keys[0].Public)}))
	}
	nonce := make([]byte, 16)
	rand.Read(nonce)
	founding = jcs.Make(
		jcs.Field{Name: "governors", Value: jcs.Array(list...)},
		jcs.Field{Name: "nonce", Value: jcs.Text(base64.StdEncoding.EncodeToString(nonce))},
		jcs.Field{Name: "threshold", Value: jcs.Number(int64(c.Governs.Threshold))})
	return founding, record.Origin(c.Name, founding), nil
}

func missingRequest(whose string) error {
	return fault.New("request_missing", "", "there is no request of "+whose)
}

// Details are what a founding member says of itself.
func (m *MemberConfig) Details() jcs.Value {
	v := jcs.Make(
		jcs.Field{Name: "calendar", Value: jcs.Text(CalendarID(m.Zone))}, jcs.Field{Name: "country", Value: jcs.Text(m.Country)},
		jcs.Field{Name: "kind", Value: jcs.Texts(m.Kind)}, jcs.Field{Name: "legal_name", Value: jcs.Text(m.LegalName)},
		jcs.Field{Name: "zone", Value: jcs.Text(m.Zone)})
	if len(m.WMI) > 0 {
		v = v.With("wmi", jcs.Texts(m.WMI))
	}
	return v
}

// Details are what is said of a founding node.
func (n *NodeConfig) Details() jcs.Value {
	return jcs.Make(jcs.Field{Name: "address", Value: jcs.Text(n.Address)}, jcs.Field{Name: "member", Value: jcs.Text(n.Member)})
}

// Genesis drafts the records that a log begins with: the genesis, for all
// founders to sign, and the admission of each member, for as many as the
// threshold. Every member and node of the cluster file must have sent its
// request, which says of it what that file says.
func Genesis(c *Cluster, founding jcs.Value, requests []*Request, now time.Time) (*record.Proposal, error) {
	g := &genesis{c: c, origin: record.Origin(c.Name, founding), now: now, requests: map[string]*Request{}}
	for _, q := range requests {
		g.requests[q.Kind+" "+q.Name] = q
	}
	for _, v := range founding.Get("governors").List {
		g.names = append(g.names, v.Get("name").Str)
		g.keys = append(g.keys, v.Get("key").Str)
	}
	first, err := g.genesis(founding)
	if err != nil {
		return nil, err
	}
	p := &record.Proposal{Records: []*record.Proposed{first}}
	for i := range c.Members {
		m, err := g.member(&c.Members[i])
		if err != nil {
			return nil, err
		}
		p.Records = append(p.Records, m)
	}
	return p, nil
}

// genesis holds what is known while the first records are drafted.
type genesis struct {
	c        *Cluster
	origin   string
	now      time.Time
	names    []string // of the governors, sorted
	keys     []string // theirs
	requests map[string]*Request
	after    *Survivor // what the log goes on from; nil for nothing
	seed     string    // node that begins with it
}

// request finds the request of a founder and holds it against the cluster
// file, which all founders have agreed on.
func (g *genesis) request(kind, name string, details jcs.Value) (*Request, error) {
	q := g.requests[kind+" "+name]
	if q == nil {
		return nil, missingRequest(kind + " " + name)
	}
	if q.Origin != g.origin {
		return nil, fault.New("request_other", kind+" "+name, "its request is for another log: "+q.Origin).
			WithHint("it must be made for " + g.origin)
	}
	for _, f := range q.Details.Obj {
		// The cluster file has no place for a commitment to a tax number.
		if want := details.Get(f.Name); f.Name != "tax_id" && (want.Kind == 0 || !bytes.Equal(want.Bytes(), f.Value.Bytes())) {
			return nil, g.differs(q, f.Name, "")
		}
	}
	for _, f := range details.Obj {
		if !q.Details.Has(f.Name) {
			return nil, g.differs(q, f.Name, "")
		}
	}
	return q, nil
}

func (g *genesis) differs(q *Request, field, more string) error {
	return fault.New("request_differs", q.Kind+" "+q.Name, "its request and the cluster file differ in "+field+more).
		WithHint("all founders need the same cluster file; make the request anew with it")
}

func (g *genesis) genesis(founding jcs.Value) (*record.Proposed, error) {
	nodes := append([]NodeConfig(nil), g.c.Nodes...)
	sort.Slice(nodes, func(i, j int) bool { return nodes[i].ID < nodes[j].ID })
	var list, pops []jcs.Value
	var logs, cosigners []string
	for _, n := range nodes {
		q, err := g.request(AskNode, n.ID, n.Details())
		if err != nil {
			return nil, err
		}
		if len(q.Keys) != len(requestUses[AskNode]) {
			return nil, g.differs(q, "keys", ": a new node has a log, a cosigner and a TLS key")
		}
		v := jcs.Make(append(q.Details.Obj, jcs.Field{Name: "id", Value: jcs.Text(n.ID)})...)
		for _, k := range q.Keys {
			v, pops = v.With(k.Use+"_key", jcs.Text(k.Public)), append(pops, k.Proof())
		}
		logs = append(logs, v.Get("log_key").Str)
		cosigners = append(cosigners, v.Get("cosigner_key").Str)
		list = append(list, v)
	}
	policy := strings.Split(strings.TrimSuffix(verify.NewPolicy(logs, cosigners...), "\n"), "\n")
	body := jcs.Make(
		jcs.Field{Name: "feature_level", Value: jcs.Number(1)}, jcs.Field{Name: "founding", Value: founding},
		jcs.Field{Name: "nodes", Value: jcs.Array(list...)}, jcs.Field{Name: "policy", Value: jcs.Texts(policy)},
		jcs.Field{Name: "pop", Value: jcs.Array(pops...)}, jcs.Field{Name: "rules", Value: g.rules()})
	if g.after != nil {
		body = g.after.extend(body).With("seed", jcs.Text(g.seed))
	}
	return g.propose("log.genesis/1", record.Governance, body, len(g.names))
}

// rules is version 1: every type that this program knows, written by whom
// its definition names, read by its class.
func (g *genesis) rules() jcs.Value {
	var types []string
	var rights []jcs.Value
	zones := map[string]bool{"UTC": true}
	for _, m := range g.c.Members {
		zones[m.Zone] = true
	}
	for _, t := range record.Types() {
		types = append(types, t.Name)
		rights = append(rights, jcs.Make(
			jcs.Field{Name: "read", Value: jcs.Texts(t.ReadClasses())}, jcs.Field{Name: "type", Value: jcs.Text(t.Name)},
			jcs.Field{Name: "write", Value: jcs.Texts(t.Writers)}))
	}
	var calendars []jcs.Value
	for _, z := range sortedKeys(zones) {
		calendars = append(calendars, jcs.Make(
			jcs.Field{Name: "id", Value: jcs.Text(CalendarID(z))}, jcs.Field{Name: "zone", Value: jcs.Text(z)},
			jcs.Field{Name: "weekend", Value: jcs.Array(jcs.Number(6), jcs.Number(7))}))
	}
	rules := jcs.Make(
		jcs.Field{Name: "calendars", Value: jcs.Array(calendars...)}, jcs.Field{Name: "cases", Value: numbers(cases.DefaultBounds())},
		jcs.Field{Name: "judgement", Value: numbers(judge.DefaultParams())}, jcs.Field{Name: "rights", Value: jcs.Array(rights...)},
		jcs.Field{Name: "types", Value: jcs.Texts(types)}, jcs.Field{Name: "version", Value: jcs.Number(1)})
	if g.c.CentralSupport != "" {
		rules = rules.With("central_support", jcs.Text(g.c.CentralSupport))
	}
	return rules
}

func numbers(m map[string]int64) jcs.Value {
	var fields []jcs.Field
	for name, n := range m {
		fields = append(fields, jcs.Field{Name: name, Value: jcs.Number(n)})
	}
	return jcs.Make(fields...)
}

// CalendarID is the id of a time zone's calendar: Europe/Paris gives
// europe_paris.
func CalendarID(zone string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(zone))
}

func (g *genesis) member(m *MemberConfig) (*record.Proposed, error) {
	q, err := g.request(AskMember, m.Name, m.Details())
	if err != nil {
		return nil, err
	}
	var actors []string
	for _, k := range q.Keys {
		if k.Use == keyfile.UseAdmin {
			actors = append(actors, k.Actor)
		}
	}
	if want := slices.Sorted(slices.Values(m.Admins)); !slices.Equal(slices.Sorted(slices.Values(actors)), want) {
		return nil, g.differs(q, "admins", fmt.Sprintf(": %s there, %s here", strings.Join(actors, ", "), strings.Join(m.Admins, ", ")))
	}
	body := q.Body().With("documents_checked", jcs.Texts([]string{"founder"})).
		With("valid_from", jcs.Text(g.now.UTC().Format(time.DateOnly)))
	return g.propose("member.admitted/1", record.MemberSubject(m.Name), body, g.c.Governs.Threshold)
}

// propose drafts a record for the first n governors to sign.
func (g *genesis) propose(typ, subject string, body jcs.Value, n int) (*record.Proposed, error) {
	id, err := record.NewUUIDv7(g.now, rand.Reader)
	if err != nil {
		return nil, err
	}
	now := record.FormatUTC(g.now)
	text, err := record.Draft{
		Author: g.names[0], Body: body, Captured: now, EventTime: now, ID: id,
		Origin: g.origin, Precision: "second", Subjects: []string{subject}, Type: typ,
	}.Text()
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", typ, subject, err)
	}
	return record.Propose(text, g.keys[:n]...)
}

func sortedKeys[V any](m map[string]V) []string {
	var ks []string
	for k := range m {
		ks = append(ks, k)
	}
	sort.Strings(ks)
	return ks
}
