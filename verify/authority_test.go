package verify_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// The state machine asks the Authority record by record, before it appends
// anything. These tests ask it in the same way.

// asked is an authority that has taken in every record of a world so far.
type asked struct {
	*world
	auth *verify.Authority
}

func ask(t testing.TB) *asked {
	a := &asked{world: newWorld(t)}
	a.auth = verify.NewAuthority(a.origin)
	for i, leaf := range a.leaves {
		if a.subjects[i] != nil {
			a.apply(uint64(i), leaf)
		}
	}
	return a
}

func (a *asked) open(note []byte) *record.Record {
	a.t.Helper()
	r, err := record.Open(note)
	a.must(err)
	return r
}

func (a *asked) apply(index uint64, note []byte) string {
	a.t.Helper()
	r, at := a.open(note), verify.Place{Index: index, Time: a.clock}
	if a.times[index] != 0 {
		at.Time = a.times[index]
	}
	a.must(a.auth.Check(r, at, certs.VerifyEd25519))
	return a.auth.Apply(r, at)
}

// newest is the note that a fixture has just put at the end of the world.
func (a *asked) newest(index uint64) []byte { return a.leaves[index] }

// check asks about the newest leaf, at a time of the test's choosing.
func (a *asked) check(index uint64, at time.Time) error {
	a.t.Helper()
	before := a.dump()
	err := a.auth.Check(a.open(a.newest(index)), verify.Place{Index: index, Time: at.UnixMilli()}, certs.VerifyEd25519)
	if a.dump() != before {
		a.t.Error("asking changed the state")
	}
	return err
}

func (a *asked) dump() string {
	var b strings.Builder
	for _, s := range a.auth.Subjects() {
		fmt.Fprintf(&b, "%s: %s\n", s, a.auth.Encode(s))
	}
	return b.String()
}

func (a *asked) now() time.Time { return time.UnixMilli(a.clock) }

func wants(t *testing.T, err error, code, says string) {
	t.Helper()
	switch {
	case code == "":
		if err != nil {
			t.Errorf("refused: %v", err)
		}
	case err == nil:
		t.Errorf("accepted, want %q", says)
	case fault.Code(err) != code || !strings.Contains(err.Error(), says):
		t.Errorf("%s: %v, want %s: %q", fault.Code(err), err, code, says)
	}
}

// The state of each history goes into the tree's transactions and comes back
// after a restart: nothing is lost on the way, nor is anything remembered
// that is not in it.
func TestStateSurvivesARestart(t *testing.T) {
	t.Parallel()
	a := ask(t)
	again := verify.NewAuthority(a.origin)
	subjects := a.auth.Subjects()
	if want := []string{"governance", "member/" + dealer, "member/" + inspector, "member/" + maker}; !reflect.DeepEqual(subjects, want) {
		t.Fatalf("%q", subjects)
	}
	for _, s := range subjects {
		a.must(again.Decode(s, a.auth.Encode(s)))
	}
	if !reflect.DeepEqual(again, a.auth) {
		t.Error("another authority came back")
	}
	if a.auth.Encode("member/nobody") != nil || a.auth.Encode("vehicle/"+vinA) != nil || verify.NewAuthority("x").Encode("governance") != nil {
		t.Error("there is state of what has none")
	}
	for _, s := range []string{"governance", "member/x"} {
		if again.Decode(s, []byte("{")) == nil {
			t.Errorf("the state of %s may be half of it", s)
		}
	}
}

// A state that is read is the one form of what it says: one that is damaged
// on its disk is refused, and brings no node down.
func FuzzAuthorityDecode(f *testing.F) {
	a := ask(f)
	for _, s := range a.auth.Subjects() {
		f.Add(s, a.auth.Encode(s))
	}
	for subject, state := range map[string]any{
		"member/x": verify.Member{Name: "x", Keys: []*verify.Key{nil}}, "member/y": verify.Member{Name: "x"}, "vehicle/" + vinA: verify.Governance{},
	} {
		b, err := json.Marshal(state)
		a.must(err)
		f.Add(subject, b)
	}
	for _, g := range []verify.Governance{{Nodes: map[string]*verify.Node{"x": nil}}, {Removed: []verify.Gone{{}}}} {
		b, err := json.Marshal(g)
		a.must(err)
		f.Add("governance", b)
	}
	f.Fuzz(func(t *testing.T, subject string, b []byte) {
		auth := verify.NewAuthority(a.origin)
		if err := auth.Decode(subject, b); err != nil {
			if len(auth.Subjects()) != 0 {
				t.Errorf("%s is refused (%v), and held", subject, err)
			}
			return
		}
		if again := auth.Encode(subject); string(again) != string(b) {
			t.Errorf("%s became %s", b, again)
		}
		if held := auth.Subjects(); len(held) != 1 || held[0] != subject {
			t.Errorf("the state of %s is held as that of %q", subject, held)
		}
		for name, m := range auth.Members {
			if m.Name != name {
				t.Errorf("the state of %s is held as that of %s", m.Name, name)
			}
		}
		if auth.Governance != nil {
			auth.Governance.Gone("x")
		}
	})
}

func TestApplyNamesWhatChanged(t *testing.T) {
	t.Parallel()
	a := ask(t)
	if got := a.apply(a.addKey(dealer, ed25519Key(t, dealer, "k"), "record"), a.leaves[len(a.leaves)-1]); got != "member/"+dealer {
		t.Error(got)
	}
	if got := a.apply(a.reading(dealer, vinA, 32000, a.spare(dealer)), a.leaves[len(a.leaves)-1]); got != "" {
		t.Error(got)
	}
	h := a.newHost("fifth")
	if got := a.apply(a.addHost(h, a.policyOf(append(a.hosts, h))), a.leaves[len(a.leaves)-1]); got != "governance" {
		t.Error(got)
	}
	g := a.auth.Governance
	if n := g.Nodes["fifth"]; n == nil || n.Log.VKey != h.log.VKey() || n.Cosigner.VKey != h.cosigner.VKey() || n.TLS.VKey != h.tls.Pin() || n.Member != maker || n.Address != "fifth.example:7400" {
		t.Errorf("%+v", n)
	}
	if len(g.Policies) != 2 || g.Policy == a.policy || g.Last != a.prev("governance") {
		t.Errorf("%+v", g)
	}
}

// A key counts from the index after its registration to that of its
// revocation.
func TestWhereAKeyCounts(t *testing.T) {
	t.Parallel()
	a := ask(t)
	key := ed25519Key(t, dealer, "k")
	added := a.addKey(dealer, key, "record")
	a.apply(added, a.newest(added))
	r := a.open(a.newest(a.reading(dealer, vinA, 32000, key)))
	at := func(i uint64) error {
		return a.auth.Check(r, verify.Place{Index: i, Time: a.clock}, certs.VerifyEd25519)
	}
	wants(t, at(added), "key_early", "counts only after log index 18")
	wants(t, at(added+1), "", "")
	revoked := a.revokeKey(dealer, key, "lost", "")
	a.apply(revoked, a.newest(revoked))
	wants(t, at(revoked), "", "")
	wants(t, at(revoked+1), "key_revoked", "was revoked at index 20 (lost)")
	if k := a.auth.Key(r); k == nil || k.Live() || k.Revoked.By != dealer || k.By != certs.FormatID(a.office(dealer).ID()) {
		t.Errorf("%+v", k)
	}
}

// Membership is by the day of the log time, in UTC, both days included.
func TestDaysOfMembership(t *testing.T) {
	t.Parallel()
	a := ask(t)
	i := a.admit("brief.example", func(b jcs.Value) jcs.Value {
		return b.With("valid_from", jcs.Text("2026-06-01")).With("valid_to", jcs.Text("2026-06-30"))
	}, "DLR")
	a.apply(i, a.newest(i))
	reading := a.reading("brief.example", vinA, 1000, a.workshop("brief.example"))
	for at, code := range map[string]string{
		"2026-05-31T23:59:59Z": "membership_over", "2026-06-01T00:00:00Z": "", "2026-06-30T23:59:59Z": "", "2026-07-01T00:00:00Z": "membership_over",
	} {
		when, _ := time.Parse(time.RFC3339, at)
		wants(t, a.check(reading, when), code, "brief.example is a member from 2026-06-01 to 2026-06-30")
	}
	// Its keys are its own affair, whatever the day.
	key := a.addKey("brief.example", ed25519Key(t, "brief.example", "k"), "record")
	wants(t, a.check(key, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)), "", "")
}

func TestDatesOfCompromise(t *testing.T) {
	t.Parallel()
	a := ask(t)
	since := func(d time.Duration) string { return a.now().Add(d).UTC().Format(time.RFC3339) }
	for _, c := range []struct{ since, code, says string }{
		{since(0), "", ""},
		{since(time.Second), "since", "it lies after the log time of this record"},
		{since(-verify.OwnReach), "", ""},
		{since(-verify.OwnReach - time.Second), "since", "reaches back 30 days"},
	} {
		wants(t, a.check(a.revokeKey(dealer, a.spare(dealer), "compromised", c.since), a.now()), c.code, c.says)
		a.leaves, a.times, a.subjects = a.leaves[:18], a.times[:18], a.subjects[:18]
	}
	body := obj("key_id", certs.FormatID(a.spare(dealer).ID()), "name", dealer, "prev", a.prev("member/"+dealer), "reason", "compromised")
	for s, code := range map[string]string{"1999-01-01T00:00:00Z": "", since(time.Second): "since"} {
		e := envelope{"key.revoked/1", a.govs[0].Name(), []string{"member/" + dealer}, body.With("since", jcs.Text(s)), nil}
		wants(t, a.check(a.add(e, two(a.world)...), a.now()), code, "it lies after the log time")
		a.leaves, a.times, a.subjects = a.leaves[:18], a.times[:18], a.subjects[:18]
	}
}

// Two administrators always remain, if it is up to the member.
func TestTwoAdministratorsRemain(t *testing.T) {
	t.Parallel()
	a := ask(t)
	foreman := ed25519Key(t, dealer, a.name+" admin foreman")
	wants(t, a.check(a.revokeKey(dealer, foreman, "lost", ""), a.now()), "administrators", "at least two administrators always remain")
	a.leaves, a.times, a.subjects = a.leaves[:18], a.times[:18], a.subjects[:18]

	// A second key of the same administrator is no second administrator.
	same := a.addKey(dealer, ed25519Key(t, dealer, "office 2"), "admin", "actor", "office")
	a.apply(same, a.newest(same))
	wants(t, a.check(a.revokeKey(dealer, foreman, "lost", ""), a.now()), "administrators", "")
	a.leaves, a.times, a.subjects = a.leaves[:19], a.times[:19], a.subjects[:19]
	wants(t, a.check(a.revokeKey(dealer, ed25519Key(t, dealer, "office 2"), "retired", ""), a.now()), "", "")
	a.leaves, a.times, a.subjects = a.leaves[:19], a.times[:19], a.subjects[:19]

	third := a.addKey(dealer, ed25519Key(t, dealer, "third"), "admin", "actor", "owner")
	a.apply(third, a.newest(third))
	wants(t, a.check(a.revokeKey(dealer, foreman, "lost", ""), a.now()), "", "")
	a.leaves, a.times, a.subjects = a.leaves[:20], a.times[:20], a.subjects[:20]
	// But not if the third falls with the one that registered it.
	office := a.revokeKey(dealer, a.office(dealer), "compromised", a.now().UTC().Format(time.RFC3339))
	wants(t, a.check(office, a.now()), "administrators", "")
}

func TestPeersByTheirPins(t *testing.T) {
	t.Parallel()
	a := ask(t)
	_, _, tls := memberKeys(t, a.world, dealer)
	if m := a.auth.MemberByPin(tls.Pin()); m == nil || m.Name != dealer {
		t.Errorf("%+v", m)
	}
	if n := a.auth.NodeByPin(a.hosts[1].tls.Pin()); n == nil || n.ID != "lyon" {
		t.Errorf("%+v", n)
	}
	if a.auth.MemberByPin(a.hosts[1].tls.Pin()) != nil || a.auth.NodeByPin(tls.Pin()) != nil || a.auth.NodeByPin("") != nil || verify.NewAuthority("x").NodeByPin(tls.Pin()) != nil {
		t.Error("a stranger is known")
	}
	// A member that loses its TLS key is cut off at once.
	body := obj("key_id", tls.Pin()[len(tls.Pin())-8:], "name", dealer, "prev", a.prev("member/"+dealer), "reason", "lost")
	i := a.add(envelope{"key.revoked/1", dealer, []string{"member/" + dealer}, body, as("office")}, a.office(dealer))
	a.apply(i, a.newest(i))
	if a.auth.MemberByPin(tls.Pin()) != nil {
		t.Error("a lost key still opens the door")
	}
}

// A TLS key may be added, with its own proof of possession.
func TestTLSKeysAreAdded(t *testing.T) {
	t.Parallel()
	a := ask(t)
	id, err := certs.NewTLSIdentity(seed("second TLS key"))
	a.must(err)
	add := func(proof []byte) uint64 {
		body := obj("key", id.Pin(), "name", dealer, "pop", []string{b64(proof)}, "prev", a.prev("member/"+dealer), "use", "tls")
		return a.add(envelope{"key.added/1", dealer, []string{"member/" + dealer}, body, as("office")}, a.office(dealer))
	}
	wants(t, a.check(add(id.Possess(a.origin, maker)), a.now()), "pop", "(tls of "+dealer+") does not fit")
	a.leaves, a.times, a.subjects = a.leaves[:18], a.times[:18], a.subjects[:18]
	i := add(id.Possess(a.origin, dealer))
	wants(t, a.check(i, a.now()), "", "")
	a.apply(i, a.newest(i))
	if m := a.auth.MemberByPin(id.Pin()); m == nil || m.Name != dealer {
		t.Errorf("%+v", m)
	}
}

// A key whose owner is unknown here may be registered by another member and
// the signature check that is handed in is the one that counts.
func TestTheSignatureCheckIsHandedIn(t *testing.T) {
	t.Parallel()
	a := ask(t)
	i := a.reading(dealer, vinA, 32000, a.spare(dealer))
	r := a.open(a.newest(i))
	calls := 0
	err := a.auth.Check(r, verify.Place{Index: i, Time: a.clock}, func(public, text, sig []byte) bool {
		calls++
		v, _ := certs.ParseVKey(a.spare(dealer).VKey())
		return string(public) == string(v.Public()) && string(text) == r.Text && len(sig) == 64
	})
	if err != nil || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
	err = a.auth.Check(r, verify.Place{Index: i, Time: a.clock}, func(_, _, _ []byte) bool { return false })
	wants(t, err, "signature", "does not fit the record")
}

// Rules say who may write: a device where it says DEV, anyone where it says any.
func TestWhoMayWrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		writers []string
		author  string
		device  bool
		code    string
	}{
		{[]string{"DLR", "MFR"}, dealer, false, ""},
		{[]string{"MFR"}, dealer, false, "not_allowed"},
		{[]string{"any"}, inspector, false, ""},
		{[]string{"any"}, dealer, true, ""},
		{[]string{"DEV"}, dealer, true, ""},
		{[]string{"DEV"}, dealer, false, "not_allowed"},
		{[]string{"DLR"}, dealer, true, "not_allowed"},
	} {
		w := founded(t, func(b jcs.Value) jcs.Value {
			rules := b.Get("rules")
			return b.With("rules", rules.With("rights", jcs.Array(obj("read", []string{"V"}, "type", "odometer.reading/1", "write", c.writers))))
		})
		key := w.workshop(c.author)
		if c.device {
			key = ed25519Key(t, c.author, "device")
			w.addKey(c.author, key, "record", "device", obj("kind", "telematics", "vehicle", vinA))
		}
		w.reading(c.author, vinA, 1000, key)
		w.seal()
		if c.code == "" {
			accepted(t, w.file(vinA).Bytes(), w.options())
		} else {
			refused(t, w.file(vinA).Bytes(), w.options(), "record < "+c.code, "may not write odometer.reading/1")
		}
	}
}

func TestHexAndLeafHash(t *testing.T) {
	t.Parallel()
	h := verify.LeafHash([]byte("x"))
	if h != leafHash([]byte("x")) || verify.Hex(h) != hex.EncodeToString(h[:]) {
		t.Error("hashes differ")
	}
}
