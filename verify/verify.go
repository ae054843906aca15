package verify

import (
	"encoding/hex"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/cases"
)

// FeatureLevel is the newest feature level of a log that this program can
// judge.
const FeatureLevel = 1

// Options say what the caller holds and means.
type Options struct {
	Policy *Policy   // what must have signed; held beforehand
	Now    time.Time // the caller's clock
	// Subject is the history that the caller means, vehicle/<VIN>; "" takes
	// the file's word for it, and the report says so.
	Subject string
	MaxAge  time.Duration // refuse a file that is complete only as of longer ago; 0 for any age
	// AllowWithheld accepts a file in which the holder withholds the contents
	// of some entries of the history itself.
	AllowWithheld bool
	// LeaseKM is how many kilometres a lease contract allows in all, which no
	// record says; 0 if the caller doesn't know either.
	LeaseKM int64
}

// OldAge is the age of a file beyond which a report carries a warning.
const OldAge = 30 * 24 * time.Hour

// Report is what a proof file shows. Its zero parts are unknown.
type Report struct {
	Verified    bool
	Failure     error // why not; a *fault.Error
	Subject     string
	Origin      string
	Head        *Head  // the tree head that satisfies the policy, the caller's own or that of the last bridge
	Later       bool   // Head is a later one than the file's, by a bridge of its seal
	Size        uint64 // tree size up to which the history is complete
	AsOf        int64  // when it was, seconds since 1970 UTC; 0 if unknown
	SealTime    int64  // ms
	Tolerates   int    // liars that the policy tolerates
	Records     int    // of the subject's own history
	Withheld    int    // of those
	Results     []Result
	Warnings    []string
	Governance  *Governance
	Policy      *Policy  // the policy held at last: the caller's own, or that of the last bridge
	PolicySteps []string // policies followed by bridges, in words
	// Meaning is what the records add up to: inference, not evidence. nil
	// unless the file is verified and about a vehicle.
	Meaning *Meaning
}

// check is one run of Verify.
type check struct {
	opt  Options
	file *File
	rep  *Report
	seal *Seal
	auth *Authority
	all  map[uint64]*shown // every entry that shows its record, by log index

	rules    Rules         // in force at the last record of the file's subject
	casework *cases.Memory // as far as the replay has come

	byHash map[string]FileEntry // first entry of a history with a leaf hash, by subject, space and hex
}

type shown struct {
	entry   FileEntry
	subject string
	rec     *record.Record
	err     error    // verdict of the authority
	doubts  []string // what could not be checked of its case
	carried *carried // nil unless it carries a reading that the file shows nowhere else
}

// Verify checks a proof file by the steps of docs/format.md, section 9. The
// report holds whatever could be established, also when Verified is false.
// It never panics, whatever the data.
func Verify(data []byte, opt Options) *Report {
	c := &check{opt: opt, rep: &Report{}, all: map[uint64]*shown{}}
	if opt.Policy != nil {
		c.rep.Origin, c.rep.Tolerates = opt.Policy.Origin(), opt.Policy.Tolerates()
	}
	for _, step := range []func() error{
		func() (err error) { c.file, err = ParseFile(data); return err },
		c.subject, c.records, c.belonging, c.head, c.histories, c.authority, c.verdicts, c.age, c.meaning,
	} {
		if err := step(); err != nil {
			c.rep.Failure = err
			return c.rep
		}
	}
	c.rep.Verified = true
	return c.rep
}

// subject: the file is about what the caller means, and has that history.
func (c *check) subject() error {
	f := c.file
	if _, err := record.SubjectClass(f.Subject); err != nil {
		return badFile("subject", err.Error())
	}
	c.rep.Subject = f.Subject
	for i, h := range f.Histories {
		if _, err := record.SubjectClass(h.Subject); err != nil {
			return badFile(fmt.Sprintf("histories[%d].subject", i), err.Error())
		}
	}
	if c.opt.Subject == "" {
		c.rep.Warnings = append(c.rep.Warnings, "the vehicle is the one that the file names: compare its VIN with the car")
	} else if f.Subject != c.opt.Subject {
		return fault.New("subject", "subject", fmt.Sprintf("the file is about %s, not %s", f.Subject, c.opt.Subject))
	}
	for _, s := range []string{f.Subject, record.Governance} {
		if f.History(s) == nil {
			return fault.New("history_missing", "histories", "the file lacks the history of "+s)
		}
	}
	return nil
}

// ownVehicle reports whether a history is one of the vehicle that the file
// is about: those whose contents its holder may withhold.
func (f *File) ownVehicle(subject string) bool {
	return strings.HasPrefix(f.Subject, "vehicle/") && contains(historiesAbout(f.Subject), subject)
}

// records opens every note: each is well formed and of the history that it
// stands in, and no two entries disagree about one place of the log.
func (c *check) records() error {
	places := map[uint64]FileEntry{}
	c.byHash = map[string]FileEntry{}
	for _, h := range c.file.Histories {
		for i, e := range h.Entries {
			at := fmt.Sprintf("%s, entry %d", h.Subject, i)
			if prior, ok := places[e.Index]; ok && (prior.Hash != e.Hash || prior.Time != e.Time) {
				return fault.New("index_twice", at, fmt.Sprintf("two different entries claim log index %d", e.Index))
			}
			places[e.Index] = e
			if key := h.Subject + " " + Hex(e.Hash); c.byHash[key].Hash != e.Hash {
				c.byHash[key] = e
			}
			if e.Note == nil {
				if !c.file.ownVehicle(h.Subject) {
					return fault.New("withheld", at, "only records of the vehicle may be withheld")
				}
				continue
			}
			r, err := record.Open(e.Note)
			if err != nil {
				return fault.New("record", at, "the record is malformed").Because(err)
			}
			if !r.Lists(h.Subject) {
				return fault.New("record_elsewhere", at, "the record does not belong to this history; it names "+strings.Join(r.Subjects, ", "))
			}
			if r.Def == nil && isAuthority(h.Subject) {
				return fault.New("newer_needed", at, "a record of type "+r.Type+" decides who may write, and this program does not know it").
					WithHint("get a newer milepost")
			}
			c.all[e.Index] = &shown{entry: e, subject: h.Subject, rec: r}
		}
	}
	return nil
}

// belonging: the file has the histories that its shown records need, and none
// that does not belong into it.
func (c *check) belonging() error {
	var own []*record.Record
	for _, s := range c.all {
		if !isAuthority(s.subject) {
			own = append(own, s.rec)
		}
	}
	needed := map[string]bool{c.file.Subject: true}
	for _, s := range AuthorityHistories(own) {
		needed[s] = true
	}
	for _, h := range c.file.Histories {
		if !needed[h.Subject] && !c.file.ownVehicle(h.Subject) && !(isNotice(h.Subject) && c.file.ownVehicle(c.file.Subject)) {
			return fault.New("history_extra", "histories", "the history of "+h.Subject+" does not belong into this file")
		}
		delete(needed, h.Subject)
	}
	var missing []string
	for s := range needed {
		missing = append(missing, s)
	}
	if len(missing) > 0 {
		sort.Strings(missing)
		return fault.New("history_missing", "histories", "the file lacks the history of "+missing[0]+", who wrote some of what it shows")
	}
	return nil
}

// isNotice reports whether a subject is what a member announces. A file about
// a vehicle may carry such histories, whole, for plans and outages in them.
func isNotice(subject string) bool { return strings.HasPrefix(subject, "notice/") }

// isAuthority reports whether a subject is a history that says who may write.
func isAuthority(subject string) bool {
	return subject == record.Governance || strings.HasPrefix(subject, "member/")
}

// histories is step 3: each history is complete as the seal's index root says.
func (c *check) histories() error {
	root := c.seal.IndexRoot
	for _, h := range c.file.Histories {
		p, err := ParseMPTProof(h.IndexProof)
		if err != nil {
			return fault.New(fault.Code(err), h.Subject, err.Error())
		}
		key := SubjectKey(h.Subject)
		if len(h.Entries) == 0 {
			if err := p.VerifyAbsent(root, key); err != nil {
				return fault.New("index_absent", h.Subject, "that the log holds no record of it is not shown").Because(err)
			}
			continue
		}
		entries := make([]Entry, len(h.Entries))
		for i, e := range h.Entries {
			entries[i] = Entry{Index: e.Index, Time: e.Time, Hash: e.Hash}
			at := fmt.Sprintf("%s, entry %d", h.Subject, i)
			switch {
			case i > 0 && entries[i-1].Index >= e.Index:
				return fault.New("history_order", at, "log indices do not rise")
			case i > 0 && entries[i-1].Time > e.Time:
				return fault.New("history_time", at, "log times fall")
			case e.Index >= c.seal.Index:
				return fault.New("history_future", at, fmt.Sprintf("log index %d is not below the seal's, %d", e.Index, c.seal.Index))
			case e.Time > c.seal.Time:
				return fault.New("history_future", at, "its log time lies after the seal's")
			}
		}
		value := HistoryValue(uint64(len(entries)), HistoryRoot(entries))
		if err := p.VerifyPresent(root, key, value); err != nil {
			return c.diagnose(h, fault.New("index_present", h.Subject, fmt.Sprintf("these %d records are not the complete, unchanged history that the log sealed", len(entries))).Because(err))
		}
	}
	return c.times()
}

// times: log times do not fall from one history to another either, for
// deadlines and the dates of compromised keys are compared with them.
func (c *check) times() error {
	var entries []FileEntry
	for _, h := range c.file.Histories {
		entries = append(entries, h.Entries...)
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Index < entries[j].Index })
	for i, e := range entries {
		if i > 0 && e.Time < entries[i-1].Time {
			return fault.New("history_time", fmt.Sprintf("log index %d", e.Index),
				fmt.Sprintf("its log time lies before that of log index %d, in another history", entries[i-1].Index))
		}
	}
	return nil
}

// diagnose adds to the refusal of a history what gave it away, where that can
// be told: a record whose own signature does not fit was changed; where all
// fit, records were left out, added, moved or redated.
func (c *check) diagnose(h FileHistory, refusal *fault.Error) error {
	err := c.authority() // as far as it goes
	c.rep.Governance = nil
	for _, e := range h.Entries {
		if s := c.all[e.Index]; s != nil && s.err != nil {
			return refusal.WithHint(fmt.Sprintf("look at the record at log index %d: %v", e.Index, s.err))
		}
	}
	if err != nil {
		return refusal.WithHint(err.Error())
	}
	return refusal.WithHint("every record shown fits its signature, so some were left out, added, moved or redated")
}

// authority is step 4: replay of who may write, in log order, giving every
// shown record the word of the authority at its own place.
func (c *check) authority() error {
	c.auth = NewAuthority(c.opt.Policy.Origin())
	c.casework = cases.NewMemory()
	last := MaxIndex
	if own := c.file.History(c.file.Subject).Entries; len(own) > 0 {
		last = own[len(own)-1].Index
	}
	for _, i := range c.indices() {
		s := c.all[i]
		at := Place{i, s.entry.Time}
		if s.err = c.auth.Check(s.rec, at, certs.VerifyEd25519); s.err == nil {
			c.auth.Apply(s.rec, at)
			if s.err = c.references(s); s.err == nil {
				s.err = c.caseStep(s, at)
			}
			if s.err == nil {
				s.err = c.carries(s, at)
			}
		} else if isAuthority(s.subject) {
			return fault.New("authority", fmt.Sprintf("%s, log index %d", s.subject, i), "this record could not stand in the log").Because(s.err)
		} else if g := c.auth.Governance; s.rec.Def == nil && g != nil && g.Closed == "" && contains(g.Rules.Types, s.rec.Type) {
			s.err = c.auth.checkUnknown(s.rec, at, certs.VerifyEd25519)
		}
		if g := c.auth.Governance; g != nil && i < last {
			c.rules = g.Rules
		}
	}
	for i, s := range c.all {
		// The replay knew no such key at that place; by now it may.
		if k := c.auth.Key(s.rec); fault.Code(s.err) == "key_unknown" && k != nil && k.Use == UseRecord && k.Index > i {
			s.err = keyEarly(k)
		}
	}
	g := c.auth.Governance
	c.rep.Governance = g
	switch {
	case g == nil:
		return fault.New("authority", record.Governance, "the file holds no genesis record")
	case g.Level > FeatureLevel:
		return fault.New("newer_needed", record.Governance, fmt.Sprintf("the log is at feature level %d, this program at %d", g.Level, FeatureLevel)).
			WithHint("get a newer milepost")
	case g.Closed != "":
		c.rep.Warnings = append(c.rep.Warnings, "this log is closed; later records are in "+g.Closed)
	}
	return nil
}

// indices lists the log indices of all shown records, ascending.
func (c *check) indices() []uint64 {
	indices := make([]uint64, 0, len(c.all))
	for i := range c.all {
		indices = append(indices, i)
	}
	sort.Slice(indices, func(i, j int) bool { return indices[i] < indices[j] })
	return indices
}

func (c *check) age() error {
	asOf := c.rep.AsOf
	if asOf == 0 {
		c.rep.Warnings = append(c.rep.Warnings, "no usable cosignature time: as of when the history is complete is unknown")
		if c.opt.MaxAge > 0 {
			return fault.New("too_old", "", "the age of the file is unknown")
		}
		return nil
	}
	age := c.opt.Now.Sub(time.Unix(asOf, 0))
	if c.opt.MaxAge > 0 && age > c.opt.MaxAge {
		return fault.New("too_old", "", fmt.Sprintf("the file is complete as of %s only", time.Unix(asOf, 0).UTC().Format(time.RFC3339))).
			WithHint("ask for a fresh file")
	}
	if age > OldAge {
		c.rep.Warnings = append(c.rep.Warnings, fmt.Sprintf("the file is %d days old; later records are not in it", int(age.Hours()/24)))
	}
	return nil
}

// Scope is the first sentence of every report.
func (r *Report) Scope() string {
	if r.Head == nil {
		return "nothing is established"
	}
	count := fmt.Sprintf("all %d records of %s", r.Records, r.Subject)
	switch r.Records {
	case 0:
		count = "no record of " + r.Subject
	case 1:
		count = "the one record of " + r.Subject
	}
	asOf := "a time unknown"
	if r.AsOf > 0 {
		asOf = time.Unix(r.AsOf, 0).UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s registered up to tree size %d, cosigned by %d of %d nodes (tolerates %d %s), complete as of %s; %d withheld",
		count, r.Size, r.Head.Signed, r.Head.Of, r.Tolerates, plural(r.Tolerates, "liar"), asOf, r.Withheld)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// Hex writes a hash as JSON and URLs carry it.
func Hex(h [32]byte) string { return hex.EncodeToString(h[:]) }
