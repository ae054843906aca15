package verify_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// wrongCar is a log in which a garage has entered the reading of the second
// car for the first one. The garage has no other business with the second.
type wrongCar struct {
	*caseLog
	place  uint64 // log index of the reading
	target []byte // the reading as it stands in the log
	note   []byte // what will be carried
	at     uint64 // log index of the record that carries it
}

func newWrongCar(t testing.TB) *wrongCar {
	w := &wrongCar{caseLog: newCases(t)}
	w.reading(inspector, vinB, 40_000, w.workshop(inspector))
	w.place = w.reading(garage, vinA, 45_000, w.workshop(garage))
	w.target = w.leaves[w.place]
	w.note = w.target
	w.seal()
	return w
}

// moves has the dealer ask that the reading be given to the second car, and
// the maker's supporter give it.
func (w *wrongCar) moves() {
	asked := w.add(envelope{"correction.requested/1", dealer, []string{"vehicle/" + vinA}, obj("claim", obj(), "field", "vehicle", "for", "owner",
		"noticed_by", "owner", "reason", "wrong_vehicle", "target", leafHex(w.target)), []jcs.Field{attached("invoice")}}, w.workshop(dealer))
	w.id = w.hashAt(asked)
	w.gives()
}

func (w *wrongCar) gives() {
	w.at = w.add(envelope{"record.reattributed/1", maker, []string{"vehicle/" + vinA, "vehicle/" + vinB},
		obj("case", w.id, "note", b64(w.note), "prev", w.id, "to_vehicle", vinB), as("ann")}, w.actorKey(maker, "ann"))
	w.seal()
}

// of are the options of whoever holds the second car's file.
func (w *wrongCar) of() verify.Options {
	return forSubject(w.world, "vehicle/"+vinB)
}

const elsewhere = "that it stood in the log, which the file of vehicle/" + vinA + " shows"

// The file of the car that a reading is given to has what its signature is
// checked with, and says what it cannot tell. What happened to the author and
// the key in between makes no forgery of it.
func TestAReadingGivenToAnotherCar(t *testing.T) {
	t.Parallel()
	const head = "checked of the reading that it carries: its signature by " + garage + ", with key "
	for _, c := range []struct {
		name          string
		before, after func(*wrongCar)
		says          []string
	}{
		{"all is as it was", nil, nil, []string{head, "that " + garage + " may write it as of this record; not checked: " + elsewhere}},
		{"the key was retired", func(w *wrongCar) { w.revokeKey(garage, w.workshop(garage), "retired", "") }, nil,
			[]string{head, elsewhere + ", that " + garage + " might write it then; key ", " revoked after log index "}},
		{"the key was compromised later", nil, func(w *wrongCar) { w.revokeKey(garage, w.workshop(garage), "compromised", "2026-05-04T09:00:00Z") },
			[]string{head, "; compromised since 2026-05-04T09:00:00Z"}},
		{"the author was suspended", func(w *wrongCar) { w.suspend(garage) }, nil,
			[]string{head, "that " + garage + " might write it then (as of this record: author: " + garage + " is suspended"}},
	} {
		w := newWrongCar(t)
		if c.before != nil {
			c.before(w)
			w.seal()
		}
		w.moves()
		if c.after != nil {
			c.after(w)
			w.seal()
		}
		r := accepted(t, w.file(vinB).Bytes(), w.of())
		res := resultAt(t, r, w.at)
		for _, s := range c.says {
			if res.Verdict != verify.Valid || !strings.Contains(res.Reason, s) {
				t.Errorf("%s: %s: %s, want %q", c.name, res.Verdict, res.Reason, s)
			}
		}
		if len(r.Meaning.Effects) != 1 || r.Meaning.Effects[0].Target != leafHex(w.target) {
			t.Errorf("%s: %+v", c.name, r.Meaning.Effects)
		}
		// The file of the first car shows the reading itself.
		if res := resultAt(t, accepted(t, w.file(vinA).Bytes(), w.options()), w.at); res.Reason != "" {
			t.Errorf("%s: %s", c.name, res.Reason)
		}
	}
}

// A maker's supporter and nodes that lie together give the second car a
// reading that nobody has signed. The file of the first car shows that the
// log has no such reading, that of the second that its author made none.
func TestADoctoredNoteIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(*wrongCar)
		code string
	}{
		{"another mileage", func(w *wrongCar) { w.note = bytes.Replace(w.note, []byte("45000"), []byte("35000"), 1) }, "signature"},
		{"a key that nobody knows", func(w *wrongCar) { w.sign(garage, ed25519Key(w.t, garage, "rogue")) }, "key_unknown"},
		{"an administrator's key", func(w *wrongCar) { w.sign(garage, w.office(garage)) }, "key_unknown"},
		{"an author that is no member", func(w *wrongCar) { w.sign("nobody.example", ed25519Key(w.t, "nobody.example", "rogue")) }, "author_unknown"},
		{"another actor", func(w *wrongCar) { w.sign(garage, w.workshop(garage), as("gus")...) }, "actor"},
		{"a device of another car", func(w *wrongCar) {
			w.addKey(garage, w.spare(garage), "record", "actor", "box", "device", obj("kind", "telematics", "vehicle", vinB))
			w.seal()
			w.sign(garage, w.spare(garage), as("box")...)
		}, "not_allowed"},
	} {
		w := newWrongCar(t)
		c.do(w)
		w.moves()
		refused(t, w.file(vinB).Bytes(), w.of(), "record < carried < "+c.code, "not one that its author has put into the log")
		refused(t, w.file(vinA).Bytes(), w.options(), "record < case_needs", "")
	}
}

// sign has the reading that will be carried made anew.
func (w *wrongCar) sign(author string, key certs.Signer, more ...jcs.Field) {
	e := readingOf(author, vinA, 45_000)
	e.more = more
	w.note = w.signed(w.text(e), key)
}

// A key that is registered right before the record that carries the reading
// left no place in the log for the reading.
func TestACarriedReadingIsOlder(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{false, true} {
		w := newWrongCar(t)
		w.moves() // as it should be; then once more, about a reading that no case asked for
		w.sign(garage, w.spare(garage))
		w.addKey(garage, w.spare(garage), "record")
		if !early {
			w.seal()
		}
		w.gives()
		want := "record < carried < key_early"
		if early != (codes(verify.Verify(w.file(vinB).Bytes(), w.of()).Failure) == want) {
			t.Errorf("right before: %v", early)
		}
	}
}

// The histories that the file has follow from what it shows.
func TestHistoriesOfACarriedReading(t *testing.T) {
	t.Parallel()
	w := newWrongCar(t)
	w.moves()
	f := w.file(vinB)
	dropHistory(f, "member/"+garage)
	refused(t, f.Bytes(), w.of(), "history_missing", "member/"+garage)

	f = w.file(vinB)
	if _, err := f.Withhold("odometer.reading"); err != nil || f.History("member/"+garage) == nil || f.History("member/"+inspector) != nil {
		t.Errorf("%v: the carried reading is still shown", err)
	}
	opt := w.of()
	opt.AllowWithheld = true
	accepted(t, f.Bytes(), opt)
	if _, err := f.Withhold("record.reattributed"); err != nil || f.History("member/"+garage) != nil {
		t.Errorf("%v: the file still tells of %s", err, garage)
	}
	accepted(t, f.Bytes(), opt)
}

// The first car's file tells the place of a reading that it withholds, and
// that there is no other one.
func TestACarriedReadingThatIsWithheld(t *testing.T) {
	t.Parallel()
	w := newWrongCar(t)
	w.moves()
	opt := w.options()
	opt.AllowWithheld = true
	f := w.withholding(vinA, "odometer.reading", "correction.requested")
	res := resultAt(t, accepted(t, f.Bytes(), opt), w.at)
	if want := fmt.Sprintf("its place, log index %d", w.place); !strings.Contains(res.Reason, want) || strings.Contains(res.Reason, elsewhere) {
		t.Errorf("%s, want %q", res.Reason, want)
	}

	w = newWrongCar(t)
	w.sign(garage, w.workshop(garage)) // signed as it should be, and never entered
	w.moves()
	accepted(t, w.file(vinB).Bytes(), w.of()) // this one can't tell
	f = w.withholding(vinA, "odometer.reading", "correction.requested")
	refused(t, f.Bytes(), opt, "record < carried < reference", "no such record stands before it")
}
