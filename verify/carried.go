package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// AuthorityHistories lists the histories that say who may write, as far as
// a file needs them for the records that it shows of its own subject: governance,
// that of each record's author and, where a record carries the note of
// another one, that of this one's author too. Sorted. Nodes, holders who
// withhold and verifiers all ask here.
func AuthorityHistories(shown []*record.Record) []string {
	needed := map[string]bool{record.Governance: true}
	for _, r := range shown {
		needed[record.MemberSubject(r.Author)] = true
		if note := carriedIn(r); note != nil {
			needed[record.MemberSubject(note.Author)] = true
		}
	}
	return slices.Sorted(maps.Keys(needed))
}

// carriedIn opens the record whose note stands in the body of r; nil if none
// does.
func carriedIn(r *record.Record) *record.Record {
	if r.Type != "record.reattributed/1" {
		return nil
	}
	note, err := r.Carried()
	if err != nil {
		return nil // never: record.Open has opened it before
	}
	return note
}

// carried is a reading of which the file has the note in another record only.
type carried struct {
	rec   *record.Record
	entry *FileEntry // where the reading itself stands, withheld; nil if that is in another vehicle's file
	right error      // why its author may not write it as of the record that carries it; nil if it may
}

// carries checks the note that a record carries, at the record's own place in
// the replay. Where the reading itself is shown, that one is checked, and the
// case has seen to it that both are the same.
//
// What was decided about the reading at its own place cannot be decided anew
// here: not even that place is known, and since then its key may have been
// revoked, its author suspended, its kind changed. None of that makes a
// forgery of it. But members, keys, what a key is bound to and a signature
// are for ever, so that what does not fit now never did.
func (c *check) carries(s *shown, at Place) error {
	note := carriedIn(s.rec)
	if note == nil {
		return nil
	}
	found := &carried{rec: note}
	latest := Place{at.Index - 1, at.Time}
	if k := c.auth.Key(note); k != nil && k.Revoked != nil {
		latest.Index = min(latest.Index, k.Revoked.Index-1)
	}
	if c.file.History(note.Vehicle()) != nil {
		e, ok := c.byHash[note.Vehicle()+" "+Hex(note.Hash)]
		switch {
		case !ok || e.Index >= at.Index:
			return badNote(fault.New("reference", "", "no such record stands before it in the history of "+note.Vehicle()))
		case e.Note != nil:
			return nil
		}
		found.entry, latest = &e, Place{e.Index, e.Time}
	}
	if err := c.auth.checkCarried(note, latest, certs.VerifyEd25519); err != nil {
		return badNote(err)
	}
	found.right = c.auth.Check(note, at, func(_, _, _ []byte) bool { return true })
	s.carried = found
	return nil
}

func badNote(cause error) error {
	return fault.New("carried", "body.note", "the reading that it carries is not one that its author has put into the log before").Because(cause)
}

// checkCarried decides whether a record may have come into the log at a
// place or, where only the latest is known, before it: as far as that hangs on
// what never changes.
func (a *Authority) checkCarried(r *record.Record, latest Place, sigOK SigCheck) error {
	m := a.Members[r.Author]
	if m == nil {
		return fault.New("author_unknown", "author", r.Author+" is not admitted at this point of the log")
	}
	k, err := m.signedWith(r, UseRecord, latest, sigOK)
	if err == nil {
		err = k.bound(r)
	}
	return err
}

// inCarried says what was checked of a carried reading, and what was not. k
// is its key, as of the file's end.
func inCarried(n *carried, k *Key) string {
	checked := []string{fmt.Sprintf("its signature by %s, with key %s of log index %d", n.rec.Author, k.ID, k.Index)}
	var not []string
	if n.entry != nil {
		checked = append(checked, fmt.Sprintf("its place, log index %d", n.entry.Index))
	} else {
		not = append(not, "that it stood in the log, which the file of "+n.rec.Vehicle()+" shows")
	}
	switch then := "that " + n.rec.Author + " might write it then"; {
	case n.right == nil:
		checked = append(checked, "that "+n.rec.Author+" may write it as of this record")
	case fault.Code(n.right) == "key_revoked": // more of that below
		not = append(not, then)
	default:
		not = append(not, fmt.Sprintf("%s (as of this record: %v)", then, n.right))
	}
	s := "checked of the reading that it carries: " + strings.Join(checked, ", ")
	if len(not) > 0 {
		s += "; not checked: " + strings.Join(not, ", ")
	}
	if rev := k.Revoked; rev != nil {
		s += "; " + k.ended()
		if rev.Since != "" {
			s += "; compromised since " + rev.Since
		}
	}
	return s
}
