package verify_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
)

// In the tricks of this file the whole quorum lies: what is wrong really
// stands in the tree, under a true index proof and four true cosignatures.
// Only the verifier's own judgement of keys, roles and rules is in the way.

// resigned puts a reading of the first car into the log whose signature is
// what forge makes of the true one.
func resigned(forge func(w *world, text string, sig []byte) []byte) func(*world) []byte {
	return lie(func(w *world) {
		text := w.text(readingOf(dealer, vinA, 32000))
		sig, err := w.spare(dealer).Sign([]byte(text))
		w.must(err)
		sig.Bytes = forge(w, text, sig.Bytes)
		n := certs.Note{Text: text, Sigs: []certs.Sig{sig}}
		w.put(n.Bytes(), "vehicle/"+vinA)
	})
}

// order is L, the order of the base point of edwards25519 (RFC 8032).
var order, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

func little(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func littleBytes(n *big.Int) []byte {
	b := n.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	return b
}

// identityR signs with the neutral element for R: S = h·a fits, for the one
// who has the key, and tells a to everyone else.
func identityR(seed, public, text []byte) []byte {
	r := append([]byte{1}, make([]byte, 31)...)
	d := sha512.Sum512(seed)
	d[0] &= 248
	d[31] = d[31]&127 | 64
	h := sha512.Sum512(slices.Concat(r, public, text))
	s := new(big.Int).Mul(little(h[:]), little(d[:32]))
	return append(r, littleBytes(s.Mod(s, order))...)
}

// weakKey is an Ed25519 public key of order 1 under a name. With it a
// signature that fits any text whatever is R = base point, S = 1.
func weakKey(name string) (vkey string, id uint32, sig []byte) {
	raw := append([]byte{certs.Ed25519, 1}, make([]byte, 31)...)
	h := sha256.Sum256(append([]byte(name+"\n"), raw...))
	base := append([]byte{0x58}, slices.Repeat([]byte{0x66}, 31)...)
	sig = append(base, append([]byte{1}, make([]byte, 31)...)...)
	return fmt.Sprintf("%s+%x+%s", name, h[:4], b64(raw)), binary.BigEndian.Uint32(h[:]), sig
}

// forgedBy signs a record text with the universal signature of a weak key.
func forgedBy(w *world, e envelope) {
	_, id, sig := weakKey(e.author)
	n := certs.Note{Text: w.text(e), Sigs: []certs.Sig{{Name: e.author, ID: id, Bytes: sig}}}
	w.put(n.Bytes(), e.subjects...)
}

// Keys and signatures.
var keyCheats = []cheat{
	{name: "a key that was never registered", do: lie(func(w *world) {
		w.reading(dealer, vinA, 32000, ed25519Key(w.t, dealer, "stranger"))
	}), code: "record < key_unknown", says: dealer + " has no record key"},
	{name: "a key that was registered later", do: lie(func(w *world) {
		late := ed25519Key(w.t, dealer, "late")
		w.reading(dealer, vinA, 32000, late)
		w.seal()
		w.addKey(dealer, late, "record")
	}), code: "record < key_early", says: "counts only after log index 20"},
	{name: "a key that was revoked before", do: lie(func(w *world) {
		w.reading(dealer, vinA, 32000, w.workshop(dealer))
	}), code: "record < key_revoked", says: "was revoked at index 14 (retired)"},
	{name: "an administrator's key under a reading", do: lie(func(w *world) {
		e := readingOf(dealer, vinA, 32000)
		e.more = as("office")
		w.add(e, w.office(dealer))
	}), code: "record < key_unknown", says: dealer + " has no record key"},
	{name: "the key of another member", do: lie(func(w *world) {
		text := w.text(readingOf(dealer, vinA, 32000))
		sig, err := w.workshop(maker).Sign([]byte(text))
		w.must(err)
		sig.Name = dealer
		n := certs.Note{Text: text, Sigs: []certs.Sig{sig}}
		w.put(n.Bytes(), "vehicle/"+vinA)
	}), code: "record < key_unknown", says: dealer + " has no record key"},
	{name: "a signature of another text", do: resigned(func(w *world, text string, _ []byte) []byte {
		sig, err := w.spare(dealer).Sign([]byte(strings.Replace(text, "32000", "33000", 1)))
		w.must(err)
		return sig.Bytes
	}), code: "record < signature", says: "does not fit the record"},
	{name: "a signature with S of L and more", do: resigned(func(w *world, _ string, sig []byte) []byte {
		s := new(big.Int).Add(little(sig[32:]), order)
		return append(sig[:32:32], littleBytes(s)...)
	}), code: "record < signature", says: "does not fit the record"},
	{name: "a signature whose R is the neutral element", do: resigned(func(w *world, text string, _ []byte) []byte {
		v, err := certs.ParseVKey(w.spare(dealer).VKey())
		w.must(err)
		return identityR(seed(dealer+" "+w.name+" spare"), v.Public(), []byte(text))
	}), code: "record < signature", says: "does not fit the record"},
	{name: "a signature cut short", do: resigned(func(w *world, _ string, sig []byte) []byte { return sig[:63] }),
		code: "record < signature", says: "does not fit the record"},
	{name: "a member admitted with a key of small order", do: lie(func(w *world) {
		vkey, _, sig := weakKey("weak.example")
		w.admit("weak.example", func(b jcs.Value) jcs.Value {
			pops := b.Get("pop").Strings()
			pops[2] = b64(sig)
			return b.With("keys", jcs.Texts([]string{vkey})).With("pop", jcs.Texts(pops))
		}, "DLR")
		forgedBy(w, readingOf("weak.example", vinA, 32000))
	}), code: "record < key_weak", says: "it is of small order"},
	{name: "a key of small order added", do: lie(func(w *world) {
		vkey, _, sig := weakKey(dealer)
		w.add(envelope{"key.added/1", dealer, []string{"member/" + dealer}, obj("key", vkey, "name", dealer,
			"pop", []string{b64(sig)}, "prev", w.prev("member/"+dealer), "use", "record"), as("office")}, w.office(dealer))
		forgedBy(w, readingOf(dealer, vinA, 32000))
	}), code: "record < key_weak", says: "it is of small order"},
	{name: "a key of small order that nobody registered", do: lie(func(w *world) {
		forgedBy(w, readingOf(dealer, vinA, 32000))
	}), code: "record < key_unknown", says: dealer + " has no record key"},
	{name: "a key that a compromised administrator added", do: lie(func(w *world) {
		bad := ed25519Key(w.t, dealer, "bad")
		third := ed25519Key(w.t, dealer, "third admin")
		w.addKey(dealer, third, "admin", "actor", "owner")
		w.seal()
		since := w.clock
		w.addKey(dealer, bad, "record")
		w.seal()
		w.revokeKey(dealer, w.office(dealer), "compromised", time.UnixMilli(since).UTC().Format(time.RFC3339))
		w.reading(dealer, vinA, 32000, bad)
	}), code: "record < key_revoked", says: "(compromised)"},
	{name: "an actor that the key is not bound to", do: lie(func(w *world) {
		e := readingOf(dealer, vinA, 32000)
		e.more = as("office")
		w.add(e, w.spare(dealer))
	}), code: "record < actor", says: `is bound to actor "", the record names "office"`},
	{name: "an actor left out", do: lie(func(w *world) {
		key := ed25519Key(w.t, dealer, "of an actor")
		w.addKey(dealer, key, "record", "actor", "fitter.1")
		w.reading(dealer, vinA, 32000, key)
	}), code: "record < actor", says: `is bound to actor "fitter.1", the record names ""`},
	{name: "the device of another car", do: lie(func(w *world) {
		key := ed25519Key(w.t, dealer, "device")
		w.addKey(dealer, key, "record", "device", obj("kind", "obd", "vehicle", vinB))
		w.reading(dealer, vinA, 32000, key)
	}), code: "record < not_allowed", says: "bound to a device of vehicle " + vinB},
	{name: "a device that reports a visit", do: lie(func(w *world) {
		key := ed25519Key(w.t, dealer, "device")
		w.addKey(dealer, key, "record", "device", obj("kind", "obd"))
		w.visit(dealer, vinA, w.ref("inspection"), key)
	}), code: "record < not_allowed", says: dealer + " (DEV) may not write service.visit/1"},
}

// Who may write what, and what a record may refer to.
var ruleCheats = []cheat{
	{name: "an author who is no member", do: lie(func(w *world) {
		w.reading("nobody.example", vinA, 32000, ed25519Key(w.t, "nobody.example", "x"))
	}), code: "record < author_unknown", says: "nobody.example is not admitted at this point of the log"},
	{name: "an author who was admitted later", do: lie(func(w *world) {
		w.reading("later.example", vinA, 32000, w.workshop("later.example"))
		w.seal()
		w.admit("later.example", nil, "DLR")
	}), code: "record < author_unknown", says: "later.example is not admitted at this point of the log"},
	{name: "a member whose time is over", do: lie(func(w *world) {
		w.admit("gone.example", func(b jcs.Value) jcs.Value { return b.With("valid_to", jcs.Text("2026-05-03")) }, "DLR")
		w.reading("gone.example", vinA, 32000, w.workshop("gone.example"))
	}), code: "record < membership_over", says: "gone.example is a member from 2026-01-01 to 2026-05-03"},
	{name: "a member whose time has not come", do: lie(func(w *world) {
		w.admit("soon.example", func(b jcs.Value) jcs.Value { return b.With("valid_from", jcs.Text("2026-05-05")) }, "DLR")
		w.reading("soon.example", vinA, 32000, w.workshop("soon.example"))
	}), code: "record < membership_over", says: "soon.example is a member from 2026-05-05 to now on"},
	{name: "an inspector who reports a visit", do: lie(func(w *world) {
		w.visit(inspector, vinA, w.ref("inspection"), w.workshop(inspector))
	}), code: "record < not_allowed", says: inspector + " (PTI) may not write service.visit/1"},
	{name: "a record that names another log", do: lie(func(w *world) {
		e := readingOf(dealer, vinA, 32000)
		e.more = []jcs.Field{{Name: "origin", Value: jcs.Text(strings.Replace(w.origin, "/demo/", "/deno/", 1))}}
		w.add(e, w.spare(dealer))
	}), code: "record < origin", says: "the record belongs to another log"},
	{name: "a type that the rules do not know", do: lie(func(w *world) {
		w.add(envelope{"vehicle.painted/1", dealer, []string{"vehicle/" + vinA}, obj("colour", "red"), nil}, w.spare(dealer))
	}), code: "record < unknown_type", says: "the rules of this log do not know vehicle.painted/1"},
	{name: "a known type that the rules leave out", do: func(w *world) []byte {
		w = founded(w.t, func(b jcs.Value) jcs.Value {
			return b.With("rules", b.Get("rules").With("types", jcs.Texts([]string{"log.genesis/1", "member.admitted/1"})))
		})
		w.reading(dealer, vinA, 32000, w.workshop(dealer))
		w.seal()
		return w.file(vinA).Bytes()
	}, code: "record < unknown_type", says: "the rules of this log do not know odometer.reading/1"},
	{name: "an unknown type by one who may not write it", do: func(w *world) []byte {
		w = withType(w, "vehicle.painted/1", "MFR")
		w.add(painted(vinA), w.workshop(dealer))
		w.seal()
		return w.file(vinA).Bytes()
	}, code: "record < not_allowed", says: "may not write vehicle.painted/1"},
	{name: "an unknown type with a second signature", do: func(w *world) []byte {
		w = withType(w, "vehicle.painted/1", "DLR")
		w.add(painted(vinA), w.workshop(dealer), w.workshop(maker))
		w.seal()
		return w.file(vinA).Bytes()
	}, code: "record < signatures", says: "carries 2 signatures, not one"},
	{name: "a second birth", do: lie(func(w *world) {
		w.add(envelope{"vehicle.created/1", maker, []string{"vehicle/" + vinA},
			obj("imported", false, "make", "Nissan", "model", "Leaf"), nil}, w.workshop(maker))
	}), code: "record < created_twice", says: "was created at log index 5"},
	{name: "a model year far ahead", do: func(w *world) []byte {
		w = founded(w.t, nil)
		w.add(envelope{"vehicle.created/1", maker, []string{"vehicle/" + vinA},
			obj("imported", false, "make", "Nissan", "model", "Leaf", "model_year", 2029), nil}, w.workshop(maker))
		w.seal()
		return w.file(vinA).Bytes()
	}, code: "record < field", says: "2029 lies more than two years ahead"},
	{name: "a visit without a reading", do: lie(func(w *world) {
		w.visit(dealer, vinA, strings.Repeat("0", 64), w.spare(dealer))
	}), code: "record < reference", says: "is no odometer.reading/1 that stands before it"},
	{name: "a visit with another car's reading", do: lie(func(w *world) {
		w.visit(dealer, vinA, w.ref("other car"), w.spare(dealer))
	}), code: "record < reference", says: "is no odometer.reading/1 that stands before it"},
	{name: "a visit that takes a visit for a reading", do: lie(func(w *world) {
		w.visit(dealer, vinA, w.ref("visit"), w.spare(dealer))
	}), code: "record < reference", says: "is no odometer.reading/1 that stands before it"},
	{name: "a visit before its reading", do: lie(func(w *world) {
		reading := w.signed(w.text(readingOf(dealer, vinA, 32000)), w.spare(dealer))
		h := leafHash(reading)
		w.visit(dealer, vinA, fmt.Sprintf("%x", h), w.spare(dealer))
		w.put(reading, "vehicle/"+vinA)
	}), code: "record < reference", says: "is no odometer.reading/1 that stands before it"},
	{name: "one record on the log twice", do: lie(func(w *world) {
		w.put(w.leaves[w.places["newest"]], "vehicle/"+vinA)
	}), code: "record < id_reused", says: "the author's record at log index 16 has the same id"},
	{name: "one id for two records", do: lie(func(w *world) {
		w.ids--
		w.clock -= time.Hour.Milliseconds() // the id holds the time
		e := readingOf(dealer, vinA, 32000)
		text := w.text(e)
		w.clock += time.Hour.Milliseconds()
		w.put(w.signed(text, w.spare(dealer)), e.subjects...)
	}), code: "record < id_reused", says: "the author's record at log index 16 has the same id"},
	{name: "log times that fall from one history to another", do: lie(func(w *world) {
		w.clock = start.Add(time.Minute).UnixMilli() // later than the inspector's own history so far
		w.addKey(inspector, w.spare(inspector), "record")
		w.seal()
		w.clock = start.Add(10 * time.Hour).UnixMilli()
		w.reading(inspector, vinA, 32000, w.spare(inspector))
	}), code: "history_time", says: "its log time lies before that of log index 16, in another history"},
}

// withType is a world whose rules know one more type than this program.
func withType(w *world, typ string, writers ...string) *world {
	return founded(w.t, func(b jcs.Value) jcs.Value {
		rules := b.Get("rules")
		types := append(rules.Get("types").Strings(), typ)
		rights := append(slices.Clone(rules.Get("rights").List), obj("read", []string{"V"}, "type", typ, "write", writers))
		return b.With("rules", rules.With("types", jcs.Texts(types)).With("rights", jcs.Array(rights...)))
	})
}

func painted(vin string) envelope {
	return envelope{"vehicle.painted/1", dealer, []string{"vehicle/" + vin}, obj("colour", "red"), nil}
}
