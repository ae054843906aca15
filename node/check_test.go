package node_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

func TestChecking(t *testing.T) {
	t.Parallel()
	startCluster(t, nil).play(t, scene{"warnings", warnings}, scene{"refusals", wouldBeRefused}, scene{"nothing is written", checkingWritesNothing},
		scene{"a proof with the other histories", proofWithOthers})
}

// dated is a reading of a car on a day, at noon, by the dealer.
func (c *cluster) dated(vin, day string, value int64, confirmed ...string) record.Draft {
	d := c.draft(vin)
	d.EventTime, d.Precision = day+"T12:00:00Z", "minute"
	d.Body = d.Body.With("value", jcs.Number(value)).With("unit", jcs.Text("KMT"))
	if len(confirmed) > 0 {
		d.Body = d.Body.With("confirmed", jcs.Texts(confirmed))
	}
	return d
}

func codesOf(r node.CheckedRecord) string {
	var codes []string
	for _, w := range r.Warnings {
		codes = append(codes, w.Code)
	}
	return strings.Join(codes, " ")
}

// knownEverywhere submits and waits until every node shows it: reads are local.
func (c *cluster) knownEverywhere(notes ...[]byte) {
	c.t.Helper()
	answer := c.ack("leeds", notes...)
	for _, id := range c.IDs() {
		c.eventually("the records at "+id, func() bool { return c.Nodes[id].Status().Published >= answer.Size })
	}
}

// What is odd about a record is said before it goes in, with what may have
// been meant, to its author alone, and again and again until it is confirmed.
func warnings(t *testing.T, c *cluster) {
	ctx, yesterday := t.Context(), time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	car := newVIN()
	first := c.sign(c.dated(car, "2020-01-10", 61_100), c.signer)
	ans, err := c.as("lyon", dealer).Check(ctx, first)
	must(t, err)
	if got := codesOf(ans.Records[0]); got != "first_record" || ans.Records[0].Status != "acceptable" {
		t.Errorf("of a first record: %q, %+v", got, ans.Records[0])
	}
	c.knownEverywhere(first, c.sign(c.dated(car, "2021-01-10", 81_200), c.signer), c.sign(c.dated(car, "2023-01-10", 121_900), c.signer))

	slip := c.sign(c.dated(car, "2022-01-10", 10_145), c.signer)
	ans, err = c.as("turin", dealer).Check(ctx, slip)
	must(t, err)
	w := ans.Records[0].Warnings
	if len(w) == 0 || w[0].Code != "drop" || !strings.Contains(w[0].Suggestion, "101,45") || !strings.Contains(w[0].Text, "81,200 km") {
		t.Errorf("of a slip: %+v", w)
	}
	// It blocks nothing, and what was confirmed is not said again.
	kept := c.sign(c.dated(car, "2022-01-10", 10_145, "drop"), c.signer)
	ans, err = c.as("turin", dealer).Check(ctx, kept)
	must(t, err)
	if strings.Contains(codesOf(ans.Records[0]), "drop") {
		t.Errorf("confirmed, and said again: %q", codesOf(ans.Records[0]))
	}
	// What goes before it in the same request counts.
	two := newVIN()
	ans, err = c.as("leeds", dealer).Check(ctx, c.sign(c.dated(two, "2025-01-10", 90_000), c.signer), c.sign(c.dated(two, "2026-01-10", 9_000), c.signer))
	must(t, err)
	if got := codesOf(ans.Records[1]); !strings.Contains(got, "drop") || strings.Contains(got, "first_record") {
		t.Errorf("of the second of two: %q", got)
	}

	// An author who never saw the car learns that something is odd, and no figure.
	stranger, err := c.Signer(other)
	must(t, err)
	d := c.dated(car, yesterday, 9_000)
	d.Author = other
	ans, err = c.as("turin", other).Check(ctx, c.sign(d, stranger))
	must(t, err)
	said := ""
	for _, w := range ans.Records[0].Warnings {
		if w.Code == "drop" {
			said = w.Text
		}
		if strings.Contains(w.Text, "121,9") || w.Suggestion != "" {
			t.Errorf("a stranger is told: %+v", w)
		}
	}
	if said == "" {
		t.Errorf("a stranger is not warned: %+v", ans.Records[0])
	}
	// Whoever is not the author gets no warnings at all.
	ans, err = c.as("turin", other).Check(ctx, slip)
	must(t, err)
	if len(ans.Records[0].Warnings) > 0 {
		t.Errorf("another member is told: %+v", ans.Records[0].Warnings)
	}
	_, err = c.as("turin", "").Check(ctx, slip)
	refused(t, err, "unauthenticated")
}

// A refusal is told as it would come, and one record's does not hide
// another's answer.
func wouldBeRefused(t *testing.T, c *cluster) {
	ctx, car := t.Context(), newVIN()
	good := c.sign(c.dated(car, "2024-01-10", 10_000), c.signer)
	c.knownEverywhere(good)
	future := c.sign(c.dated(car, "2999-01-10", 10_000), c.signer)
	visit := c.draft(car)
	visit.Type = "service.visit/1"
	visitOf := func(hash string) []byte {
		visit.Body = jcs.Make(jcs.Field{Name: "lines", Value: jcs.Array(jcs.Make(jcs.Field{Name: "pay", Value: jcs.Text("customer")}, jcs.Field{Name: "work_type", Value: jcs.Text("oil")}))},
			jcs.Field{Name: "odometer_work", Value: jcs.Boolean(false)}, jcs.Field{Name: "order_no", Value: jcs.Text("A-1")},
			jcs.Field{Name: "reading_in", Value: jcs.Text(hash)}, jcs.Field{Name: "service_type", Value: jcs.Text("maintenance")})
		return c.sign(visit, c.signer)
	}
	stranger, err := certs.NewEd25519Signer(dealer, make([]byte, 32))
	must(t, err)
	forged := c.sign(c.dated(car, "2024-02-10", 10_000), stranger)
	next := c.sign(c.dated(car, "2024-03-10", 11_000), c.signer)
	created := c.draft(car)
	created.Type = "vehicle.created/1"
	created.Body = jcs.Make(jcs.Field{Name: "imported", Value: jcs.Boolean(false)}, jcs.Field{Name: "make", Value: jcs.Text("Nissan")}, jcs.Field{Name: "model", Value: jcs.Text("Leaf")})
	once := c.sign(created, c.signer)
	created.ID = c.draft(car).ID
	twice := c.sign(created, c.signer)
	requested := c.draft(car)
	requested.Type = "correction.requested/1"
	requested.Body = jcs.Make(jcs.Field{Name: "claim", Value: jcs.Make(jcs.Field{Name: "value", Value: jcs.Number(10_000)})}, jcs.Field{Name: "field", Value: jcs.Text("value")},
		jcs.Field{Name: "for", Value: jcs.Text("self")}, jcs.Field{Name: "noticed_by", Value: jcs.Text("author")}, jcs.Field{Name: "reason", Value: jcs.Text("digit_typo")},
		jcs.Field{Name: "target", Value: jcs.Text(verify.Hex(verify.LeafHash(good)))})
	nothing := c.sign(requested, c.signer)

	want := []string{"present", "future", "reference", "acceptable", "acceptable", "key_unknown", "acceptable", "created_twice", "no_change", "note_form"}
	ans, err := c.as("mutual", dealer).Check(ctx, good, future, visitOf(strings.Repeat("0", 64)), next, visitOf(verify.Hex(verify.LeafHash(next))), forged, once, twice, nothing, []byte("nonsense"))
	must(t, err)
	for i, r := range ans.Records {
		got := r.Status
		if r.Error != nil {
			got = r.Error.Code
		}
		if got != want[i] {
			t.Errorf("record %d: %s, want %s: %+v", i, got, want[i], r.Error)
		}
	}
	many := make([][]byte, 257)
	for i := range many {
		many[i] = good
	}
	_, err = c.as("mutual", dealer).Check(ctx, many...)
	refused(t, err, "request_form")
}

// Checking leaves the log and the cases as they are, and is answered without
// the leader.
func checkingWritesNothing(t *testing.T, c *cluster) {
	size, root := c.agree()
	car := newVIN()
	note := c.sign(c.dated(car, "2024-01-10", 10_000), c.signer)
	for _, id := range c.IDs() {
		if _, err := c.as(id, dealer).Check(t.Context(), note); err != nil {
			t.Error(err)
		}
	}
	if s, r := c.agree(); s != size || r != root {
		t.Errorf("the tree grew from %d to %d", size, s)
	}
	if ans, err := c.as("lyon", dealer).Check(t.Context(), note); err != nil || ans.Records[0].Status != "acceptable" {
		t.Errorf("%+v, %v", ans, err)
	}
}

// A vehicle's file carries its workshop and access histories for those who
// may have them, each by its own class.
func proofWithOthers(t *testing.T, c *cluster) {
	ctx, car := t.Context(), newVIN()
	subject := record.VehicleSubject(car)
	c.knownEverywhere(c.sign(c.dated(car, "2024-01-10", 10_000), c.signer))
	c.grant(car, jcs.Field{Name: "member", Value: jcs.Text(other)}, time.Now().Add(time.Hour), jcs.Texts([]string{"odometer.reading/1"}))
	data, err := c.as("leeds", dealer).Proof(ctx, subject, "workshop", "access")
	must(t, err)
	f, err := verify.ParseFile(data)
	must(t, err)
	if f.History("workshop/"+car) == nil || f.History("access/"+car) == nil {
		t.Error("the histories that were asked for are not in the file")
	}
	if rep := verify.Verify(data, verify.Options{Policy: c.policy(), Now: time.Now(), Subject: subject}); !rep.Verified || len(rep.Results) != 2 {
		t.Errorf("%d results: %v", len(rep.Results), rep.Failure)
	}
	// A grant for readings opens neither; an auditor may see access, and not the workshop.
	_, err = c.as("leeds", other).Proof(ctx, subject, "access")
	refused(t, err, "grant_scope")
	_, err = c.as("leeds", auditor).Proof(ctx, subject, "access")
	must(t, err)
	_, err = c.as("leeds", auditor).Proof(ctx, subject, "workshop")
	refused(t, err, "no_access")
	for _, with := range []string{"member", "workshop,workshop", "workshop,", "vehicle", base64.StdEncoding.EncodeToString([]byte{255})} {
		_, err := c.as("leeds", dealer).Proof(ctx, subject, with)
		refused(t, err, "request_form")
	}
}
