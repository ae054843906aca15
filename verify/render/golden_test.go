package render_test

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/judge"
	"github.com/milepost-log/milepost/verify/render"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

const (
	car    = "vehicle/1N4AZ0CP1DC900001"
	lyon   = "dealer.example/lyon"
	turin  = "dealer.example/turin"
	leeds  = "inspection.example/leeds"
	maker  = "maker.example"
	judges = "arbitration.example"
)

// logbook is a vehicle's history as a story tells it, without a log: what is
// rendered here was verified before.
type logbook struct {
	t        *testing.T
	results  []verify.Result
	known    verify.Known
	subjects []string // of the records that are added
	authored map[string]*verify.Member
}

func newLogbook(t *testing.T) *logbook {
	return &logbook{t: t, subjects: []string{car}, known: verify.Known{Rules: &verify.Rules{Version: 1}}, authored: map[string]*verify.Member{
		lyon:   {Name: lyon, LegalName: "Garage du Rhône SARL", Kinds: []string{"DLR"}, Country: "FR"},
		turin:  {Name: turin, LegalName: "Autofficina Po S.r.l.", Kinds: []string{"DLR"}, Country: "IT"},
		leeds:  {Name: leeds, LegalName: "Aire Vehicle Inspections Ltd", Kinds: []string{"PTI"}, Country: "GB"},
		maker:  {Name: maker, LegalName: "Example Motors AG", Kinds: []string{"MFR"}, Country: "DE"},
		judges: {Name: judges, LegalName: "Board of Motor Arbitration", Kinds: []string{"ARB"}, Country: "NL"},
	}}
}

// add files a record that happened at a time and was logged so long after,
// and returns its leaf hash in hex. The body is JSON.
func (b *logbook) add(author, typ, event string, after time.Duration, body string, more ...jcs.Field) string {
	b.t.Helper()
	n := len(b.results)
	happened, err := record.ParseTime(event)
	precision := "minute"
	if err != nil {
		event, precision = event+"T00:00:00Z", "date"
		happened, err = record.ParseTime(event)
	}
	must(b.t, err)
	v, err := jcs.Read([]byte(body))
	must(b.t, err)
	logged := happened.Add(after)
	text, err := record.Draft{
		Author: author, Type: typ, Subjects: b.subjects, Body: v, EventTime: event, Precision: precision, More: more,
		Captured: record.FormatUTC(logged), ID: record.FormatUUID(record.UUIDv7(logged.UnixMilli(), [16]byte{byte(n)})),
		Origin: "milepost.example/demo/" + strings.Repeat("0123456789", 4),
	}.Text()
	must(b.t, err)
	seed := sha256.Sum256([]byte(author))
	s, err := certs.NewEd25519Signer(author, seed[:])
	must(b.t, err)
	note, err := record.Sign(text, s)
	must(b.t, err)
	r, err := record.Open(note)
	must(b.t, err)
	b.results = append(b.results, verify.Result{Subject: car, Index: uint64(10 + 3*n), Time: logged.UnixMilli(), Hash: r.Hash,
		Record: r, Author: b.authored[author], Key: &verify.Key{ID: certs.FormatID(s.ID())}, Verdict: verify.Valid})
	return verify.Hex(r.Hash)
}

// read files a reading that was logged within the hour.
func (b *logbook) read(author, event string, value int64, unit string) string {
	b.t.Helper()
	return b.add(author, "odometer.reading/1", event, time.Hour, reading(value, unit))
}

func reading(value int64, unit string) string {
	return fmt.Sprintf(`{"precision":"exact","purpose":"service_in","result":"read","source":"visual","unit":%q,"value":%d}`, unit, value)
}

// apart makes a record of another history than the vehicle's own.
func (b *logbook) apart(subject, author, typ, event, body string) judge.Entry {
	b.t.Helper()
	of := b.subjects
	b.subjects = []string{subject}
	hash := b.add(author, typ, event, time.Hour, body)
	b.subjects = of
	last := len(b.results) - 1
	e := b.results[last]
	b.results = b.results[:last]
	return judge.Entry{Index: e.Index, Time: e.Time, Hash: hash, Record: e.Record}
}

// announce files a notice of a member.
func (b *logbook) announce(author, typ, event, body string) {
	b.t.Helper()
	b.known.Notices = append(b.known.Notices, b.apart("notice/"+author, author, typ, event, body))
}

// withhold takes the contents of a record away.
func (b *logbook) withhold(hash string) {
	for i := range b.results {
		if e := &b.results[i]; verify.Hex(e.Hash) == hash {
			*e = verify.Result{Subject: e.Subject, Index: e.Index, Time: e.Time, Hash: e.Hash, Verdict: verify.Withheld}
		}
	}
}

// report is what a verifier would hand over, as of a time.
func (b *logbook) report(asOf string) *verify.Report {
	b.t.Helper()
	at, err := record.ParseTime(asOf)
	must(b.t, err)
	r := &verify.Report{
		Verified: true, Subject: car, Origin: "milepost.example/demo/" + strings.Repeat("0123456789", 4), Size: 4711, AsOf: at.Unix(), Tolerates: 1,
		Head: &verify.Head{Checkpoint: verify.Checkpoint{Size: 4711}, Signed: 3, Of: 4, CompleteAsOf: at.Unix(),
			Cosigners: []verify.Cosigner{{Name: "lyon", Signed: true, Time: at.Unix()}}},
		Results: b.results,
	}
	b.known.AsOf = at.UnixMilli()
	for _, e := range b.results {
		if e.Subject != car {
			continue
		}
		r.Records++
		if e.Record == nil {
			r.Withheld++
		}
		b.known.Entries = append(b.known.Entries, judge.Entry{Index: e.Index, Time: e.Time, Hash: verify.Hex(e.Hash), Record: e.Record})
	}
	r.Meaning = verify.Mean(&b.known)
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ms(t *testing.T, at string) int64 {
	v, err := record.ParseTime(at)
	must(t, err)
	return v.UnixMilli()
}

const day = 24 * time.Hour

// The stories, each told to a reader of one unit.
var stories = []struct {
	name string
	unit render.Unit
	asOf string
	tell func(b *logbook)
}{
	{"honest", render.AsEntered, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.add(maker, "vehicle.created/1", "2020-01-10", 12*time.Hour, `{"imported":false,"make":"Nissan","model":"Leaf","model_year":2020}`)
		b.read(lyon, "2020-02-01T09:00:00+01:00", 12, "KMT")
		b.read(leeds, "2022-03-01T09:00:00Z", 14_900, "SMI")
		in := b.read(lyon, "2024-04-02T09:00:00+02:00", 45_310, "KMT")
		b.add(lyon, "service.visit/1", "2024-04-02T17:00:00+02:00", time.Hour,
			`{"lines":[{"pay":"customer","work_type":"oil"}],"odometer_work":false,"order_no":"A-1001","reading_in":"`+in+`","service_type":"maintenance"}`)
	}},
	{"asked", render.Kilometres, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.known.VIN, b.known.Makers, b.known.NoticesOf, b.known.LeaseKM = strings.TrimPrefix(car, "vehicle/"), []string{maker}, []string{lyon, maker}, 40_000
		b.announce(maker, "service.plan/1", "2019-12-01", `{"intervals":[{"km":20000,"months":12,"op_codes":["OIL"],"tolerance_days":30,"tolerance_km":1500},{"months":48,"op_codes":["BELT"]}],`+
			`"model_match":{"vds_pattern":"AZ0CP?","wmi":"1N4"},"plan":"leaf-2020"}`)
		b.announce(lyon, "outage.declared/1", "2023-01-10", `{"from":"2023-01-08T08:00:00Z","reason":"flooded_server","to":"2023-01-09T17:00:00Z"}`)
		b.announce(turin, "outage.declared/1", "2023-01-10", `{"from":"2023-01-08T08:00:00Z","reason":"not_of_this_car"}`)
		b.add(maker, "vehicle.created/1", "2020-01-10", 12*time.Hour, `{"first_registration":"2020-02-01","imported":false,"make":"Nissan","model":"Leaf"}`)
		for _, cover := range []string{
			`{"coverage":"powertrain","ends":"2026-12-31","limit_km":160000,"parts_groups":["engine"],"starts":"2020-02-01","transferable":true}`,
			`{"coverage":"whole","ends":"2023-01-31","exclusions":["wear"],"parts_groups":["all"],"starts":"2020-02-01","transferable":false}`,
		} {
			b.known.Workshop = append(b.known.Workshop, b.apart("workshop/"+b.known.VIN, maker, "warranty.cover/1", "2020-02-01", cover))
		}
		start := b.read(lyon, "2020-02-01T09:00:00+01:00", 12, "KMT")
		b.add(lyon, "vehicle.sold/1", "2020-02-01", time.Hour, `{"kind":"lease_start","reading_ref":"`+start+`"}`)
		visit := func(at, order string, km int64, more string) {
			in := b.read(lyon, at, km, "KMT")
			b.add(lyon, "service.visit/1", at, 2*time.Hour,
				`{"lines":[{"op_code":"OIL","pay":"customer","work_type":"oil"}],`+more+`"odometer_work":false,"order_no":"`+order+`","reading_in":"`+in+`","service_type":"maintenance"}`)
		}
		visit("2021-01-20T09:00:00+01:00", "A-1", 15_300, "")
		visit("2022-04-20T09:00:00+02:00", "A-2", 38_900, `"next_service":{"date":"2023-04-20","km":58900},`)
		b.add(lyon, "software.updated/1", "2022-04-20", 2*day, `{"after":"5SH0B","before":"5SH0A","ecu":"VCM","method":"shop"}`)
		b.add(maker, "software.updated/1", "2022-11-20", 2*day, `{"after":"5SH0D","before":"5SH0C","campaign":"R1","ecu":"VCM","method":"ota"}`)
		b.add(leeds, "odometer.reading/1", "2023-01-31", time.Hour, strings.Replace(reading(45_012, "KMT"), "service_in", "lease_end", 1))
		b.add(lyon, "ownership.changed/1", "2023-01-31", time.Hour, `{"from":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","kind":"lease_end","to":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`)
		b.add("insurer.example/mutual", "insurance.event/1", "2024-06-01", day, `{"claim":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","kind":"total_loss","severity":"severe"}`)
		again := b.read(lyon, "2026-04-01T09:00:00+02:00", 44_000, "KMT")
		b.add(lyon, "vehicle.sold/1", "2026-04-01", time.Hour, `{"kind":"lease_start","reading_ref":"`+again+`"}`)
	}},
	{"old papers", render.Kilometres, "2026-05-04T12:00:00Z", func(b *logbook) {
		for i := range 4 {
			at := time.Date(2012+i, 2, 20, 11, 0, 0, 0, time.UTC)
			logged := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
			b.add(leeds, "odometer.reading/1", record.FormatUTC(at), logged.Sub(at), reading(int64(21_757+9_000*i), "SMI"))
		}
		b.add(lyon, "odometer.reading/1", "2026-04-28", 4*day, reading(160_000, "KMT"))
		b.read(lyon, "2026-05-01T09:00:00+02:00", 160_100, "KMT")
	}},
	{"a digit left out", render.AsEntered, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2020-01-05T09:00:00+01:00", 61_100, "KMT")
		b.read(lyon, "2021-01-05T09:00:00+01:00", 81_200, "KMT")
		b.read(turin, "2022-01-05T09:00:00+01:00", 10_345, "KMT")
		b.read(lyon, "2023-01-05T09:00:00+01:00", 121_900, "KMT")
		b.read(leeds, "2024-01-05T09:00:00Z", 141_000, "KMT")
	}},
	{"a rollback", render.Miles, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2021-01-05T09:00:00+01:00", 81_200, "KMT")
		b.read(lyon, "2022-01-05T09:00:00+01:00", 101_500, "KMT")
		b.read(turin, "2022-03-05T09:00:00+01:00", 61_000, "KMT")
		b.read(turin, "2023-03-05T09:00:00+01:00", 72_000, "KMT")
	}},
	{"one high reading", render.AsEntered, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2021-01-05T09:00:00+01:00", 50_000, "KMT")
		b.read(turin, "2022-01-05T09:00:00+01:00", 107_777, "KMT")
		b.read(lyon, "2023-01-05T09:00:00+01:00", 60_000, "KMT")
		b.read(leeds, "2024-01-05T09:00:00Z", 70_000, "KMT")
	}},
	{"corrected", render.AsEntered, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2021-01-05T09:00:00+01:00", 81_200, "KMT")
		wrong := b.read(turin, "2022-01-05T09:00:00+01:00", 10_345, "KMT")
		b.read(lyon, "2023-01-05T09:00:00+01:00", 121_900, "KMT")
		value := int64(103_450)
		asked := b.add(turin, "correction.requested/1", "2023-02-01T09:00:00+01:00", time.Hour,
			`{"claim":{"value":103450},"field":"value","for":"self","noticed_by":"author","reason":"missing_digit","target":"`+wrong+`"}`)
		decided := b.add(maker, "correction.decided/1", "2023-02-14T09:00:00+01:00", time.Hour,
			`{"case":"`+asked+`","effective":{"value":103450},"outcome":"accepted","prev":"`+asked+`","reasons":"the job sheet shows it","rules":1}`)
		b.known.Effects = []cases.Effect{{Target: wrong, By: decided, Case: asked, Index: 22, Kind: cases.Replaced, Value: &value}}
		b.known.Cases = []cases.Status{{Case: asked, Kind: "correction", State: "in_force", Words: "in force", Subject: car, Index: 19,
			Opened: ms(b.t, "2023-02-01T09:00:00Z"), By: cases.Party{Member: turin}, For: "self", Targets: []string{wrong},
			Claim:     &cases.Claim{Field: "value", Reason: "missing_digit", Counts: cases.Counts{Value: &value}},
			Decisions: []cases.Decision{{Hash: decided, By: cases.Party{Member: maker, Actor: "support"}, Index: 22, Time: ms(b.t, "2023-02-14T09:00:00Z"), Outcome: "accepted"}},
			Clocks: []cases.ClockStatus{{Name: "decide", Set: ms(b.t, "2023-02-01T09:00:00Z"), Target: ms(b.t, "2023-02-08T22:59:59Z"), Breach: ms(b.t, "2023-02-10T22:59:59Z"),
				Met: ms(b.t, "2023-02-14T09:00:00Z"), Overdue: ms(b.t, "2023-02-08T23:00:00Z"), Breached: true, Rules: 1}}}}
	}},
	{"disputed and overdue", render.AsEntered, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2025-01-05T09:00:00+01:00", 101_500, "KMT")
		low := b.read(turin, "2026-01-05T09:00:00+01:00", 61_000, "KMT")
		b.read(turin, "2026-02-05T09:00:00+01:00", 62_000, "KMT")
		opened := b.add(lyon, "dispute.opened/1", "2026-03-02T09:00:00+01:00", time.Hour,
			`{"arbitrator":"`+judges+`","claim":"rolled_back","for":"buyer","remedy":"the price back","targets":["`+low+`"]}`, attached("claim"))
		b.known.Disputed = []string{low}
		b.known.Cases = []cases.Status{{Case: opened, Kind: "dispute", State: "opened", Words: "open, not answered", Open: true, Subject: car, Index: 19,
			Opened: ms(b.t, "2026-03-02T09:00:00Z"), By: cases.Party{Member: lyon}, For: "buyer", Says: "rolled_back", Arbitrator: judges, Targets: []string{low}, Lost: 2,
			Clocks: []cases.ClockStatus{
				{Name: "answer", Set: ms(b.t, "2026-03-02T09:00:00Z"), Target: ms(b.t, "2026-03-09T22:59:59Z"), Breach: ms(b.t, "2026-03-11T22:59:59Z"),
					Overdue: ms(b.t, "2026-03-09T23:00:00Z"), Breached: true, Rules: 1},
				{Name: "decide", Set: ms(b.t, "2026-03-02T09:00:00Z"), Target: ms(b.t, "2026-05-10T21:59:59Z"), Breach: ms(b.t, "2026-05-17T21:59:59Z"), Rules: 1}}}}
	}},
	{"passed over", render.AsEntered, "2026-08-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2025-01-05T09:00:00+01:00", 101_500, "KMT")
		low := b.read(turin, "2026-01-05T09:00:00+01:00", 131_000, "KMT")
		opened := b.add(lyon, "dispute.opened/1", "2026-03-02T09:00:00+01:00", time.Hour,
			`{"arbitrator":"`+judges+`","claim":"reading_wrong","for":"buyer","remedy":"the price back","targets":["`+low+`"]}`, attached("claim"))
		decided := b.add(judges, "dispute.decided/1", "2026-04-01T09:00:00Z", time.Hour,
			`{"case":"`+opened+`","findings":[{"finding":"actual","target":"`+low+`"}],"prev":"`+opened+`","reasons":"nobody has said otherwise"}`, attached("decision"))
		set, at := ms(b.t, "2026-03-02T09:00:00Z"), ms(b.t, "2026-04-01T10:00:00Z")
		passed := []cases.ClockStatus{
			{Name: "answer", Set: set, Target: ms(b.t, "2026-03-09T22:59:59Z"), Breach: ms(b.t, "2026-03-11T22:59:59Z"),
				Ended: at, Overdue: ms(b.t, "2026-03-09T23:00:00Z"), Breached: true, Rules: 1},
			{Name: "decide", Set: set, Target: ms(b.t, "2026-05-10T21:59:59Z"), Breach: ms(b.t, "2026-05-17T21:59:59Z"), Met: at, Rules: 1}}
		one := cases.Status{Case: opened, Kind: "dispute", State: "final", Words: "decided for good", Subject: car, Index: 16, Opened: set, By: cases.Party{Member: lyon},
			For: "buyer", Says: "reading_wrong", Arbitrator: judges, Targets: []string{low}, Clocks: passed,
			Decisions: []cases.Decision{{Hash: decided, By: cases.Party{Member: judges}, Index: 19, Time: at, Finding: map[string]string{low: "actual"}}}}
		other := one
		other.Case, other.State, other.Words, other.Decisions = strings.Repeat("cd", 32), "withdrawn", "withdrawn", nil
		b.known.Cases = []cases.Status{one, other}
		b.known.Effects = []cases.Effect{{Target: low, By: decided, Case: opened, Index: 19, Kind: cases.Confirmed}}
	}},
	{"set aside", render.Kilometres, "2026-08-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2024-01-05T09:00:00+01:00", 81_200, "KMT")
		b.read(lyon, "2025-01-05T09:00:00+01:00", 101_500, "KMT")
		low := b.read(turin, "2026-01-05T09:00:00+01:00", 61_000, "KMT")
		asked := b.add(turin, "correction.requested/1", "2026-02-02T09:00:00+01:00", time.Hour,
			`{"claim":{"event_time":"2019-01-05T09:00:00+01:00","unit":"SMI"},"field":"event_time","for":"self","noticed_by":"author","reason":"wrong_date","target":"`+low+`"}`)
		b.add(turin, "case.withdrawn/1", "2026-02-03T09:00:00+01:00", time.Hour, `{"case":"`+asked+`","prev":"`+asked+`"}`)
		opened := b.add(lyon, "dispute.opened/1", "2026-03-02T09:00:00+01:00", time.Hour,
			`{"arbitrator":"`+judges+`","claim":"rolled_back","for":"buyer","remedy":"the price back","targets":["`+low+`"]}`, attached("claim"))
		answered := b.add(turin, "dispute.answered/1", "2026-03-03T09:00:00+01:00", time.Hour, `{"case":"`+opened+`","position":"no_knowledge","prev":"`+opened+`"}`)
		decided := b.add(judges, "dispute.decided/1", "2026-04-01T09:00:00Z", time.Hour,
			`{"case":"`+opened+`","findings":[{"finding":"not_actual","target":"`+low+`"}],"prev":"`+answered+`","reasons":"the cluster was changed"}`, attached("decision"))
		b.results[2].Verdict, b.results[2].Reason = verify.LaterCompromised, "compromised since 2026-06-01T00:00:00Z: this record came into the log before that"
		set, at, in := ms(b.t, "2026-03-02T09:00:00Z"), ms(b.t, "2026-04-01T10:00:00Z"), ms(b.t, "2026-03-03T09:00:00Z")
		b.known.Effects = []cases.Effect{{Target: low, By: decided, Case: opened, Index: 31, Kind: cases.Excluded, Reason: "not_actual"}}
		b.known.Cases = []cases.Status{
			{Case: asked, Kind: "correction", State: "withdrawn", Words: "withdrawn", Subject: car, Index: 19, Opened: ms(b.t, "2026-02-02T09:00:00Z"), By: cases.Party{Member: turin},
				For: "self", Targets: []string{low}, Claim: &cases.Claim{Field: "event_time", Reason: "wrong_date", Counts: cases.Counts{Unit: "SMI", EventTime: "2019-01-05T09:00:00+01:00"}}},
			{Case: opened, Kind: "dispute", State: "final", Words: "decided for good", Subject: car, Index: 25, Opened: set, By: cases.Party{Member: lyon, Actor: "anna"},
				For: "buyer", Says: "rolled_back", Arbitrator: judges, Targets: []string{low}, Answered: []cases.Party{{Member: turin}},
				Decisions: []cases.Decision{{Hash: decided, By: cases.Party{Member: judges}, Index: 31, Time: at, Finding: map[string]string{low: "not_actual"}}},
				Clocks: []cases.ClockStatus{
					{Name: "answer", Set: set, Target: ms(b.t, "2026-03-09T22:59:59Z"), Breach: ms(b.t, "2026-03-11T22:59:59Z"), Met: in, Rules: 1},
					{Name: "appeal", Window: true, Set: at, Target: ms(b.t, "2026-05-01T21:59:59Z"), Over: true, Rules: 1}}}}
	}},
	{"not known", render.AsEntered, "2026-08-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2025-01-05T09:00:00+01:00", 101_500, "KMT")
		low := b.read(turin, "2026-01-05T09:00:00+01:00", 131_000, "KMT")
		opened := b.add(lyon, "dispute.opened/1", "2026-03-02T09:00:00+01:00", time.Hour,
			`{"arbitrator":"`+judges+`","claim":"reading_wrong","for":"buyer","remedy":"the price back","targets":["`+low+`"]}`, attached("claim"))
		b.withhold(b.add(turin, "service.visit/1", "2026-03-04T17:00:00+01:00", time.Hour,
			`{"lines":[{"pay":"customer","work_type":"oil"}],"odometer_work":false,"order_no":"A-1001","reading_in":"`+low+`","service_type":"maintenance"}`))
		b.known.Disputed = []string{low}
		b.known.Cases = []cases.Status{{Case: opened, Kind: "dispute", State: "opened", Words: "how it stands is not known", Open: true, Unclear: true, Subject: car, Index: 16,
			Opened: ms(b.t, "2026-03-02T09:00:00Z"), By: cases.Party{Member: lyon}, For: "buyer", Says: "reading_wrong", Arbitrator: judges,
			Targets: []string{low}, Readings: []string{low},
			Clocks: []cases.ClockStatus{{Name: "answer", Set: ms(b.t, "2026-03-02T09:00:00Z"), Target: ms(b.t, "2026-03-09T22:59:59Z"), Breach: ms(b.t, "2026-03-11T22:59:59Z"), Rules: 1}}}}
	}},
	{"withheld", render.AsEntered, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2021-01-05T09:00:00+01:00", 81_200, "KMT")
		b.withhold(b.add(lyon, "insurance.event/1", "2021-06-05T09:00:00+02:00", time.Hour, `{"claim":"`+strings.Repeat("A", 43)+`=","kind":"flood","severity":"severe"}`))
		b.withhold(b.read(turin, "2022-01-05T09:00:00+01:00", 61_000, "KMT"))
		b.read(lyon, "2023-01-05T09:00:00+01:00", 121_900, "KMT")
	}},
	{"recalled and claimed", render.AsEntered, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2026-01-05T09:00:00+01:00", 31_000, "KMT")
		id, at := strings.Repeat("ab", 32), ms(b.t, "2026-04-01T09:00:00Z")
		b.subjects = []string{"campaign/26V-014", car}
		b.add(maker, "recall.affects/1", "2026-04-01T10:00:00+02:00", time.Hour, `{"case":"`+id+`"}`)
		b.subjects = []string{car}
		claim := strings.Repeat("cd", 32)
		b.known.Cases = []cases.Status{
			{Case: id, Kind: "recall", State: "open", Words: "open, the owner is not told", Open: true, Subject: car, Index: 16, Opened: at, By: cases.Party{Member: maker},
				Campaign: "campaign/26V-014",
				Clocks:   []cases.ClockStatus{{Name: "notify", Set: at, Target: ms(b.t, "2026-04-08T21:59:59Z"), Breach: ms(b.t, "2026-04-29T21:59:59Z"), Overdue: ms(b.t, "2026-04-08T22:00:00Z"), Breached: true, Rules: 1}}},
			{Case: claim, Kind: "warranty", State: "suspended", Words: "suspended: the clock stands", Open: true, Subject: car, Index: 17, Opened: at, By: cases.Party{Member: lyon},
				For: "owner", Missing: []string{"defect_report"},
				Clocks: []cases.ClockStatus{{Name: "decide", Set: at, Target: ms(b.t, "2026-04-08T21:59:59Z"), Breach: ms(b.t, "2026-04-10T21:59:59Z"), Paused: ms(b.t, "2026-04-03T09:00:00Z"), Rules: 1}}},
			{Case: strings.Repeat("ef", 32), Kind: "order", State: "ordered", Words: "ordered, customs", Open: true, Subject: car, Index: 18, Opened: at, By: cases.Party{Member: lyon},
				About: claim, Done: []string{"in_import", "customs"}},
		}
	}},
	{"in miles", render.AsEntered, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2019-01-05T09:00:00+01:00", 80_467, "KMT")
		b.read(leeds, "2021-01-05T09:00:00Z", 70_000, "SMI")
		b.read(leeds, "2022-01-05T09:00:00Z", 100_000, "SMI")
		b.read(leeds, "2022-03-05T09:00:00Z", 60_000, "SMI")
		b.read(leeds, "2023-03-05T09:00:00Z", 66_000, "SMI")
	}},
	{"withheld and disputed", render.AsEntered, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2021-01-05T09:00:00+01:00", 81_200, "KMT")
		low := b.read(turin, "2022-01-05T09:00:00+01:00", 10_345, "KMT")
		b.withhold(b.add(lyon, "insurance.event/1", "2022-06-05T09:00:00+02:00", time.Hour, `{"claim":"`+strings.Repeat("A", 43)+`=","kind":"flood","severity":"severe"}`))
		b.read(lyon, "2023-01-05T09:00:00+01:00", 121_900, "KMT")
		b.known.Disputed = []string{low}
	}},
	{"from another car", render.AsEntered, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.read(lyon, "2021-01-05T09:00:00+01:00", 50_000, "KMT")
		b.subjects = []string{"vehicle/VF1AAAA0000000001"}
		b.read(turin, "2022-01-05T09:00:00+01:00", 60_000, "KMT")
		elsewhere, asked := b.results[1], strings.Repeat("ab", 32)
		b.results, b.subjects = b.results[:1], []string{car, "vehicle/VF1AAAA0000000001"}
		by := b.add(maker, "record.reattributed/1", "2022-03-01T09:00:00Z", time.Hour,
			`{"case":"`+asked+`","note":"`+base64.StdEncoding.EncodeToString(elsewhere.Record.Note)+`","prev":"`+asked+`","to_vehicle":"1N4AZ0CP1DC900001"}`)
		b.subjects = []string{car}
		b.read(leeds, "2024-01-05T09:00:00Z", 70_000, "KMT")
		b.known.Effects = []cases.Effect{{Target: verify.Hex(elsewhere.Hash), By: by, Case: asked, Index: 13, Kind: cases.Reattributed, Note: string(elsewhere.Record.Note)}}
	}},
	{"imported", render.AsEntered, "2026-05-04T12:00:00Z", func(b *logbook) {
		b.add(lyon, "vehicle.created/1", "2023-01-05", 12*time.Hour, `{"imported":true,"make":"Nissan","model":"Leaf"}`)
		b.read(lyon, "2023-01-06T09:00:00+01:00", 50_000, "KMT")
	}},
}

func attached(kind string) jcs.Field {
	return jcs.Field{Name: "attachments", Value: jcs.Array(jcs.Make(
		jcs.Field{Name: "bytes", Value: jcs.Number(100)}, jcs.Field{Name: "digest", Value: jcs.Text(strings.Repeat("A", 43) + "=")},
		jcs.Field{Name: "kind", Value: jcs.Text(kind)}, jcs.Field{Name: "media_type", Value: jcs.Text("application/pdf")},
		jcs.Field{Name: "salted", Value: jcs.Boolean(false)}))}
}

// What a layman reads of each story is as it was read and approved, and no
// line is wider than the page.
func TestStories(t *testing.T) {
	t.Parallel()
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			b := newLogbook(t)
			s.tell(b)
			got := render.Text(b.report(s.asOf), s.unit)
			path := filepath.Join("testdata", strings.ReplaceAll(s.name, " ", "_")+".txt")
			if *update {
				must(t, os.MkdirAll("testdata", 0o755))
				must(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			must(t, err)
			if got != string(want) {
				t.Errorf("%s reads otherwise; go test ./verify/render -update rewrites it:\n%s", path, got)
			}
			for line := range strings.Lines(got) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
}
