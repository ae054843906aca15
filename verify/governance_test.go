package verify_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// What a verifier says of each record of a log in which much was decided.
func TestVerdictsOfEveryKind(t *testing.T) {
	t.Parallel()
	read := func(w *world, author string, key certs.Signer) uint64 { return w.reading(author, vinA, 32000, key) }
	since := func(w *world, ago time.Duration) string {
		return time.UnixMilli(w.clock).Add(-ago).UTC().Format(time.RFC3339)
	}
	for _, c := range []struct {
		name string
		tell func(w *world) uint64 // and returns the log index that the verdict is on
		want verify.Verdict
		says string
	}{
		{"a plain record", func(w *world) uint64 { return read(w, dealer, w.spare(dealer)) }, verify.Valid, ""},
		{"a key that was retired later", func(w *world) uint64 {
			i := read(w, dealer, w.spare(dealer))
			w.revokeKey(dealer, w.spare(dealer), "retired", "")
			return i
		}, verify.KeyLaterRetired, "reported by " + dealer},
		{"a key that was compromised before the record", func(w *world) uint64 {
			i := read(w, dealer, w.spare(dealer))
			w.seal()
			w.revokeKey(dealer, w.spare(dealer), "compromised", since(w, time.Hour+time.Second))
			return i
		}, verify.LaterCompromised, "compromised since 2026-05-04T12:59:59Z: this record came into the log after that"},
		{"a key that was compromised after the record", func(w *world) uint64 {
			i := read(w, dealer, w.spare(dealer))
			w.seal()
			w.revokeKey(dealer, w.spare(dealer), "compromised", since(w, time.Hour-time.Second))
			return i
		}, verify.LaterCompromised, "compromised since 2026-05-04T13:00:01Z: this record came into the log before that"},
		{"a stolen key and an event time of long ago", func(w *world) uint64 {
			e := readingOf(dealer, vinA, 5)
			e.more = []jcs.Field{{Name: "event_time", Value: jcs.Text("2026-05-01T08:00:00Z")}, {Name: "captured_time", Value: jcs.Text("2026-05-01T08:00:00Z")}}
			i := w.add(e, w.spare(dealer))
			w.seal()
			w.revokeKey(dealer, w.spare(dealer), "compromised", since(w, 2*time.Hour))
			return i
		}, verify.LaterCompromised, "this record came into the log after that"},
		{"a member that was suspended later", func(w *world) uint64 {
			i := read(w, dealer, w.spare(dealer))
			w.suspend(dealer)
			return i
		}, verify.Valid, ""},
		{"a member that is reinstated", func(w *world) uint64 {
			w.suspend(dealer)
			w.reinstate(dealer)
			return read(w, dealer, w.spare(dealer))
		}, verify.Valid, ""},
		{"a suspended member", func(w *world) uint64 {
			w.suspend(dealer)
			return read(w, dealer, w.spare(dealer))
		}, verify.Suspended, "is suspended since log index 18 (unpaid)"},
		{"an author who is admitted later", func(w *world) uint64 {
			i := read(w, "late.example", w.workshop("late.example"))
			w.admit("late.example", nil, "DLR")
			return i
		}, verify.NotAdmitted, "late.example is not admitted at this point"},
		{"an author whose time is over", func(w *world) uint64 {
			w.byGovernors("member.changed/1", "member/"+dealer, obj("name", dealer, "valid_to", "2026-05-03"))
			return read(w, dealer, w.spare(dealer))
		}, verify.NotAdmitted, "is a member from 2026-01-01 to 2026-05-03"},
		{"a type for others", func(w *world) uint64 {
			return w.visit(inspector, vinA, w.ref("inspection"), w.workshop(inspector))
		}, verify.NotAllowed, "may not write service.visit/1"},
		{"a type for another role", func(w *world) uint64 {
			w.publish(2, mayWrite("odometer.reading/1", "DLR:technician"))
			return w.byActor("fitter", "appraiser")
		}, verify.NotAllowed, "(DLR, DLR:appraiser) may not write odometer.reading/1"},
		{"a type for this role", func(w *world) uint64 {
			w.publish(2, mayWrite("odometer.reading/1", "DLR:technician"))
			return w.byActor("fitter", "technician")
		}, verify.Valid, ""},
		{"a role that was taken later", func(w *world) uint64 {
			w.publish(2, mayWrite("odometer.reading/1", "DLR:technician"))
			i := w.byActor("fitter", "technician")
			w.revokeRole(dealer, "fitter", "technician")
			return i
		}, verify.Valid, ""},
		{"a record under rules of before", func(w *world) uint64 {
			i := read(w, dealer, w.spare(dealer))
			w.publish(2, mayWrite("odometer.reading/1", "PTI"))
			return i
		}, verify.Valid, ""},
		{"a key of nobody", func(w *world) uint64 { return read(w, dealer, ed25519Key(w.t, dealer, "nobody's")) }, verify.Invalid, "has no record key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			i := c.tell(w)
			w.seal()
			r := verify.Verify(w.file(vinA).Bytes(), w.options())
			if r.Verified == c.want.Refused() {
				t.Errorf("verified: %v, %v", r.Verified, r.Failure)
			}
			if got := resultAt(t, r, i); got.Verdict != c.want || !strings.Contains(got.Reason, c.says) {
				t.Errorf("%q, %s; want %q, %s", got.Verdict, got.Reason, c.want, c.says)
			}
		})
	}
}

// The governors change; from then on only the new ones' word counts, and they
// may be the old ones' in part.
func TestGovernorsChange(t *testing.T) {
	t.Parallel()
	a := ask(t)
	assoc, insurer, mk := a.govs[0], a.govs[1], a.govs[2]
	police, rotated := a.newGovernor("police.example"), a.newGovernor("insurer.example")
	a.take(a.appoint(3, assoc, rotated, police))
	g := a.auth.Governance
	var names []string
	for _, gov := range g.Governors {
		names = append(names, fmt.Sprint(gov.Name, " ", gov.Key.ID, " ", gov.Key.Index))
	}
	want := []string{"assoc.example " + certs.FormatID(assoc.ID()) + " 0", "insurer.example " + certs.FormatID(rotated.ID()) + " 18", "police.example " + certs.FormatID(police.ID()) + " 18"}
	if !slices.Equal(names, want) || g.Threshold != 3 || g.Appointed != a.prev("governance") {
		t.Errorf("%q, %+v", names, g)
	}
	if len(g.Former) != 2 || g.Former[0].Name != insurer.Name() || g.Former[1].Name != mk.Name() || g.Former[0].Key.Revoked.Index != 18 || g.Former[0].Key.Live() {
		t.Errorf("%+v", g.Former)
	}
	if refs := a.auth.BallotRefs(); !slices.Equal(refs, []string{a.appointed}) {
		t.Errorf("%q", refs)
	}
	a.take(a.suspend(dealer))
	a.take(a.reinstate(dealer))
	// Without the refs the same three are refused; in governance none is needed.
	e := a.ballot("member.suspended/1", "member/"+dealer, suspension(dealer))
	e.more = nil
	wants(t, a.check(a.add(e, a.govs...), a.now()), "stale_ballot", a.appointed)
	a.undo(21)
	e.more = []jcs.Field{{Name: "refs", Value: jcs.Texts([]string{strings.Repeat("0", 64)})}}
	wants(t, a.check(a.add(e, a.govs...), a.now()), "stale_ballot", a.appointed)
	a.undo(21)
	a.take(a.publish(2, nil))
	// Only one remains, and then the threshold is one.
	a.take(a.appoint(1, assoc))
	a.take(a.suspend(dealer))
	if verify.NewAuthority(a.origin).BallotRefs() != nil || ask(t).auth.BallotRefs() != nil {
		t.Error("founders need no refs")
	}
}

func TestNodesChange(t *testing.T) {
	t.Parallel()
	a := ask(t)
	old := a.hosts[0]
	h := a.replaced(old, " 2", "tls")
	a.take(a.changeHost(h, "", "tls"))
	if a.auth.NodeByPin(old.tls.Pin()) != nil || a.auth.NodeByPin(h.tls.Pin()) == nil {
		t.Error("the replaced TLS key counts still, or the new one does not")
	}
	if len(a.auth.Governance.Policies) != 1 {
		t.Error("another policy without need")
	}
	h = a.replaced(h, " 3", "log", "cosigner", "tls")
	a.hosts[0] = h
	a.take(a.changeHost(h, numbered(2, a.policyOf(a.hosts)), "log", "cosigner", "tls"))
	n := a.auth.Governance.Nodes[h.id]
	if n.Log.VKey != h.log.VKey() || n.Cosigner.VKey != h.cosigner.VKey() || n.TLS.VKey != h.tls.Pin() || n.Log.Index != 19 || n.Member != dealer {
		t.Errorf("%+v", n)
	}
	// The quorum alone, and the address alone.
	all := strings.Replace(numbered(3, a.policyOf(a.hosts)), "group nodes 3 ", "group nodes all ", 1)
	a.take(a.changeHost(h, all))
	body := a.changeBody(h, "").With("address", jcs.Text("moved.example:7400"))
	a.take(a.byGovernors("node.changed/1", "governance", body))
	if n := a.auth.Governance.Nodes[h.id]; n.Address != "moved.example:7400" || a.auth.Governance.Policy != all {
		t.Errorf("%+v, %s", n, a.auth.Governance.Policy)
	}
	a.take(a.removeHost(h.id, numbered(4, a.policyOf(a.hosts[1:]))))
	if g := a.auth.Governance; g.Nodes[h.id] != nil || a.auth.NodeByPin(h.tls.Pin()) != nil || len(g.Removed) != 1 || !g.Gone(h.id) || g.Removed[0].TLS.VKey != h.tls.Pin() || len(g.Former) != 1+3+3 || g.Former[6].Key.Revoked.Reason != "left" {
		t.Errorf("%+v", g)
	}
	// An outside witness in place of the node: any policy that has the nodes' keys.
	outside := mustCosigner(a.world, "witness.example", "outside")
	a.take(a.changeHost(a.hosts[1], verify.NewPolicy([]string{a.hosts[1].log.VKey(), a.hosts[2].log.VKey(), a.hosts[3].log.VKey()},
		a.hosts[1].cosigner.VKey(), a.hosts[2].cosigner.VKey(), a.hosts[3].cosigner.VKey(), outside.VKey())))
}

func TestAdministrators(t *testing.T) {
	t.Parallel()
	a := ask(t)
	has := func(want ...string) {
		t.Helper()
		if got := a.auth.Members[dealer].Administrators(); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	has("foreman", "office")
	a.take(a.grantRole(dealer, "owner", "administrator")) // who has no key yet
	has("foreman", "office")
	a.third()
	a.take(uint64(len(a.leaves) - 1))
	has("foreman", "office", "owner")
	a.take(a.revokeRole(dealer, "foreman", "administrator"))
	has("office", "owner")
	wants(t, a.check(a.revokeRole(dealer, "owner", "administrator"), a.now()), "administrators", "two administrators")
	a.undo(len(a.leaves) - 1)
	// The foreman's key waits for the role to come back.
	a.take(a.grantRole(dealer, "foreman", "administrator"))
	has("foreman", "office", "owner")
	a.take(a.grantRole(dealer, "owner", "technician"))
	a.take(a.grantRole(dealer, "owner", "appraiser"))
	if m := a.auth.Members[dealer]; !m.HasRole("owner", "appraiser") || m.HasRole("owner", "support") || m.HasRole("nobody", "appraiser") || !slices.Equal(m.Roles["owner"], []string{"administrator", "appraiser", "technician"}) {
		t.Errorf("%q", m.Roles)
	}
	// The governors may take what the member may not.
	for _, actor := range []string{"foreman", "office", "owner"} {
		a.take(a.byGovernors("role.revoked/1", "member/"+dealer, obj("actor", actor, "name", dealer, "role", "administrator")))
	}
	for _, role := range []string{"appraiser", "technician"} {
		a.take(a.byGovernors("role.revoked/1", "member/"+dealer, obj("actor", "owner", "name", dealer, "role", role)))
	}
	has()
	if m := a.auth.Members[dealer]; m.Roles != nil || !reflect.DeepEqual(a.decoded(t), a.auth) {
		t.Errorf("%q", m.Roles)
	}
	wants(t, a.check(a.addKey(dealer, ed25519Key(t, dealer, "k"), "record"), a.now()), "not_administrator", "office of "+dealer)
	a.undo(len(a.leaves) - 1)
	// And help one that has nothing left: a key of an administrator is a role.
	for _, actor := range []string{"heir", "notary"} {
		key := ed25519Key(t, dealer, actor)
		a.take(a.byGovernors("key.added/1", "member/"+dealer, obj("actor", actor, "key", key.VKey(), "name", dealer, "pop", []string{a.pop(key, "admin")}, "use", "admin")))
	}
	has("heir", "notary")
	a.addKeyBy(ed25519Key(t, dealer, "heir"), "heir")
	a.take(uint64(len(a.leaves) - 1))
}

// A node serves readers while records change the authority: what they were
// given stays as it was.
func TestWhatWasGivenOutStays(t *testing.T) {
	t.Parallel()
	a := ask(t)
	h := a.hosts[0]
	node, member := a.auth.NodeByPin(h.tls.Pin()), a.auth.Members[dealer]
	keys := slices.Clone(member.Keys)
	shown := func() string {
		b, err := json.Marshal([]any{node, member, keys})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	before := shown()
	a.take(a.suspend(dealer))
	a.take(a.byGovernors("member.changed/1", "member/"+dealer, obj("legal_name", "Another firm", "name", dealer)))
	a.take(a.byGovernors("key.revoked/1", "member/"+dealer, obj("key_id", certs.FormatID(a.spare(dealer).ID()), "name", dealer, "reason", "lost")))
	a.take(a.byGovernors("role.granted/1", "member/"+dealer, obj("actor", "chief", "name", dealer, "role", "support")))
	next := a.replaced(h, " 2", "log", "cosigner", "tls")
	a.hosts[0] = next
	a.take(a.changeHost(next, numbered(2, a.policyOf(a.hosts)), "log", "cosigner", "tls"))
	a.take(a.removeHost(h.id, numbered(3, a.policyOf(a.hosts[1:]))))
	if after := shown(); after != before {
		t.Errorf("%s\nbefore, and then\n%s", before, after)
	}
	// A node that was removed is kept as it was last.
	if gone := a.auth.Governance.Removed[0]; gone.TLS.VKey != next.tls.Pin() || !gone.TLS.Live() {
		t.Errorf("%+v", gone.Node)
	}
}

// A suspended member is cut off, and the governors are not.
func TestASuspendedMember(t *testing.T) {
	t.Parallel()
	a := ask(t)
	a.take(a.suspend(dealer))
	if s := a.auth.Members[dealer].Suspended; s == nil || s.Index != 18 || s.Reason != "unpaid" || s.Time != a.clock {
		t.Errorf("%+v", s)
	}
	for _, i := range []uint64{
		a.reading(dealer, vinA, 32000, a.spare(dealer)),
		a.addKey(dealer, ed25519Key(t, dealer, "k"), "record"),
		a.access("access.used/1", dealer, vinA, usedBody(strings.Repeat("0", 64))),
	} {
		wants(t, a.check(i, a.now()), "suspended", dealer+" is suspended since log index 18 (unpaid)")
	}
	a.undo(19)
	// Its nodes are governance's: they go on.
	if a.auth.NodeByPin(a.hosts[0].tls.Pin()) == nil || len(a.auth.Governance.Nodes) != 4 {
		t.Error("a node fell with its member")
	}
	a.take(a.byGovernors("member.changed/1", "member/"+dealer, obj("legal_name", "Another firm", "name", dealer)))
	a.take(a.byGovernors("key.revoked/1", "member/"+dealer, obj("key_id", certs.FormatID(a.spare(dealer).ID()), "name", dealer, "reason", "lost")))
	a.take(a.byGovernors("role.granted/1", "member/"+dealer, obj("actor", "heir", "name", dealer, "role", "support")))
	a.take(a.reinstate(dealer))
	if a.auth.Members[dealer].Suspended != nil {
		t.Error("not reinstated")
	}
}

func TestAMemberChanges(t *testing.T) {
	t.Parallel()
	a := ask(t)
	before := *a.auth.Members[maker]
	a.take(a.byGovernors("member.changed/1", "member/"+maker, obj("calendar", "other", "country", "DE", "documents_checked", []string{"passport"}, "kind", []string{"MFR", "DLR"},
		"legal_name", "New Name", "name", maker, "tax_id", b64(make([]byte, 32)), "valid_from", "2026-02-01", "valid_to", "2036-01-01", "wmi", []string{"1N4"}, "zone", "Europe/Berlin")))
	after := a.auth.Members[maker]
	want := before
	want.Calendar, want.Country, want.Documents, want.Kinds, want.LegalName = "other", "DE", []string{"passport"}, []string{"MFR", "DLR"}, "New Name"
	want.TaxID, want.ValidFrom, want.ValidTo, want.WMI, want.Zone = b64(make([]byte, 32)), "2026-02-01", "2036-01-01", []string{"1N4"}, "Europe/Berlin"
	want.Last = a.prev("member/" + maker)
	if !reflect.DeepEqual(*after, want) {
		t.Errorf("%+v, want %+v", *after, want)
	}
	// What is not mentioned stays.
	a.take(a.byGovernors("member.changed/1", "member/"+maker, obj("name", maker, "zone", "UTC")))
	want.Zone, want.Last = "UTC", a.prev("member/"+maker)
	if !reflect.DeepEqual(*a.auth.Members[maker], want) {
		t.Errorf("%+v, want %+v", *a.auth.Members[maker], want)
	}
	wants(t, a.check(a.byGovernors("member.changed/1", "member/"+maker, obj("name", maker, "valid_from", "2036-01-02")), a.now()), "field", "would end on 2036-01-01, before it begins on 2036-01-02")
}

// A membership that is over stops records about vehicles, and nothing else:
// no date may take a node, a key or a cosignature away.
func TestAMembershipThatIsOver(t *testing.T) {
	t.Parallel()
	a := ask(t)
	granted := a.access("access.granted/1", dealer, vinA, grantBody())
	a.take(a.byGovernors("member.changed/1", "member/"+dealer, obj("name", dealer, "valid_to", "2026-05-04")))
	n := len(a.leaves)
	later := a.now().AddDate(3, 0, 0)
	for _, c := range []struct {
		put  func() uint64
		code string
	}{
		{func() uint64 { return a.reading(dealer, vinA, 32000, a.spare(dealer)) }, "membership_over"},
		{func() uint64 { return a.access("access.granted/1", dealer, vinA, grantBody()) }, "membership_over"},
		{func() uint64 { return a.access("access.used/1", dealer, vinA, usedBody(a.hashAt(granted))) }, ""}, // it runs nodes
		{func() uint64 { return a.addKey(dealer, ed25519Key(t, dealer, "k"), "record") }, ""},
		{func() uint64 { return a.revokeKey(dealer, a.spare(dealer), "lost", "") }, ""},
		{func() uint64 { return a.grantRole(dealer, "fitter", "technician") }, ""},
		{func() uint64 {
			return a.byGovernors("member.changed/1", "member/"+dealer, obj("name", dealer, "valid_to", "2039-12-31"))
		}, ""},
	} {
		wants(t, a.check(c.put(), later), c.code, "is a member from 2026-01-01 to 2026-05-04")
		a.undo(n)
	}
	_, _, tls := memberKeys(t, a.world, dealer)
	if a.auth.MemberByPin(tls.Pin()) == nil || a.auth.NodeByPin(a.hosts[0].tls.Pin()) == nil {
		t.Error("a date closes a door")
	}
}
