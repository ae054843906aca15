package verify_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// reader is a member of one kind, of some relation to the car.
func reader(kind string, change ...func(*verify.Member)) verify.Reader {
	m := &verify.Member{Name: "reader.example", Kinds: []string{kind}}
	for _, c := range change {
		c(m)
	}
	return verify.Reader{Member: m}
}

// Who reads what without a grant: kinds of member by read classes, for those
// who wrote about the car and those who did not.
func TestWhoReadsWithoutAGrant(t *testing.T) {
	t.Parallel()
	a := ask(t)
	now := a.now()
	types := map[string]string{"V": "odometer.reading/1", "W": "diagnostic.scan/1", "A": "access.granted/1", "O": "key.added/1", "G": "log.genesis/1"}
	// No type of the workshop's history is known yet: the rules say its class.
	a.auth.Governance.Rules.Read["diagnostic.scan/1"] = []string{"W"}
	madeBy := func(m *verify.Member) { m.WMI = []string{"1N4"} }
	small := func(m *verify.Member) { m.WMI = []string{"VF1001", "1N4900"} }
	other := func(m *verify.Member) { m.WMI = []string{"VF1", "1N4001"} }
	suspended := func(m *verify.Member) { m.Suspended = &verify.Suspension{Reason: "unpaid"} }
	actor := func(r verify.Reader, roles ...string) verify.Reader {
		r.Actor, r.Member.Roles = "someone", map[string][]string{"someone": roles, "another": {"administrator"}}
		return r
	}
	for _, c := range []struct {
		name   string
		who    verify.Reader
		chain  string // classes that it reads when it wrote about the car
		others string // and when it did not
	}{
		{"nobody", verify.Reader{}, "", ""},
		{"a stranger with a secret", verify.Reader{Secret: make([]byte, 32)}, "", ""},
		{"a node", verify.Reader{Node: &verify.Node{ID: "lyon"}}, "VWAOG", "VWAOG"},
		{"a dealer", reader("DLR"), "VWAOG", "OG"},
		{"a manufacturer", reader("MFR"), "VWAOG", "OG"},
		{"the manufacturer of the car", reader("MFR", madeBy), "VWAOG", "VWAOG"},
		{"a small manufacturer of the car", reader("MFR", small), "VWAOG", "VWAOG"},
		{"the manufacturer of other cars", reader("MFR", other), "VWAOG", "OG"},
		{"a dealer with a manufacturer's identifier", reader("DLR", madeBy), "VWAOG", "OG"},
		{"an inspection body", reader("PTI"), "VOG", "OG"},
		{"an insurer", reader("INS"), "VOG", "OG"},
		{"a finance house", reader("FIN"), "VOG", "OG"},
		{"an arbitrator", reader("ARB"), "VWOG", "WOG"},
		{"a corporate client", reader("FLT"), "VOG", "OG"},
		{"an auditor", reader("AUD"), "VAOG", "VAOG"},
		{"a suspended dealer", reader("DLR", suspended), "", ""},
		{"a suspended auditor", reader("AUD", suspended), "", ""},
		{"a dealer's technician", actor(reader("DLR"), "technician"), "VWAOG", "OG"},
		{"a dealer's administrator", actor(reader("DLR"), "administrator", "customer"), "VWAOG", "OG"},
		{"a dealer's customer", actor(reader("DLR"), "customer"), "VOG", "OG"},
		{"a dealer's financier", actor(reader("DLR"), "financier", "customer"), "VOG", "OG"},
		{"a dealer's actor without a role", actor(reader("DLR")), "VOG", "OG"},
		{"a customer of the manufacturer", actor(reader("MFR", madeBy), "customer"), "VOG", "VOG"},
	} {
		for wrote, want := range map[bool]string{true: c.chain, false: c.others} {
			v := &verify.Vehicle{VIN: vinA, Authors: map[string]bool{dealer: true, "reader.example": wrote}}
			for class, typ := range types {
				read, open := c.who, error(nil)
				by, err := a.auth.MayRead(read, v, typ, nil, "2026-05-04", now)
				if class == "O" || class == "G" {
					open = verify.MayReadMembers(read)
				} else {
					_, open = a.auth.MayOpen(read, v, class, now)
				}
				if may := strings.Contains(want, class); (err == nil) != may || (open == nil) != may || by != nil {
					t.Errorf("%s, who wrote: %v, reads class %s: %v, %v; want %v", c.name, wrote, class, err, open, may)
				} else if !may && (fault.Code(err) != "no_access" || fault.Code(open) != "no_access") {
					t.Errorf("%s: %v, %v", c.name, err, open)
				}
			}
			all := strings.Contains(c.name, "auditor") || c.who.Node != nil
			if err := verify.MayReadAll(c.who); (err == nil) != (all && want != "") {
				t.Errorf("%s reads the whole log: %v", c.name, err)
			}
		}
	}
}

// granted puts a grant on the first car into the log, by the dealer.
func (a *asked) granted(change func(jcs.Value) jcs.Value) *record.Record {
	a.t.Helper()
	body := grantBody()
	if change != nil {
		body = change(body)
	}
	return a.open(a.newest(a.access("access.granted/1", dealer, vinA, body)))
}

func secretOf(n byte) []byte { return slices.Repeat([]byte{n}, 32) }

func secretHash(n byte) string {
	h := sha256.Sum256(secretOf(n))
	return hex.EncodeToString(h[:])
}

// What a grant opens, to whom and when; and why not.
func TestWhatAGrantOpens(t *testing.T) {
	t.Parallel()
	a := ask(t)
	a.auth.Governance.Rules.Read["diagnostic.scan/1"] = []string{"W"}
	expires := time.Date(2026, 6, 3, 8, 0, 0, 0, time.UTC)
	link := verify.Reader{Secret: secretOf(1)}
	member := reader("INS")
	to := func(m string) func(jcs.Value) jcs.Value {
		return func(b jcs.Value) jcs.Value { return b.With("grantee", obj("member", m)) }
	}
	types := func(ts ...string) func(jcs.Value) jcs.Value {
		return func(b jcs.Value) jcs.Value { return b.With("types", jcs.Texts(ts)) }
	}
	days := func(b jcs.Value) jcs.Value {
		return b.With("from", jcs.Text("2025-01-01")).With("to", jcs.Text("2025-12-31"))
	}
	for _, c := range []struct {
		name   string
		grant  func(jcs.Value) jcs.Value
		who    verify.Reader
		typ    string
		day    string
		now    time.Time
		code   string
		opened string // "" for the class of the type, or a code
	}{
		{"with the link", nil, link, "odometer.reading/1", "2026-05-04", a.now(), "", ""},
		{"with the link, what is the workshop's", nil, link, "diagnostic.scan/1", "2026-05-04", a.now(), "", ""},
		{"with the link, who read it before", nil, link, "access.used/1", "2026-05-04", a.now(), "", ""},
		{"with the link, at the last moment", nil, link, "odometer.reading/1", "2026-05-04", expires.Add(-time.Millisecond), "", ""},
		{"expired", nil, link, "odometer.reading/1", "2026-05-04", expires, "grant_expired", "grant_expired"},
		{"with another secret", nil, verify.Reader{Secret: secretOf(2)}, "odometer.reading/1", "2026-05-04", a.now(), "no_access", "no_access"},
		{"with half of the secret", nil, verify.Reader{Secret: secretOf(1)[:16]}, "odometer.reading/1", "2026-05-04", a.now(), "no_access", "no_access"},
		{"with the hash of the secret", nil, verify.Reader{Secret: []byte(secretHash(1))}, "odometer.reading/1", "2026-05-04", a.now(), "no_access", "no_access"},
		{"without the secret", nil, verify.Reader{}, "odometer.reading/1", "2026-05-04", a.now(), "no_access", "no_access"},
		{"of an empty secret", to("other.example"), verify.Reader{Secret: []byte{}}, "odometer.reading/1", "2026-05-04", a.now(), "no_access", "no_access"},
		{"a member's link with its own key", nil, member, "odometer.reading/1", "2026-05-04", a.now(), "no_access", "no_access"},
		{"to a member", to("reader.example"), member, "odometer.reading/1", "2026-05-04", a.now(), "", ""},
		{"to another member", to("other.example"), member, "odometer.reading/1", "2026-05-04", a.now(), "no_access", "no_access"},
		{"to a member that is suspended since", to("reader.example"), reader("INS", func(m *verify.Member) { m.Suspended = &verify.Suspension{} }), "odometer.reading/1", "2026-05-04", a.now(), "no_access", "no_access"},
		{"for this type", types("service.visit/1", "odometer.reading/1"), link, "odometer.reading/1", "2026-05-04", a.now(), "", ""},
		{"for another type", types("service.visit/1"), link, "odometer.reading/1", "2026-05-04", a.now(), "grant_scope", ""},
		{"for another history", types("service.visit/1"), link, "diagnostic.scan/1", "2026-05-04", a.now(), "grant_scope", "grant_scope"},
		{"for these days, the first", days, link, "odometer.reading/1", "2025-01-01", a.now(), "", ""},
		{"for these days, the last", days, link, "odometer.reading/1", "2025-12-31", a.now(), "", ""},
		{"for these days, the day before", days, link, "odometer.reading/1", "2024-12-31", a.now(), "grant_scope", ""},
		{"for these days, the day after", days, link, "odometer.reading/1", "2026-01-01", a.now(), "grant_scope", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := a.granted(c.grant)
			v := &verify.Vehicle{VIN: vinA, Authors: map[string]bool{dealer: true}, Grants: verify.ApplyGrant(nil, r)}
			if len(v.Grants) != 1 || v.Grants[0].Hash != verify.Hex(r.Hash) || v.Grants[0].Author != dealer {
				t.Fatalf("%+v", v.Grants)
			}
			by, err := a.auth.MayRead(c.who, v, c.typ, nil, c.day, c.now)
			if fault.Code(err) != c.code && !(err == nil && c.code == "") || (by == nil) != (err != nil) {
				t.Errorf("%v by %v, want %q", err, by, c.code)
			}
			class := map[string]string{"odometer.reading/1": "V", "diagnostic.scan/1": "W", "access.used/1": "A"}[c.typ]
			if _, err := a.auth.MayOpen(c.who, v, class, c.now); fault.Code(err) != c.opened && !(err == nil && c.opened == "") {
				t.Errorf("opening: %v, want %q", err, c.opened)
			}
		})
	}
}

// The state machine finds what a record refers to anywhere in the log.
func TestReferences(t *testing.T) {
	t.Parallel()
	a := ask(t)
	mine := a.open(a.leaves[a.places["newest"]])
	grant := a.granted(func(b jcs.Value) jcs.Value { return b.With("reading_ref", jcs.Text(verify.Hex(mine.Hash))) })
	revoked := a.open(a.newest(a.access("access.revoked/1", dealer, vinA, obj("grant", verify.Hex(grant.Hash)))))
	ask := func(r, other *record.Record) error { return a.auth.CheckReference(r, r.References()[0], other) }
	for _, c := range []struct {
		name     string
		r, other *record.Record
		code     string
	}{
		{"a reading", grant, mine, ""},
		{"a grant", revoked, grant, ""},
		{"nothing", grant, nil, "reference"},
		{"another type", grant, a.open(a.leaves[a.places["visit"]]), "reference"},
		{"another car's reading", grant, a.open(a.leaves[a.places["other car"]]), "reference"},
		{"a reading for a grant", revoked, mine, "reference"},
		{"another car's grant", revoked, a.open(a.newest(a.access("access.granted/1", dealer, vinB, grantBody()))), "reference"},
	} {
		if err := ask(c.r, c.other); fault.Code(err) != c.code && !(err == nil && c.code == "") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A revoked grant opens nothing; another one may still.
func TestARevokedGrant(t *testing.T) {
	t.Parallel()
	a := ask(t)
	first, second := a.granted(nil), a.granted(func(b jcs.Value) jcs.Value { return b.With("types", jcs.Texts([]string{"odometer.reading/1"})) })
	grants := verify.ApplyGrant(verify.ApplyGrant(nil, first), second)
	revoked := a.open(a.newest(a.access("access.revoked/1", dealer, vinA, obj("grant", verify.Hex(first.Hash)))))
	after := verify.ApplyGrant(grants, revoked)
	if grants[0].Revoked || !after[0].Revoked || after[1].Revoked || len(after) != 2 {
		t.Fatalf("%+v, then %+v", grants, after)
	}
	link := verify.Reader{Secret: secretOf(1)}
	v := &verify.Vehicle{VIN: vinA, Grants: after}
	if by, err := a.auth.MayRead(link, v, "odometer.reading/1", nil, "2026-05-04", a.now()); err != nil || by.Hash != verify.Hex(second.Hash) {
		t.Errorf("%+v, %v", by, err)
	}
	_, err := a.auth.MayRead(link, v, "service.visit/1", nil, "2026-05-04", a.now())
	wants(t, err, "grant_scope", "for other records of this vehicle")
	v.Grants = after[:1]
	_, err = a.auth.MayRead(link, v, "odometer.reading/1", nil, "2026-05-04", a.now())
	wants(t, err, "grant_revoked", "the grant was revoked")
	v.Grants = nil // that of another vehicle
	_, err = a.auth.MayRead(link, v, "odometer.reading/1", nil, "2026-05-04", a.now())
	wants(t, err, "no_access", "no grant on this vehicle")
}

// The rules say which class a type has; where they are silent its definition
// does, and what neither knows nobody reads but by a grant of everything.
func TestTheClassOfAType(t *testing.T) {
	t.Parallel()
	a := ask(t)
	v := &verify.Vehicle{VIN: vinA, Authors: map[string]bool{"reader.example": true}}
	read := func(typ string) error {
		_, err := a.auth.MayRead(reader("PTI"), v, typ, nil, "2026-05-04", a.now())
		return err
	}
	wants(t, read("service.visit/1"), "", "")
	a.auth.Governance.Rules.Read["service.visit/1"] = []string{"W"}
	wants(t, read("service.visit/1"), "no_access", "no grant on this vehicle")
	a.auth.Governance.Rules.Read["service.visit/1"] = []string{"W", "V"}
	wants(t, read("service.visit/1"), "", "")
	delete(a.auth.Governance.Rules.Read, "service.visit/1")
	wants(t, read("service.visit/1"), "", "")
	delete(a.auth.Governance.Rules.Read, "access.granted/1")
	wants(t, read("access.granted/1"), "no_access", "no grant on this vehicle")
	wants(t, read("vehicle.painted/1"), "no_access", "no grant on this vehicle")
}

// What serves every kind of case is read as the history that it stands in;
// what stands in two is read by who may read either.
func TestTheClassWhereARecordStands(t *testing.T) {
	t.Parallel()
	a := ask(t)
	v := &verify.Vehicle{VIN: vinA, Authors: map[string]bool{"reader.example": true}}
	shop, car, campaign := []string{"workshop/" + vinA}, []string{"vehicle/" + vinA}, []string{"campaign/26V-014", "vehicle/" + vinA}
	for _, c := range []struct {
		kind, typ string
		on        []string
		code      string
	}{
		{"PTI", "case.evidence/1", car, ""}, {"PTI", "case.evidence/1", shop, "no_access"}, {"INS", "case.message/1", shop, "no_access"},
		{"DLR", "case.evidence/1", shop, ""}, {"ARB", "case.withdrawn/1", shop, ""}, {"AUD", "case.evidence/1", shop, "no_access"}, {"AUD", "case.evidence/1", car, ""},
		{"PTI", "warranty.claim/1", shop, "no_access"}, {"DLR", "warranty.claim/1", shop, ""}, {"ARB", "part.order/1", shop, ""}, {"FLT", "part.return/1", shop, "no_access"},
		{"FIN", "recall.affects/1", campaign, ""}, {"PTI", "recall.remedied/1", campaign, ""},
	} {
		_, err := a.auth.MayRead(reader(c.kind), v, c.typ, c.on, "2026-05-04", a.now())
		wants(t, err, c.code, "")
	}
	stranger := &verify.Vehicle{VIN: vinA, Authors: map[string]bool{dealer: true}}
	for _, c := range []struct {
		typ   string
		on    []string
		types []string // of the grant; nil for all
		code  string
	}{
		{"case.evidence/1", shop, nil, ""},
		{"case.evidence/1", car, []string{"case.evidence/1"}, ""},
		{"case.evidence/1", shop, []string{"case.evidence/1"}, "grant_scope"}, // of the car's own history, as a buyer's is
		{"case.evidence/1", shop, []string{"case.evidence/1", "warranty.claim/1"}, ""},
		{"warranty.claim/1", shop, []string{"odometer.reading/1", "recall.affects/1"}, "grant_scope"},
		{"recall.affects/1", campaign, []string{"recall.affects/1"}, ""},
	} {
		r := a.granted(func(b jcs.Value) jcs.Value {
			if c.types == nil {
				return b
			}
			return b.With("types", jcs.Texts(c.types))
		})
		stranger.Grants = verify.ApplyGrant(nil, r)
		_, err := a.auth.MayRead(verify.Reader{Secret: secretOf(1)}, stranger, c.typ, c.on, "2026-05-04", a.now())
		wants(t, err, c.code, "")
		class := verify.ClassVehicle
		if c.on[0] == shop[0] {
			class = verify.ClassWorkshop
		}
		_, err = a.auth.MayOpen(verify.Reader{Secret: secretOf(1)}, stranger, class, a.now())
		wants(t, err, c.code, "")
	}
}

// A TLS key opens the door for its member until it is revoked or the member
// suspended; a node's until it is replaced.
func TestReadersByTheirPins(t *testing.T) {
	t.Parallel()
	a := ask(t)
	_, _, tls := memberKeys(t, a.world, dealer)
	if r := a.auth.ReaderByPin(tls.Pin()); r.Member == nil || r.Member.Name != dealer || r.Node != nil || r.Actor != "" {
		t.Errorf("%+v", r)
	}
	if r := a.auth.ReaderByPin(a.hosts[0].tls.Pin()); r.Node == nil || r.Member != nil {
		t.Errorf("%+v", r)
	}
	i := a.suspend(dealer)
	a.apply(i, a.newest(i))
	if r := a.auth.ReaderByPin(tls.Pin()); r.Member != nil || a.auth.MemberByPin(tls.Pin()) != nil {
		t.Errorf("%+v", r)
	}
	if r := a.auth.ReaderByPin(strings.Repeat("0", 10)); fmt.Sprint(r) != fmt.Sprint(verify.Reader{}) {
		t.Errorf("%+v", r)
	}
	i = a.reinstate(dealer)
	a.apply(i, a.newest(i))
	if a.auth.MemberByPin(tls.Pin()) == nil {
		t.Error("a reinstated member is not let in")
	}
}
