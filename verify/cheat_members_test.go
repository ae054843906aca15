package verify_test

import (
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
)

// hoarded is a ballot that governors sign now and that someone keeps.
func (w *world) hoarded(typ, subject string, body jcs.Value) []byte {
	return w.signed(w.text(w.ballot(typ, subject, body)), w.govs[:w.need]...)
}

// suspension is the body of a member's suspension.
func suspension(name string) jcs.Value { return obj("name", name, "reason", "unpaid") }

// newGovernor is the key of one who was none before.
func (w *world) newGovernor(name string) certs.Signer {
	return ed25519Key(w.t, name, w.name+" governor of later")
}

// third is an actor of the dealer who becomes an administrator, with a key.
func (w *world) third() certs.Signer {
	key := ed25519Key(w.t, dealer, "owner")
	w.addKey(dealer, key, "admin", "actor", "owner")
	return key
}

// addKeyBy has someone other than the office add a record key for the dealer.
func (w *world) addKeyBy(author certs.Signer, actor string) {
	key := ed25519Key(w.t, dealer, "added by "+actor)
	e := envelope{"key.added/1", dealer, []string{"member/" + dealer},
		w.following("member/"+dealer, obj("key", key.VKey(), "name", dealer, "pop", []string{w.pop(key, "record")}, "use", "record")), nil}
	if actor != "" {
		e.more = as(actor)
	}
	w.add(e, author)
}

// Ballots of the governors about members, and what members do themselves.
var memberCheats = []cheat{
	{name: "a suspension by one governor of two", do: lie(func(w *world) {
		w.add(w.ballot("member.suspended/1", "member/"+dealer, suspension(dealer)), w.govs[0])
	}), code: "authority < threshold", says: "exactly 2 governors sign this, here are 1 signatures"},
	{name: "a suspension by one governor too many", do: lie(func(w *world) {
		w.add(w.ballot("member.suspended/1", "member/"+dealer, suspension(dealer)), w.govs...)
	}), code: "authority < threshold", says: "exactly 2 governors sign this, here are 3 signatures"},
	{name: "a suspension that one governor signed twice", do: lie(func(w *world) {
		w.add(w.ballot("member.suspended/1", "member/"+dealer, suspension(dealer)), w.govs[0], w.govs[0])
	}), code: "record < signatures", says: "sorted by name, each name once"},
	{name: "a suspension signed with governors' signatures of another proposal", do: lie(func(w *world) {
		text := w.text(w.ballot("member.suspended/1", "member/"+inspector, suspension(inspector)))
		n := certs.Note{Text: w.text(w.ballot("member.suspended/1", "member/"+dealer, suspension(dealer)))}
		for _, g := range two(w) {
			sig, err := g.Sign([]byte(text))
			w.must(err)
			n.Sigs = append(n.Sigs, sig)
		}
		w.put(n.Bytes(), "member/"+dealer)
	}), code: "authority < signature", says: "the signature by governor assoc.example does not fit"},
	{name: "a suspension that governors signed for another log", do: lie(func(w *world) {
		other := emptyWorld(w.t, cast{"milepost.example/other", fullCast.governors, 2, fullCast.hosts})
		other.govs = w.govs // the same people with the same keys
		e := w.ballot("member.suspended/1", "member/"+dealer, suspension(dealer))
		w.put(w.signed(other.text(e), two(w)...), "member/"+dealer)
	}), code: "authority < origin", says: "the record belongs to another log"},
	{name: "a suspension that comes back after the reinstatement", do: lie(func(w *world) {
		ballot := w.hoarded("member.suspended/1", "member/"+dealer, suspension(dealer))
		w.put(ballot, "member/"+dealer)
		w.reinstate(dealer)
		w.put(ballot, "member/"+dealer)
	}), code: "authority < prev", says: "the newest record of this history is"},
	{name: "a suspension that was hoarded until something else was decided", do: lie(func(w *world) {
		ballot := w.hoarded("member.suspended/1", "member/"+dealer, suspension(dealer))
		w.byGovernors("member.changed/1", "member/"+dealer, obj("legal_name", "Another firm", "name", dealer))
		w.put(ballot, "member/"+dealer)
	}), code: "authority < prev", says: "the newest record of this history is"},
	{name: "a ballot from before a change of governors, by two who stayed", do: lie(func(w *world) {
		ballot := w.hoarded("member.suspended/1", "member/"+dealer, suspension(dealer))
		w.appoint(2, w.govs[0], w.govs[1], w.newGovernor("police.example"))
		w.put(ballot, "member/"+dealer)
	}), code: "authority < stale_ballot", says: "refs: the governors have changed"},
	{name: "a ballot from before the last of two changes of governors", do: lie(func(w *world) {
		w.appoint(2, w.govs[0], w.govs[1], w.newGovernor("police.example"))
		ballot := w.hoarded("member.suspended/1", "member/"+dealer, suspension(dealer))
		w.appoint(2, w.govs[0], w.govs[1])
		w.put(ballot, "member/"+dealer)
	}), code: "authority < stale_ballot", says: "refs: the governors have changed"},
	{name: "a ballot of governance from before a change of governors", do: lie(func(w *world) {
		ballot := w.hoarded("rules.published/1", "governance", w.genesis().Get("rules").With("version", jcs.Number(2)))
		w.appoint(2, w.govs[0], w.govs[1], w.newGovernor("police.example"))
		w.put(ballot, "governance")
	}), code: "authority < prev", says: "the newest record of this history is"},
	{name: "a ballot with a governor who is none any more", do: lie(func(w *world) {
		former := w.govs[1]
		w.appoint(2, w.govs[0], w.govs[2], w.newGovernor("police.example"))
		w.add(w.ballot("member.suspended/1", "member/"+dealer, suspension(dealer)), w.govs[0], former)
	}), code: "authority < not_governor", says: "insurer.example"},
	{name: "a ballot with a governor's retired key", do: lie(func(w *world) {
		retired := w.govs[1]
		w.appoint(2, w.govs[0], w.newGovernor(retired.Name()), w.govs[2])
		w.add(w.ballot("member.suspended/1", "member/"+dealer, suspension(dealer)), w.govs[0], retired)
	}), code: "authority < not_governor", says: "insurer.example"},
	{name: "a ballot of the old threshold", do: lie(func(w *world) {
		w.appoint(3, slices.Clone(w.govs)...)
		w.add(w.ballot("member.suspended/1", "member/"+dealer, suspension(dealer)), two(w)...)
	}), code: "authority < threshold", says: "exactly 3 governors sign this, here are 2 signatures"},

	{name: "a suspended member writes", do: lie(func(w *world) {
		w.suspend(dealer)
		w.reading(dealer, vinA, 32000, w.spare(dealer))
	}), code: "record < suspended", says: dealer + " is suspended since log index 18 (unpaid)"},
	{name: "a suspended member's administrator adds a key", do: lie(func(w *world) {
		w.suspend(dealer)
		w.addKey(dealer, ed25519Key(w.t, dealer, "new"), "record")
	}), code: "authority < suspended", says: dealer + " is suspended since log index 18 (unpaid)"},
	{name: "a suspended member reinstates itself", do: lie(func(w *world) {
		w.suspend(dealer)
		w.byAdmin("member.reinstated/1", dealer, obj())
	}), code: "authority < threshold", says: "exactly 2 governors sign this"},
	{name: "a member suspended twice", do: lie(func(w *world) {
		w.suspend(dealer)
		w.suspend(dealer)
	}), code: "authority < member_state", says: dealer + " is suspended already"},
	{name: "a member reinstated that was not suspended", do: lie(func(w *world) { w.reinstate(dealer) }),
		code: "authority < member_state", says: dealer + " is not suspended"},
	{name: "a stranger suspended", do: lie(func(w *world) {
		w.suspend("nobody.example")
		w.reading("nobody.example", vinA, 32000, w.spare("nobody.example"))
	}), code: "authority < member_unknown", says: "nobody.example is not a member"},
	{name: "a member that makes itself a manufacturer", do: lie(func(w *world) {
		w.byAdmin("member.changed/1", dealer, obj("kind", []string{"DLR", "MFR"}))
	}), code: "authority < threshold", says: "exactly 2 governors sign this"},
	{name: "a membership that ends before it begins", do: lie(func(w *world) {
		w.byGovernors("member.changed/1", "member/"+dealer, obj("name", dealer, "valid_to", "2025-12-31"))
	}), code: "authority < field", says: "the membership would end on 2025-12-31, before it begins on 2026-01-01"},

	{name: "a role taken that leaves one administrator", do: lie(func(w *world) { w.revokeRole(dealer, "foreman", "administrator") }),
		code: "authority < administrators", says: "at least two administrators always remain"},
	{name: "an administrator who resigns and leaves one", do: lie(func(w *world) { w.revokeRole(dealer, "office", "administrator") }),
		code: "authority < administrators", says: "at least two administrators always remain"},
	{name: "a key revoked that leaves one administrator, the other having no key", do: lie(func(w *world) {
		w.grantRole(dealer, "owner", "administrator") // who has no admin key
		w.revokeKey(dealer, ed25519Key(w.t, dealer, w.name+" admin foreman"), "lost", "")
	}), code: "authority < administrators", says: "at least two administrators always remain"},
	{name: "a key revoked that leaves one administrator, the other having no role", do: lie(func(w *world) {
		w.third()
		w.revokeRole(dealer, "owner", "administrator")
		w.revokeKey(dealer, ed25519Key(w.t, dealer, w.name+" admin foreman"), "lost", "")
	}), code: "authority < administrators", says: "at least two administrators always remain"},
	{name: "a record key that gives roles", do: lie(func(w *world) {
		w.add(envelope{"role.granted/1", dealer, []string{"member/" + dealer},
			w.following("member/"+dealer, obj("actor", "thief", "name", dealer, "role", "administrator")), nil}, w.spare(dealer))
	}), code: "authority < key_unknown", says: dealer + " has no admin key"},
	{name: "a record key that revokes a key", do: lie(func(w *world) {
		w.add(envelope{"key.revoked/1", dealer, []string{"member/" + dealer},
			w.following("member/"+dealer, obj("key_id", certs.FormatID(w.office(dealer).ID()), "name", dealer, "reason", "lost")), nil}, w.spare(dealer))
	}), code: "authority < key_unknown", says: dealer + " has no admin key"},
	{name: "an administrator's key without the role", do: lie(func(w *world) {
		owner := w.third()
		w.revokeRole(dealer, "owner", "administrator")
		w.addKeyBy(owner, "owner")
	}), code: "authority < not_administrator", says: "owner of " + dealer + " is no administrator"},
	{name: "an administrator's key under another actor's name", do: lie(func(w *world) { w.addKeyBy(w.office(dealer), "foreman") }),
		code: "authority < actor", says: `bound to actor "office", the record names "foreman"`},
	{name: "an administrator of one member who gives roles in another", do: lie(func(w *world) {
		w.add(envelope{"role.granted/1", inspector, []string{"member/" + dealer},
			w.following("member/"+dealer, obj("actor", "thief", "name", dealer, "role", "administrator")), as("office")}, w.office(inspector))
	}), code: "authority < threshold", says: "exactly 2 governors sign this, here are 1 signatures"},
	{name: "a role given twice", do: lie(func(w *world) {
		w.grantRole(dealer, "fitter", "technician")
		w.grantRole(dealer, "fitter", "technician")
	}), code: "authority < role_state", says: "fitter of " + dealer + " is technician already"},
	{name: "a role taken that was not given", do: lie(func(w *world) { w.revokeRole(dealer, "fitter", "technician") }),
		code: "authority < role_state", says: "fitter of " + dealer + " is not technician"},
	{name: "a role given after a stale record", do: lie(func(w *world) {
		stale := w.following("member/"+dealer, obj("actor", "fitter", "name", dealer, "role", "technician"))
		w.grantRole(dealer, "office", "technician")
		w.add(envelope{"role.granted/1", dealer, []string{"member/" + dealer}, stale, as("office")}, w.office(dealer))
	}), code: "authority < prev", says: "the newest record of this history is"},

	{name: "a member history cut before the revocation of a key", do: cutBefore(func(w *world) {
		w.revokeKey(dealer, w.spare(dealer), "compromised", time.UnixMilli(w.clock).Add(-4*time.Hour).UTC().Format(time.RFC3339))
	}), code: "index_present < index_proof", says: "member/" + dealer},
	{name: "a member history cut before the suspension", do: cutBefore(func(w *world) { w.suspend(dealer) }),
		code: "index_present < index_proof", says: "member/" + dealer},
	{name: "a governance history cut before the rules", do: func(w *world) []byte {
		w.publish(2, mayWrite("odometer.reading/1", "PTI"))
		w.seal()
		f := w.file(vinA)
		h := f.History("governance")
		drop(h, len(h.Entries)-1)
		return f.Bytes()
	}, code: "index_present < index_proof", says: "governance"},
}

// cutBefore leaves the newest record of the dealer's history out of the file.
func cutBefore(tell func(*world)) func(*world) []byte {
	return func(w *world) []byte {
		tell(w)
		w.seal()
		f := w.file(vinA)
		h := f.History("member/" + dealer)
		drop(h, len(h.Entries)-1)
		return f.Bytes()
	}
}

// Governors and rules.
var governorCheats = []cheat{
	{name: "governors changed by those who come", do: lie(func(w *world) {
		late := []certs.Signer{w.newGovernor("a.example"), w.newGovernor("b.example")}
		e := w.ballot("governors.changed/1", "governance", w.governorsBody(2, late...))
		e.author = late[0].Name()
		w.add(e, late...)
	}), code: "authority < not_governor", says: "a.example"},
	{name: "governors changed by one of two", do: lie(func(w *world) {
		w.add(w.ballot("governors.changed/1", "governance", w.governorsBody(1, w.govs[0])), w.govs[0])
	}), code: "authority < threshold", says: "exactly 2 governors sign this, here are 1 signatures"},
	{name: "a new governor without a proof of possession", do: lie(func(w *world) {
		body := w.governorsBody(2, w.govs[0], w.newGovernor("b.example")).With("pop", jcs.Value{})
		w.byGovernors("governors.changed/1", "governance", body)
	}), code: "authority < pop", says: "1 keys need 1 proofs of possession, here are 0"},
	{name: "a new governor with a proof for another use", do: lie(func(w *world) {
		late := w.newGovernor("b.example")
		w.byGovernors("governors.changed/1", "governance", w.governorsBody(2, w.govs[0], late).With("pop", jcs.Texts([]string{w.pop(late, "record")})))
	}), code: "authority < pop", says: "(governor of b.example) does not fit"},
	{name: "a former governor's key that comes back", do: lie(func(w *world) {
		gone := w.govs[1]
		w.appoint(2, w.govs[0], w.govs[2])
		w.appoint(2, w.govs[0], w.govs[1], gone)
	}), code: "authority < key_reused", says: "of insurer.example was registered before"},
	{name: "a governor with a member's record key", do: lie(func(w *world) {
		w.byGovernors("governors.changed/1", "governance", w.governorsBody(2, w.govs[0], w.spare(dealer)))
	}), code: "authority < key_reused", says: "of " + dealer + " was registered before"},
	{name: "a member's key that was a governor's", do: lie(func(w *world) {
		gone := w.govs[2] // of the maker, which is a member too
		w.appoint(2, w.govs[0], w.govs[1])
		w.addKey(maker, gone, "record")
	}), code: "authority < key_reused", says: "of " + maker + " was registered before"},
	{name: "a governor's key under a second name", do: lie(func(w *world) {
		w.byGovernors("governors.changed/1", "governance",
			w.governorsBody(2, slices.Concat(w.govs, []certs.Signer{ed25519KeyOf(w, "second.example", "assoc.example "+w.name+" governor")})...))
	}), code: "record < field", says: "two governors have the same key"},
	{name: "a threshold of more governors than there are", do: lie(func(w *world) {
		w.byGovernors("governors.changed/1", "governance", w.governorsBody(4, slices.Clone(w.govs)...))
	}), code: "record < field", says: "body.threshold: there are only 3 governors"},
	{name: "a change of governors after a stale record", do: lie(func(w *world) {
		stale := w.ballot("governors.changed/1", "governance", w.governorsBody(2, w.govs[0], w.govs[1]))
		w.publish(2, nil)
		w.add(stale, two(w)...)
	}), code: "authority < prev", says: "the newest record of this history is"},

	{name: "rules of a version that is skipped", do: lie(func(w *world) { w.publish(3, nil) }),
		code: "authority < rules_version", says: "the next version of the rules is 2, not 3"},
	{name: "rules of the version in force", do: lie(func(w *world) { w.publish(1, nil) }),
		code: "authority < rules_version", says: "the next version of the rules is 2, not 1"},
	{name: "rules that forget a type", do: lie(func(w *world) {
		w.publish(2, func(rules jcs.Value) jcs.Value {
			return rules.With("types", jcs.Texts(slices.DeleteFunc(rules.Get("types").Strings(), func(t string) bool { return t == "service.visit/1" })))
		})
	}), code: "authority < rules_types", says: "service.visit/1 is missing"},
	{name: "a type whose writers the rules have changed", do: lie(func(w *world) {
		w.publish(2, mayWrite("odometer.reading/1", "PTI", "DEV"))
		w.reading(dealer, vinA, 32000, w.spare(dealer))
	}), code: "record < not_allowed", says: dealer + " (DLR) may not write odometer.reading/1"},
	{name: "a type that nobody may write any more", do: lie(func(w *world) {
		w.publish(2, mayWrite("odometer.reading/1"))
		w.reading(dealer, vinA, 32000, w.spare(dealer))
	}), code: "record < not_allowed", says: dealer + " (DLR) may not write odometer.reading/1"},
	{name: "a type for technicians, with a key of no actor", do: lie(func(w *world) {
		w.publish(2, mayWrite("odometer.reading/1", "DLR:technician"))
		w.reading(dealer, vinA, 32000, w.spare(dealer))
	}), code: "record < not_allowed", says: dealer + " (DLR) may not write odometer.reading/1"},
	{name: "a type for technicians, by an appraiser", do: lie(func(w *world) {
		w.publish(2, mayWrite("odometer.reading/1", "DLR:technician"))
		w.byActor("fitter", "appraiser")
	}), code: "record < not_allowed", says: dealer + " (DLR, DLR:appraiser) may not write odometer.reading/1"},
	{name: "a type for technicians, by one who was one", do: lie(func(w *world) {
		w.publish(2, mayWrite("odometer.reading/1", "DLR:technician"))
		w.grantRole(dealer, "fitter", "technician")
		w.revokeRole(dealer, "fitter", "technician")
		w.byActor("fitter", "")
	}), code: "record < not_allowed", says: dealer + " (DLR) may not write odometer.reading/1"},
	{name: "a type for a manufacturer's technicians, by a dealer's", do: lie(func(w *world) {
		w.publish(2, mayWrite("odometer.reading/1", "MFR:technician"))
		w.byActor("fitter", "technician")
	}), code: "record < not_allowed", says: dealer + " (DLR, DLR:technician) may not write odometer.reading/1"},
	{name: "a technician's name on a key of no actor", do: lie(func(w *world) {
		w.grantRole(dealer, "fitter", "technician")
		e := readingOf(dealer, vinA, 32000)
		e.more = as("fitter")
		w.add(e, w.spare(dealer))
	}), code: "record < actor", says: `is bound to actor "", the record names "fitter"`},
	{name: "a member of a kind that it is no more", do: lie(func(w *world) {
		w.byGovernors("member.changed/1", "member/"+dealer, obj("kind", []string{"FLT"}, "name", dealer))
		w.reading(dealer, vinA, 32000, w.spare(dealer))
	}), code: "record < not_allowed", says: dealer + " (FLT) may not write odometer.reading/1"},

	{name: "a feature level that is skipped", do: lie(func(w *world) {
		w.byGovernors("feature.raised/1", "governance", obj("level", 3))
	}), code: "authority < feature_level", says: "the next feature level is 2, not 3"},
	{name: "a feature level that this program does not know", do: lie(func(w *world) {
		w.byGovernors("feature.raised/1", "governance", obj("level", 2))
	}), code: "newer_needed", says: "the log is at feature level 2, this program at 1"},
	{name: "a log closed by one governor", do: lie(func(w *world) {
		w.add(w.ballot("log.closed/1", "governance", obj("successor", successor)), w.govs[0])
	}), code: "authority < threshold", says: "exactly 2 governors sign this, here are 1 signatures"},
	{name: "a log that succeeds itself", do: lie(func(w *world) {
		w.byGovernors("log.closed/1", "governance", obj("successor", w.origin))
	}), code: "record < field", says: "a log does not succeed itself"},
	{name: "a reading after the log was closed", do: lie(func(w *world) {
		w.byGovernors("log.closed/1", "governance", obj("successor", successor))
		w.reading(dealer, vinA, 32000, w.spare(dealer))
	}), code: "record < log_closed", says: "this log is closed; it goes on in " + successor},
	{name: "a key added after the log was closed", do: lie(func(w *world) {
		w.byGovernors("log.closed/1", "governance", obj("successor", successor))
		w.addKey(dealer, ed25519Key(w.t, dealer, "new"), "record")
	}), code: "authority < log_closed", says: "this log is closed"},
	{name: "governors who go on after the log was closed", do: lie(func(w *world) {
		w.byGovernors("log.closed/1", "governance", obj("successor", successor))
		w.publish(2, nil)
	}), code: "authority < log_closed", says: "this log is closed"},
	{name: "a type of the future after the log was closed", do: func(w *world) []byte {
		w = withType(w, "vehicle.painted/1", "DLR")
		w.byGovernors("log.closed/1", "governance", obj("successor", successor))
		w.add(painted(vinA), w.workshop(dealer))
		w.seal()
		return w.file(vinA).Bytes()
	}, code: "record < log_closed", says: "this log is closed"},
}

var successor = "milepost.example/next/" + strings.Repeat("0a", 20)

// byActor has an actor of the dealer, who is given a role unless that is "",
// write a reading of the first car.
func (w *world) byActor(actor, role string) uint64 {
	key := ed25519Key(w.t, dealer, "key of "+actor)
	w.addKey(dealer, key, "record", "actor", actor)
	if role != "" {
		w.grantRole(dealer, actor, role)
	}
	e := readingOf(dealer, vinA, 32000)
	e.more = as(actor)
	return w.add(e, key)
}
