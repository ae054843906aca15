package verify

import (
	"fmt"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// Verdict is what a verifier says of one record.
type Verdict string

// The verdicts.
const (
	Valid            Verdict = "valid"
	KeyLaterRetired  Verdict = "valid, key later retired"
	KeyLaterLost     Verdict = "valid, key later reported lost"
	LaterCompromised Verdict = "valid then, key later reported compromised"
	NotAdmitted      Verdict = "author not admitted at that point"
	Suspended        Verdict = "author suspended at that point"
	NotAllowed       Verdict = "type not allowed for this role"
	UnknownMeaning   Verdict = "unknown type, signature valid, meaning unknown"
	Withheld         Verdict = "withheld by the holder of the file"
	Invalid          Verdict = "invalid"
)

// Refused reports whether a record of this verdict should not be in the log.
func (v Verdict) Refused() bool {
	return v == NotAdmitted || v == Suspended || v == NotAllowed || v == Invalid
}

// verdictOf is the verdict on a record that could not stand where it does.
func verdictOf(err error) Verdict {
	switch fault.Code(err) {
	case "author_unknown", "membership_over":
		return NotAdmitted
	case "suspended":
		return Suspended
	case "not_allowed":
		return NotAllowed
	}
	return Invalid
}

// Flags mark what is odd about the times that an author gave, beside the
// log time that nobody chose. No record is refused for them.
const (
	EventAhead    = "event_ahead"    // event_time more than ten minutes after the log time
	CapturedAhead = "captured_ahead" // captured_time more than 24 hours after the log time
)

// Result is the verdict on one entry of the file's subject.
type Result struct {
	Subject string // the history that it stands in
	Index   uint64
	Time    int64 // log time, ms
	Hash    [32]byte
	Record  *record.Record // nil when withheld
	Author  *Member        // as of the file's tree head; nil when withheld or unknown
	Key     *Key
	Verdict Verdict
	Reason  string
	Flags   []string
}

// verdicts is step 5.
func (c *check) verdicts() error {
	c.consistent()
	var failure error
	for _, h := range c.file.Histories {
		if h.Subject != c.file.Subject && isAuthority(h.Subject) {
			continue
		}
		for i, e := range h.Entries {
			res := Result{Subject: h.Subject, Index: e.Index, Time: e.Time, Hash: e.Hash, Verdict: Withheld}
			if e.Note != nil {
				c.judge(&res, c.all[e.Index])
			}
			if h.Subject == c.file.Subject {
				c.rep.Records++
				if e.Note == nil {
					c.rep.Withheld++
				}
			}
			if res.Verdict.Refused() && failure == nil {
				failure = fault.New("record", fmt.Sprintf("%s, entry %d (log index %d)", h.Subject, i, e.Index), "the record is not valid").Because(c.all[e.Index].err)
			}
			c.rep.Results = append(c.rep.Results, res)
		}
	}
	if failure == nil && c.rep.Withheld > 0 && !c.opt.AllowWithheld {
		failure = fault.New("withheld", "", fmt.Sprintf("the contents of %d of %d records are withheld", c.rep.Withheld, c.rep.Records)).
			WithHint("ask the holder for the whole file, or allow withheld records")
	}
	return failure
}

// consistent holds the shown records against each other, as the state
// machine did before it let them in: an id of an author once, and one
// vehicle.created.
func (c *check) consistent() {
	type named struct {
		author string
		id     [16]byte
	}
	ids := map[named]uint64{}
	created := map[string]uint64{}
	for _, i := range c.indices() {
		s := c.all[i]
		id := named{s.rec.Author, s.rec.UUID}
		if first, ok := ids[id]; ok && s.err == nil {
			s.err = fault.New("id_reused", "id", fmt.Sprintf("the author's record at log index %d has the same id", first))
		} else if !ok {
			ids[id] = i
		}
		vehicle := s.rec.Subject("vehicle")
		if s.rec.Type == "vehicle.created/1" {
			if first, ok := created[vehicle]; ok && s.err == nil {
				s.err = fault.New("created_twice", "type", fmt.Sprintf("%s was created at log index %d", vehicle, first))
			}
			created[vehicle] = i
		}
	}
}

// references: what a record refers to stands before it in the right history
// of the same vehicle, as far as the file shows. It is asked at the record's
// own place in the replay.
func (c *check) references(s *shown) error {
	for _, ref := range s.rec.References() {
		found := c.find(s, historyOf(ref.Type, s.rec.Vehicle()), ref.Hash)
		if found.Hidden {
			continue
		}
		if err := c.auth.CheckReference(s.rec, ref, found.Record); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) judge(res *Result, s *shown) {
	res.Record, res.Verdict = s.rec, Valid
	res.Author, res.Key = c.auth.Members[s.rec.Author], c.auth.Key(s.rec)
	logTime := time.UnixMilli(res.Time)
	if s.rec.EventTime.After(logTime.Add(10 * time.Minute)) {
		res.Flags = append(res.Flags, EventAhead)
	}
	if s.rec.Captured.After(logTime.Add(24 * time.Hour)) {
		res.Flags = append(res.Flags, CapturedAhead)
	}
	switch {
	case s.err != nil:
		res.Verdict, res.Reason = verdictOf(s.err), s.err.Error()
	case s.rec.Def == nil:
		res.Verdict = UnknownMeaning
	case res.Key != nil && res.Key.Revoked != nil:
		rev := res.Key.Revoked
		res.Verdict, res.Reason = revokedKey(res.Key, rev, res.Time)
	}
	if len(s.doubts) > 0 && s.err == nil {
		res.Reason = strings.TrimPrefix(res.Reason+"; "+inDoubt(s.doubts), "; ")
	}
	if s.carried != nil && s.err == nil {
		res.Reason = strings.TrimPrefix(res.Reason+"; "+inCarried(s.carried, c.auth.Key(s.carried.rec)), "; ")
	}
}

// revokedKey says what a later revocation means for a record that came into
// the log at a time (ms) when the key still counted.
func revokedKey(k *Key, rev *Revocation, at int64) (Verdict, string) {
	reason := k.ended()
	switch rev.Reason {
	case "retired":
		return KeyLaterRetired, reason
	case "lost":
		return KeyLaterLost, reason
	}
	since, _ := record.ParseUTC(rev.Since)
	side := "before"
	if at >= since.UnixMilli() {
		side = "after"
	}
	return LaterCompromised, reason + fmt.Sprintf("; compromised since %s: this record came into the log %s that", rev.Since, side)
}

// ended says how a key was revoked.
func (k *Key) ended() string {
	rev := k.Revoked
	s := fmt.Sprintf("key %s revoked after log index %d; reported by %s on %s", k.ID, rev.Index, rev.By, FormatLogTime(rev.Time))
	if rev.Via != "" {
		s += "; it was registered with the compromised key " + rev.Via
	}
	return s
}
