package record

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
)

func testDraft() Draft {
	return Draft{
		Author: testAuthor, Body: examples["odometer.reading/1"].body, Captured: "2026-05-04T08:20:11Z", EventTime: "2026-05-04T10:12:00+02:00",
		ID: testID, Origin: testOrigin, Precision: "minute", Subjects: []string{"vehicle/" + testVIN}, Type: "odometer.reading/1",
	}
}

func TestADraftIsSigned(t *testing.T) {
	t.Parallel()
	d := testDraft()
	d.Actor, d.More = "fitter.1", []jcs.Field{{Name: "refs", Value: jcs.Texts([]string{testHash})}}
	text, err := d.Text()
	if err != nil {
		t.Fatal(err)
	}
	key := testKey(testAuthor, "workshop")
	note, err := Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(note)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := certs.ParseVKey(key.VKey())
	if !v.Verify([]byte(r.Text), r.Sigs[0].Bytes) || r.Text != text || r.Actor != "fitter.1" || r.Envelope.Get("refs").List[0].Str != testHash {
		t.Errorf("%+v", r)
	}
	if again, _ := Sign(text, key); !bytes.Equal(again, note) {
		t.Error("a record has two signatures")
	}
}

func TestSignaturesAreSorted(t *testing.T) {
	t.Parallel()
	d := testDraft()
	d.Type, d.Body, d.Subjects = "key.revoked/1", examples["key.revoked/1"].body, []string{"member/" + testAuthor}
	d.Author = "assoc.example"
	text, err := d.Text()
	if err != nil {
		t.Fatal(err)
	}
	note, err := Sign(text, testKey("maker.example", "b"), testKey("assoc.example", "a"))
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := Open(note); r.Sigs[0].Name != "assoc.example" || r.Sigs[1].Name != "maker.example" {
		t.Errorf("%+v", r.Sigs)
	}
	_, err = Sign(text, testKey("maker.example", "b"))
	refused(t, err, "author", "the record is by assoc.example, the signature by maker.example")
	_, err = Sign(text)
	refused(t, err, "note_form", "it has no signature")
}

func TestADraftIsCheckedAsOpenWould(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change      func(*Draft)
		code, words string
	}{
		{func(d *Draft) { d.Type = "vehicle.painted/1" }, "unknown_type", `"vehicle.painted/1" is not a known record type`},
		{func(d *Draft) { d.Body = jcs.Value{} }, "field", "body: this field is missing"},
		{func(d *Draft) { d.Author = "" }, "field", "author:"},
		{func(d *Draft) { d.Subjects = nil }, "field", "subjects:"},
		{func(d *Draft) { d.ID = "x" }, "field", "id:"},
		{func(d *Draft) { d.More = []jcs.Field{{Name: "author", Value: jcs.Text("b")}} }, "json_form", "there twice"},
		{func(d *Draft) { d.More = []jcs.Field{{Name: "aside", Value: jcs.Text("b")}} }, "field", "aside: there is no such field"},
		{func(d *Draft) { d.Actor = "No One" }, "field", "actor:"},
	} {
		d := testDraft()
		c.change(&d)
		_, err := d.Text()
		refused(t, err, c.code, c.words)
	}
}

// Whatever Open takes is canonical, and says the same when opened again.
func FuzzOpen(f *testing.F) {
	for _, d := range Types() {
		f.Add(noteOf(exampleOf(d.Name)))
	}
	f.Add(noteOf(testEnvelope("vehicle.painted/1", "vehicle/"+testVIN, obj())))
	f.Fuzz(func(t *testing.T, note []byte) {
		r, err := Open(note)
		if err != nil {
			if strings.ContainsFunc(err.Error(), jcs.Forbidden) {
				t.Fatalf("the message carries what a terminal obeys: %q", err)
			}
			return
		}
		n, err := certs.ParseNote(note, MaxBytes, MaxSignatures)
		if err != nil || n.Text != r.Text || Header+"\n"+string(r.Envelope.Bytes())+"\n" != r.Text {
			t.Fatalf("it is not canonical: %v", err)
		}
		for _, s := range r.Subjects {
			if _, err := SubjectClass(s); err != nil {
				t.Fatal(err)
			}
		}
		r.References()
		if r.Def == nil {
			return
		}
		if what, _ := r.Def.Say(r.Body); what == "" || r.Vehicle() == "" && slices.Contains(r.Def.ReadClasses(), "V") {
			t.Fatalf("%s says %q of %q", r.Type, what, r.Vehicle())
		}
	})
}
