package verify_test

import (
	"testing"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// Nothing in the log expires: ten years on everyone writes with the keys of
// then, and the file of then verifies as on its day.
func TestTenYearsAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.file(vinA).Bytes()
	w.clock = time.UnixMilli(w.clock).AddDate(10, 0, 0).UnixMilli()
	accepted(t, old, w.options())
	w.reading(dealer, vinA, 180000, w.spare(dealer))
	w.addKey(dealer, ed25519Key(t, dealer, "of 2036"), "record")
	w.suspend(inspector)
	w.reinstate(inspector)
	w.appoint(2, w.govs[0], w.govs[1])
	w.seal()
	r := accepted(t, w.file(vinA).Bytes(), w.options())
	if r.Records != 7 || len(r.Warnings) != 0 {
		t.Errorf("%d records, %q", r.Records, r.Warnings)
	}
	for _, res := range r.Results {
		if res.Verdict.Refused() {
			t.Errorf("log index %d: %q", res.Index, res.Verdict)
		}
	}
	accepted(t, old, w.options())
}

// A log that is closed proves what it holds for ever, and says where to look
// for more.
func TestAClosedLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.byGovernors("log.closed/1", "governance", obj("successor", successor))
	w.seal()
	r := accepted(t, w.file(vinA).Bytes(), w.options())
	if r.Governance.Closed != successor || len(r.Warnings) != 1 || r.Warnings[0] != "this log is closed; later records are in "+successor {
		t.Errorf("%q", r.Warnings)
	}
}

// Rules of a new version are in force from the next record on, and what the
// log knew it still knows.
func TestRulesOfANewVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(2, func(rules jcs.Value) jcs.Value {
		rules = mayWrite("odometer.reading/1", "DLR:technician", "PTI")(rules)
		return rules.With("types", jcs.Texts(append(rules.Get("types").Strings(), "vehicle.painted/1"))).
			With("rights", jcs.Array(append(rules.Get("rights").List, obj("read", []string{"V"}, "type", "vehicle.painted/1", "write", []string{"DLR:administrator"}))...))
	})
	fitter := w.byActor("fitter", "technician")
	key := ed25519Key(t, dealer, "of the office")
	w.addKey(dealer, key, "record", "actor", "office")
	e := painted(vinA)
	e.more = as("office")
	future := w.add(e, key)
	w.seal()
	r := accepted(t, w.file(vinA).Bytes(), w.options())
	if got := resultAt(t, r, fitter); got.Verdict != verify.Valid || got.Key.Actor != "fitter" {
		t.Errorf("%+v", got)
	}
	if got := resultAt(t, r, future); got.Verdict != verify.UnknownMeaning {
		t.Errorf("%+v", got)
	}
	if g := r.Governance; g.Rules.Version != 2 || len(g.Rules.Types) != len(record.Types())+1 {
		t.Errorf("%+v", g.Rules)
	}
}

// Grants stand in the access history, with who used them; a file for a court
// has them.
func TestACourtsFileHasTheGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sale := w.access("access.granted/1", dealer, vinA, grantBody("basis", "presence", "reading_ref", w.ref("newest")))
	fleet := w.access("access.granted/1", maker, vinA, grantBody("grantee", obj("member", "fleet.example"), "basis", "fleet_contract"))
	used := w.access("access.used/1", dealer, vinA, usedBody(w.hashAt(sale)))
	over := w.access("access.revoked/1", dealer, vinA, obj("grant", w.hashAt(sale)))
	byMaker := w.access("access.revoked/1", maker, vinA, obj("grant", w.hashAt(sale)))
	w.seal()
	f := w.court()
	r := accepted(t, f.Bytes(), w.options())
	for _, i := range []uint64{sale, fleet, used, over, byMaker} {
		if got := resultAt(t, r, i); got.Verdict != verify.Valid || got.Subject != "access/"+vinA {
			t.Errorf("log index %d: %q %s", i, got.Verdict, got.Reason)
		}
	}
	if r.Records != 6 {
		t.Errorf("%d records are counted as the vehicle's own", r.Records)
	}
	// What was granted may be withheld; that it was revoked stands there.
	h := f.History("access/" + vinA)
	h.Entries[0].Note = nil
	accepted(t, f.Bytes(), w.options())
}
