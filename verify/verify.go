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
)

// Options say what the caller holds and means.
type Options struct {
	Policy *Policy   // what must have signed; held beforehand
	Now    time.Time // the caller's clock
	// Subject is the history that the caller means, vehicle/<VIN>; "" takes
	// the file's word for it, and the report says so.
	Subject string
	MaxAge  time.Duration // refuse a file that is complete only as of longer ago; 0 for any age
	// AllowWithheld accepts a file some of whose contents are withheld.
	AllowWithheld bool
}

// OldAge is the age of a file beyond which a report carries a warning.
const OldAge = 30 * 24 * time.Hour

// Verdict is what a verifier says of one record.
type Verdict string

// The verdicts.
const (
	Valid            Verdict = "valid"
	KeyLaterRetired  Verdict = "valid, key later retired"
	KeyLaterLost     Verdict = "valid, key later reported lost"
	LaterCompromised Verdict = "valid then, key later reported compromised"
	UnknownMeaning   Verdict = "unknown type, signature valid, meaning unknown"
	Withheld         Verdict = "withheld by the holder of the file"
	Invalid          Verdict = "invalid"
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
}

// Report is what a proof file shows. Its zero parts are unknown.
type Report struct {
	Verified    bool
	Failure     error // why not; a *fault.Error
	Subject     string
	Origin      string
	Head        *Head // the tree head under the policy that the caller holds
	SealTime    int64 // ms
	Tolerates   int   // liars that the policy tolerates
	Records     int   // of the subject's own history
	Withheld    int   // of those
	Results     []Result
	Warnings    []string
	Governance  *Governance
	PolicySteps []string // policies followed by bridges, in words
}

// check is one run of Verify.
type check struct {
	opt  Options
	file *File
	rep  *Report
	seal *Seal
	auth *Authority
	all  map[uint64]*shown // every entry of every history, by log index
}

type shown struct {
	entry   FileEntry
	subject string
	rec     *record.Record
	err     error // verdict of the authority
}

// Verify checks a proof file by the steps of docs/format.md, section 9. The
// report holds whatever could be established, also when Verified is false.
func Verify(data []byte, opt Options) *Report {
	c := &check{opt: opt, rep: &Report{}, all: map[uint64]*shown{}}
	if opt.Policy != nil {
		c.rep.Origin, c.rep.Tolerates = opt.Policy.Origin(), opt.Policy.Tolerates()
	}
	for _, step := range []func() error{
		func() (err error) { c.file, err = ParseFile(data); return err },
		c.subject, c.head, c.histories, c.authority, c.verdicts, c.age,
	} {
		if err := step(); err != nil {
			c.rep.Failure = err
			return c.rep
		}
	}
	c.rep.Verified = true
	return c.rep
}

func (c *check) subject() error {
	f := c.file
	c.rep.Subject = f.Subject
	if _, err := record.SubjectClass(f.Subject); err != nil {
		return badFile("subject", err.Error())
	}
	if c.opt.Subject == "" {
		c.rep.Warnings = append(c.rep.Warnings, "the vehicle is the one that the file names: compare its VIN with the car")
	} else if f.Subject != c.opt.Subject {
		return fault.New("subject", "subject", fmt.Sprintf("the file is about %s, not %s", f.Subject, c.opt.Subject))
	}
	own := map[string]bool{} // the vehicle's own histories, whose contents may be withheld
	if vin, ok := strings.CutPrefix(f.Subject, "vehicle/"); ok {
		own[f.Subject], own["workshop/"+vin], own["access/"+vin] = true, true, true
	}
	if f.History(f.Subject) == nil {
		return fault.New("history_missing", "histories", "the file lacks the history of "+f.Subject)
	}
	if f.History(record.Governance) == nil {
		return fault.New("history_missing", "histories", "the file lacks the history of governance")
	}
	needed := map[string]bool{f.Subject: true, record.Governance: true}
	for _, h := range f.Histories {
		for i, e := range h.Entries {
			at := fmt.Sprintf("%s, entry %d", h.Subject, i)
			if e.Note == nil {
				if !own[h.Subject] {
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
			if prior := c.all[e.Index]; prior != nil && prior.entry.Hash != e.Hash {
				return fault.New("index_twice", at, fmt.Sprintf("two different records claim log index %d", e.Index))
			}
			c.all[e.Index] = &shown{entry: e, subject: h.Subject, rec: r}
			if !isAuthority(h.Subject) {
				needed[record.MemberSubject(r.Author)] = true
			}
		}
	}
	for _, h := range f.Histories {
		if needed[h.Subject] {
			delete(needed, h.Subject)
		} else if !own[h.Subject] {
			return fault.New("history_extra", "histories", "the history of "+h.Subject+" does not belong into this file")
		}
	}
	for s := range needed {
		return fault.New("history_missing", "histories", "the file lacks the history of "+s+", who wrote some of its records")
	}
	return nil
}

// isAuthority reports whether a subject is a history that says who may write.
func isAuthority(subject string) bool {
	return subject == record.Governance || strings.HasPrefix(subject, "member/")
}

// head is steps 1 and 2: the policy is satisfied, following bridges where
// there are any, and the seal is the last leaf under the tree head.
func (c *check) head() error {
	seal, err := ParseSeal(c.file.Seal)
	if err != nil {
		return err
	}
	c.seal = seal
	leaf := LeafHash(c.file.Seal)
	proofs := append(append([][]byte{}, c.file.Bridges...), c.file.TLogProof)
	held := c.opt.Policy
	if held == nil {
		return fault.New("policy_missing", "", "a trust policy is needed")
	}
	origin := held.Origin()
	underHeld, last := false, -1
	for i, raw := range proofs {
		where, bridge := "tlog_proof", i < len(c.file.Bridges)
		if bridge {
			where = fmt.Sprintf("bridges[%d]", i)
		}
		p, err := ParseTLogProof(raw)
		if err != nil {
			return fault.New(fault.Code(err), where, err.Error())
		}
		if bridge {
			if int64(p.Index) <= int64(last) {
				return badFile(where, "bridges ascend by leaf index")
			}
			last = int(p.Index)
		}
		if !bridge && underHeld {
			// A later head of the held policy already covers the seal; this
			// one, of the file's own time, needs its inclusion only.
			return c.include(p, leaf, where)
		}
		h, err := held.Check(p.Checkpoint, c.opt.Now)
		if err != nil {
			if !bridge {
				return err
			}
			return fault.New("bridge", where, "its tree head does not satisfy the policy held so far").Because(err)
		}
		if p.Index == seal.Index {
			if err := c.include(p, leaf, where); err != nil {
				return err
			}
			c.rep.Head, underHeld = h, true
			continue
		}
		if !bridge {
			return c.include(p, leaf, where)
		}
		s := c.all[p.Index]
		if s == nil || s.subject != record.Governance || PolicyText(s.rec) == "" {
			return fault.New("bridge", where, "it leads to no policy record of this file")
		}
		if _, err := p.CheckInclusion(s.entry.Hash); err != nil {
			return fault.New("bridge", where, "it does not include the policy record").Because(err)
		}
		if held, err = ParsePolicy([]byte(PolicyText(s.rec))); err != nil {
			return err
		}
		if held.Origin() != origin {
			return fault.New("bridge", where, "the new policy is of another log: "+held.Origin())
		}
		c.rep.PolicySteps = append(c.rep.PolicySteps, fmt.Sprintf("policy of record %d, under tree size %d", p.Index, h.Size))
	}
	c.rep.Tolerates = held.Tolerates()
	return nil
}

func (c *check) include(p *TLogProof, leaf [32]byte, where string) error {
	head, err := p.CheckInclusion(leaf)
	switch {
	case err != nil:
		return fault.New(fault.Code(err), where, "the seal is not in the tree").Because(err)
	case p.Index != c.seal.Index:
		return fault.New("seal_index", where, fmt.Sprintf("the seal says that it is leaf %d, the proof is of leaf %d", c.seal.Index, p.Index))
	case head.Origin != c.seal.Origin:
		return fault.New("seal_origin", "seal", "the seal is of another log: "+c.seal.Origin)
	case where == "tlog_proof" && head.Size != c.seal.Index+1:
		return fault.New("seal_last", where, fmt.Sprintf("the seal is leaf %d of a tree of %d: a later seal would cover more records", c.seal.Index, head.Size))
	}
	return nil
}

// histories is step 3: each history is complete as the seal's index root says.
func (c *check) histories() error {
	c.rep.SealTime = c.seal.Time
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
			return fault.New("index_present", h.Subject, fmt.Sprintf("these %d records are not the complete, unchanged history that the log sealed", len(entries))).Because(err)
		}
	}
	return nil
}

// authority is step 4: replay of who may write, in log order, giving every
// shown record the word of the authority at its own place.
func (c *check) authority() error {
	c.auth = NewAuthority(c.opt.Policy.Origin())
	indices := make([]uint64, 0, len(c.all))
	for i := range c.all {
		indices = append(indices, i)
	}
	sort.Slice(indices, func(i, j int) bool { return indices[i] < indices[j] })
	for _, i := range indices {
		s := c.all[i]
		at := Place{i, s.entry.Time}
		if s.err = c.auth.Check(s.rec, at, certs.VerifyEd25519); s.err == nil {
			c.auth.Apply(s.rec, at)
		} else if isAuthority(s.subject) {
			return fault.New("authority", fmt.Sprintf("%s, log index %d", s.subject, i), "this record could not stand in the log").Because(s.err)
		} else if s.rec.Def == nil && c.auth.Governance != nil && contains(c.auth.Governance.Rules.Types, s.rec.Type) {
			if m := c.auth.Members[s.rec.Author]; m != nil {
				_, s.err = c.auth.signer(m, s.rec, UseRecord, at, certs.VerifyEd25519)
			}
		}
	}
	c.rep.Governance = c.auth.Governance
	if c.auth.Governance == nil {
		return fault.New("authority", record.Governance, "the file holds no genesis record")
	}
	return nil
}

// verdicts is step 5.
func (c *check) verdicts() error {
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
			if res.Verdict == Invalid && failure == nil {
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

func (c *check) judge(res *Result, s *shown) {
	res.Record, res.Verdict = s.rec, Valid
	res.Author, res.Key = c.auth.Members[s.rec.Author], c.auth.Key(s.rec)
	switch {
	case s.err != nil:
		res.Verdict, res.Reason = Invalid, s.err.Error()
	case s.rec.Def == nil:
		res.Verdict = UnknownMeaning
	case res.Key != nil && res.Key.Revoked != nil:
		rev := res.Key.Revoked
		res.Reason = fmt.Sprintf("key %s revoked at log index %d by %s", res.Key.ID, rev.Index, rev.By)
		switch rev.Reason {
		case "retired":
			res.Verdict = KeyLaterRetired
		case "lost":
			res.Verdict = KeyLaterLost
		default:
			res.Verdict = LaterCompromised
			since, _ := record.ParseUTC(rev.Since)
			side := "before"
			if res.Time >= since.UnixMilli() {
				side = "after"
			}
			res.Reason += fmt.Sprintf(", compromised since %s: this record came into the log %s that", rev.Since, side)
		}
	}
}

func (c *check) age() error {
	asOf := c.rep.Head.CompleteAsOf
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
		return "nothing is established about " + r.Subject
	}
	count := fmt.Sprintf("all %d records of %s", r.Records, r.Subject)
	switch r.Records {
	case 0:
		count = "no record of " + r.Subject
	case 1:
		count = "the one record of " + r.Subject
	}
	asOf := "a time unknown"
	if r.Head.CompleteAsOf > 0 {
		asOf = time.Unix(r.Head.CompleteAsOf, 0).UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s registered up to tree size %d, cosigned by %d of %d nodes (tolerates %d %s), complete as of %s; %d withheld",
		count, r.Head.Size, r.Head.Signed, r.Head.Of, r.Tolerates, plural(r.Tolerates, "liar"), asOf, r.Withheld)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// Hex writes a hash as JSON and URLs carry it.
func Hex(h [32]byte) string { return hex.EncodeToString(h[:]) }
