package page

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/judge"
)

const (
	storyVIN    = "VF1AAAA0000000001"
	storyOrigin = "milepost.example/demo/0123456789abcdef0123456789abcdef01234567"
)

var storyNow = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// story is a history that a report is made of. Its signatures are genuine,
// but nothing checks them: a page takes the verifier's word.
type story struct {
	t       testing.TB
	members map[string]*verify.Member
	results []verify.Result
	known   verify.Known
	more    []jcs.Field // of the next record's envelope
}

func newStory(t testing.TB) *story {
	s := &story{t: t, members: map[string]*verify.Member{}}
	s.known.Rules = &verify.Rules{Version: 1}
	s.known.AsOf = storyNow.UnixMilli()
	for name, m := range map[string]struct{ legal, kind string }{
		"dealer.example/lyon": {"Garage Lumière SARL", "DLR"}, "dealer.example/turin": {"Officina Torino S.p.A.", "DLR"},
		"inspection.example/leeds": {"Leeds Vehicle Testing Ltd", "PTI"}, "maker.example": {"Example Motor Works", "MFR"},
		"arbiter.example": {"Chamber of Arbitration", "ARB"},
	} {
		key := &verify.Key{ID: certs.FormatID(1), Use: verify.UseRecord, Index: 3, Time: time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()}
		s.members[name] = &verify.Member{Name: name, LegalName: m.legal, Kinds: []string{m.kind}, Country: "FR", Zone: "Europe/Paris",
			ValidFrom: "2015-01-01", Documents: []string{"company_register"}, Keys: []*verify.Key{key}}
	}
	return s
}

// add puts a record on the log so long after it happened, and returns its
// leaf hash.
func (s *story) add(author, typ, happened string, delay time.Duration, body string) string {
	s.t.Helper()
	v, err := jcs.Read([]byte(body))
	if err != nil {
		s.t.Fatalf("%s: %v", body, err)
	}
	at, err := record.ParseTime(happened)
	if err != nil {
		s.t.Fatal(err)
	}
	id := fmt.Sprintf("01970000-0000-7000-8000-%012d", len(s.results))
	class, _, _ := strings.Cut(record.Lookup(typ).Subjects[0], "/")
	subject := class + "/" + storyVIN
	text, err := record.Draft{
		Author: author, Body: v, Captured: record.FormatUTC(at.Add(delay)), EventTime: happened, ID: id, Origin: storyOrigin,
		Precision: "second", Subjects: []string{subject}, Type: typ, More: s.more,
	}.Text()
	if err != nil {
		s.t.Fatalf("%s: %v", typ, err)
	}
	s.more = nil
	key, err := certs.NewEd25519Signer(author, make([]byte, 32))
	if err != nil {
		s.t.Fatal(err)
	}
	note, err := record.Sign(text, key)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := record.Open(note)
	if err != nil {
		s.t.Fatal(err)
	}
	m := s.members[author]
	return s.put(verify.Result{Subject: subject, Time: at.Add(delay).UnixMilli(), Hash: r.Hash, Record: r, Author: m, Key: m.Keys[0], Verdict: verify.Valid})
}

// withhold puts a record on the log of which only the place is shown.
func (s *story) withhold(at string) string {
	t, err := record.ParseTime(at)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.put(verify.Result{Subject: "vehicle/" + storyVIN, Time: t.UnixMilli(), Hash: sha256.Sum256([]byte(at)), Verdict: verify.Withheld})
}

func (s *story) put(r verify.Result) string {
	r.Index = uint64(10 + len(s.results))
	s.results = append(s.results, r)
	hash := verify.Hex(r.Hash)
	if r.Subject == "vehicle/"+storyVIN {
		s.known.Entries = append(s.known.Entries, judge.Entry{Index: r.Index, Time: r.Time, Hash: hash, Record: r.Record})
	}
	return hash
}

func (s *story) reading(author, happened string, value int64, unit string) string {
	return s.add(author, "odometer.reading/1", happened, time.Minute,
		fmt.Sprintf(`{"precision":"exact","purpose":"service_in","result":"read","source":"visual","unit":%q,"value":%d}`, unit, value))
}

// place is the log index of a record that was added.
func (s *story) place(hash string) (index uint64, ms int64) {
	for _, r := range s.results {
		if verify.Hex(r.Hash) == hash {
			return r.Index, r.Time
		}
	}
	s.t.Fatal("no such record")
	return 0, 0
}

// input makes the verifier's report, and what else a page is made of.
func (s *story) input() Input {
	root := sha256.Sum256([]byte("root"))
	rep := &verify.Report{
		Verified: true, Subject: "vehicle/" + storyVIN, Origin: storyOrigin, Size: 4711, AsOf: storyNow.Unix() - 60, SealTime: storyNow.UnixMilli() - 61_000,
		Tolerates: 1, Records: len(s.known.Entries), Results: s.results,
		Head: &verify.Head{Checkpoint: verify.Checkpoint{Origin: storyOrigin, Size: 4711, Root: root}, Signed: 3, Of: 4, Quorum: 3, CompleteAsOf: storyNow.Unix() - 60,
			Cosigners: []verify.Cosigner{{Name: "lyon", Signed: true, Time: storyNow.Unix() - 60}, {Name: "turin", Signed: true, Time: storyNow.Unix() - 59},
				{Name: "leeds", Signed: true}, {Name: "mutual"}}},
	}
	for _, r := range s.results {
		if r.Record == nil {
			rep.Withheld++
		}
	}
	rep.Meaning = verify.Mean(&s.known)
	return Input{Report: rep, FileName: "car.mileproof", File: []byte("the file"), Now: storyNow, Version: "1.2.3", VIN: storyVIN}
}

// The whole life of a car: corrected, disputed, replaced, partly withheld.
func wholeStory(t testing.TB) Input {
	s := newStory(t)
	lyon, turin, leeds := "dealer.example/lyon", "dealer.example/turin", "inspection.example/leeds"
	s.add(lyon, "vehicle.created/1", "2016-03-01T09:00:00+01:00", time.Hour, `{"imported":false,"make":"Renault","model":"Scenic"}`)
	s.reading(lyon, "2016-03-01T10:00:00+01:00", 12, "KMT")
	s.more = []jcs.Field{{Name: "attachments", Value: jcs.Array(attachment(7, "photo", false), attachment(2048, "invoice", true))},
		{Name: "personal", Value: jcs.Array(jcs.Make(jcs.Field{Name: "commitment", Value: jcs.Text(commitment)}, jcs.Field{Name: "field", Value: jcs.Text("plate")}))}}
	typo := s.reading(turin, "2017-03-01T10:00:00+01:00", 215_000, "KMT")
	s.reading(leeds, "2018-03-02T10:00:00Z", 25_500, "SMI")
	s.add(lyon, "odometer.reading/1", "2019-05-01T10:00:00+02:00", 40*24*time.Hour,
		`{"precision":"rounded_100","purpose":"sale","result":"read","source":"document","unit":"KMT","value":61000}`)
	s.reading(leeds, "2021-02-20T10:00:00Z", 55_000, "SMI")
	last := s.reading(lyon, "2021-03-01T10:00:00+01:00", 88_700, "KMT")
	after := s.reading(lyon, "2021-03-01T12:00:00+01:00", 15, "KMT")
	s.add(lyon, "odometer.replaced/1", "2021-03-01T12:30:00+01:00", time.Minute, fmt.Sprintf(`{"after_ref":%q,"before_ref":%q,"kind":"replaced"}`, after, last))
	s.reading(turin, "2022-03-01T10:00:00+01:00", 11_000, "KMT")
	s.reading(lyon, "2022-09-01T10:00:00+02:00", 16_000, "KMT")
	s.reading(turin, "2023-03-01T10:00:00+01:00", 2_100, "KMT")
	s.reading(lyon, "2024-03-01T10:00:00+01:00", 30_000, "KMT")
	disputed := s.reading(lyon, "2025-03-01T10:00:00+01:00", 40_000, "KMT")
	s.add(lyon, "odometer.reading/1", "2025-06-01T10:00:00+02:00", time.Minute, `{"purpose":"sale","result":"unreadable","source":"visual"}`)
	asked := s.add(turin, "correction.requested/1", "2025-07-01T10:00:00+02:00", time.Minute,
		fmt.Sprintf(`{"claim":{"value":21500},"field":"value","for":"self","noticed_by":"author","reason":"extra_digit","target":%q}`, typo))
	ruled := s.add("maker.example", "correction.decided/1", "2025-07-04T10:00:00+02:00", time.Minute,
		fmt.Sprintf(`{"case":%q,"effective":{"value":21500},"outcome":"accepted","prev":%q,"reasons":"the job card shows 21 500","rules":1}`, asked, asked))
	opened := s.add(leeds, "dispute.opened/1", "2026-05-20T10:00:00Z", time.Minute,
		fmt.Sprintf(`{"arbitrator":"arbiter.example","claim":"rolled_back","for":"buyer","remedy":"that the last reading does not count","targets":[%q]}`, disputed))
	s.add(leeds, "diagnostic.scan/1", "2026-05-21T10:00:00Z", time.Minute, `{"source":"workshop","tool":"scanner"}`)
	s.withhold("2026-05-22T10:00:00Z")
	key := s.members[turin].Keys[0]
	key.Revoked = &verify.Revocation{Index: 90, Time: storyNow.UnixMilli() - 3600_000, Reason: "compromised", Since: "2023-02-01T00:00:00Z", By: turin}
	for i := range s.results {
		if r := &s.results[i]; r.Record != nil && r.Record.Author == turin {
			r.Verdict, r.Reason = verify.LaterCompromised, "compromised since 2023-02-01T00:00:00Z: this record came into the log before that"
		}
	}

	corrected, at := int64(21_500), uint64(0)
	var when int64
	at, when = s.place(ruled)
	s.known.Effects = []cases.Effect{{Target: typo, By: ruled, Case: asked, Index: at, Kind: cases.Replaced, Value: &corrected}}
	s.known.Disputed = []string{disputed}
	index, set := s.place(asked)
	s.known.Cases = append(s.known.Cases, cases.Status{
		Case: asked, Kind: "correction", State: "in_force", Words: "in force", Subject: "vehicle/" + storyVIN, Index: index, Opened: set, By: cases.Party{Member: turin}, For: "self",
		Claim: &cases.Claim{Field: "value", Reason: "extra_digit", Counts: cases.Counts{Value: &corrected}}, Targets: []string{typo},
		Decisions: []cases.Decision{{Hash: ruled, By: cases.Party{Member: "maker.example"}, Index: at, Time: when, Outcome: "accepted"}},
		Clocks:    []cases.ClockStatus{{Name: "decide", Set: set, Target: set + 5*86_400_000, Breach: set + 7*86_400_000, Met: when, Rules: 1}},
	})
	index, set = s.place(opened)
	s.known.Cases = append(s.known.Cases, cases.Status{
		Case: opened, Kind: "dispute", State: "opened", Words: "open, not answered", Open: true, Subject: "vehicle/" + storyVIN, Index: index, Opened: set,
		By: cases.Party{Member: leeds}, For: "buyer", Says: "rolled_back", Arbitrator: "arbiter.example", Targets: []string{disputed},
		Clocks: []cases.ClockStatus{{Name: "answer", Set: set, Target: set + 5*86_400_000, Breach: set + 7*86_400_000, Overdue: set + 5*86_400_000 + 1, Breached: true, Rules: 1}},
	})
	in := s.input()
	in.Allowed = true
	slot := Slot{Attachment: s.results[2].Record.Attachments()[0], Record: s.results[2].Record, Number: 1}
	other := Slot{Attachment: s.results[2].Record.Attachments()[1], Record: s.results[2].Record, Number: 2}
	in.Presented = &Presented{
		Files: []File{{Name: "photo.jpg", Bytes: 7, SHA256: sha256.Sum256([]byte("picture")), Of: []Slot{slot}},
			{Name: "bill.pdf", Bytes: 2048, SHA256: sha256.Sum256([]byte("bill")), Closed: 1}},
		Missing: []Slot{other},
	}
	return in
}

const commitment = "ZxRHbENRlI+q2t0N1T1Mkmx8JKExAxdukZgTF9bKyaY="

func attachment(size int64, kind string, salted bool) jcs.Value {
	sum := sha256.Sum256([]byte("picture"))
	return jcs.Make(jcs.Field{Name: "bytes", Value: jcs.Number(size)}, jcs.Field{Name: "digest", Value: jcs.Text(record.FormatDigest(sum[:]))},
		jcs.Field{Name: "kind", Value: jcs.Text(kind)}, jcs.Field{Name: "media_type", Value: jcs.Text("image/jpeg")}, jcs.Field{Name: "salted", Value: jcs.Boolean(salted)})
}

// brokenStory is a file that does not verify, although a history was read
// from it before that came out.
func brokenStory(t testing.TB) Input {
	in := wholeStory(t)
	in.Report.Verified = false
	in.Report.Failure = fault.New("index_present", "vehicle/"+storyVIN, "these 9 records are not the complete, unchanged history that the log sealed").
		WithHint("look at the record at log index 7")
	return in
}

func write(t testing.TB, in Input) string {
	t.Helper()
	b, err := HTML(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
