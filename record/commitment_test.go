package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

const (
	draftID  = "01970000-0000-7000-8000-000000000001"
	draftVIN = "VF1AAAA0000000001"
)

// draftOf is the text of an unsigned record without attachments or personal
// fields.
func draftOf(t testing.TB, typ string, body ...jcs.Field) string {
	t.Helper()
	text, err := Draft{
		Author: "dealer.example/lyon", Body: jcs.Make(body...), Captured: "2026-05-04T08:20:11Z", EventTime: "2026-05-04T10:12:00+02:00", ID: draftID,
		Origin: "milepost.example/demo/0123456789abcdef0123456789abcdef01234567", Precision: "minute", Subjects: []string{"vehicle/" + draftVIN}, Type: typ,
	}.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readingDraft(t testing.TB) string {
	return draftOf(t, "odometer.reading/1",
		jcs.Field{Name: "precision", Value: jcs.Text("exact")}, jcs.Field{Name: "purpose", Value: jcs.Text("service_in")},
		jcs.Field{Name: "result", Value: jcs.Text("read")}, jcs.Field{Name: "source", Value: jcs.Text("visual")},
		jcs.Field{Name: "unit", Value: jcs.Text("KMT")}, jcs.Field{Name: "value", Value: jcs.Number(84210)})
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if err == nil || fault.Code(err) != code {
		t.Errorf("%v, want the code %s", err, code)
	}
}

// The vectors were made by another implementation.
func TestCommitmentVectors(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/commitments.tsv")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, l := range strings.Split(strings.TrimSpace(string(data)), "\n")[1:] {
		c := strings.Split(l, "\t")
		raw, err := hex.DecodeString(c[1])
		if err != nil {
			t.Fatal(err)
		}
		value, err := hex.DecodeString(c[4])
		if err != nil { // 00..ff*300
			var all []byte
			for i := range 256 {
				all = append(all, byte(i))
			}
			value = bytes.Repeat(all, 300)
		}
		key := CommitmentKey(raw)
		if got := key.Commit(c[2], c[3], string(value)); got != c[5] {
			t.Errorf("%s: %s, want %s", c[0], got, c[5])
		}
		h := key.Hash(c[2], c[3]) // in pieces, as a file is read
		for len(value) > 0 {
			n := min(1000, len(value))
			h.Write(value[:n])
			value = value[n:]
		}
		if got := FormatDigest(h.Sum(nil)); got != c[5] {
			t.Errorf("%s, in pieces: %s", c[0], got)
		}
		if seen[c[5]] {
			t.Errorf("%s: two commitments are the same", c[0])
		}
		seen[c[5]] = true
	}
	if len(seen) < 7 {
		t.Error("vectors are missing")
	}
}

func TestCommitmentKeysAreDrawn(t *testing.T) {
	t.Parallel()
	key, err := NewCommitmentKey(strings.NewReader(strings.Repeat("k", 40)))
	if err != nil || string(key[:]) != strings.Repeat("k", 32) {
		t.Errorf("%v, %v", key, err)
	}
	if _, err := NewCommitmentKey(strings.NewReader("short")); err == nil {
		t.Error("a key of too few bytes")
	}
}

func TestAttachmentsAreAddedToADraft(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("picture"))
	photo := Attachment{Bytes: 7, Digest: FormatDigest(sum[:]), Kind: "photo", MediaType: "image/jpeg"}
	bill := Attachment{Bytes: 1 << 40, Digest: CommitmentKey{1}.Commit(draftID, AttachmentField, "bill"), Kind: "invoice", MediaType: "application/pdf", Salted: true}
	text, err := Attach(readingDraft(t), photo)
	if err != nil {
		t.Fatal(err)
	}
	if text, err = Attach(text, bill); err != nil {
		t.Fatal(err)
	}
	r, err := OpenDraft(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Attachments(); len(got) != 2 || got[0] != photo || got[1] != bill {
		t.Errorf("%+v", got)
	}
	_, err = Attach(text, bill)
	wantCode(t, err, "attached_twice")
	for name, a := range map[string]Attachment{
		"empty":     {Bytes: 0, Digest: photo.Digest, Kind: "photo", MediaType: "image/jpeg"},
		"too large": {Bytes: MaxAttachmentBytes + 1, Digest: photo.Digest, Kind: "photo", MediaType: "image/jpeg"},
		"kind":      {Bytes: 7, Digest: photo.Digest, Kind: "A photo", MediaType: "image/jpeg"},
		"digest":    {Bytes: 7, Digest: "short", Kind: "photo", MediaType: "image/jpeg"},
	} {
		if _, err := Attach(text, a); fault.Code(err) != "field" || !strings.Contains(err.Error(), "attachments[2]") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var many []Attachment
	for i := range MaxAttached + 1 {
		many = append(many, Attachment{Bytes: int64(i + 1), Digest: photo.Digest, Kind: "photo", MediaType: "image/jpeg"})
	}
	if _, err := Attach(readingDraft(t), many[:MaxAttached]...); err != nil {
		t.Error(err)
	}
	_, err = Attach(readingDraft(t), many...)
	wantCode(t, err, "field")
	key, err := certs.NewEd25519Signer("dealer.example/lyon", make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	note, err := Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	if signed, err := Open(note); err != nil || len(signed.Attachments()) != 2 {
		t.Errorf("%v", err)
	}
	_, err = Attach(string(note), photo)
	wantCode(t, err, "record_form")
	_, err = Commit(string(note))
	wantCode(t, err, "record_form")
}

func TestOpeningsFitTheirRecords(t *testing.T) {
	t.Parallel()
	plate := NewOpening(CommitmentKey{1}, draftID, "plate", "AB-123-CD")
	again := NewOpening(CommitmentKey{2}, draftID, "plate", "AB-123-CD")
	text, err := Commit(readingDraft(t), plate, again)
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenDraft(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []Committed{{plate.Commitment, "plate"}, {again.Commitment, "plate"}}
	if got := r.Commitments(); fmt.Sprint(got) != fmt.Sprint(want) || plate.Commitment == again.Commitment {
		t.Errorf("%v", got)
	}
	if strings.Contains(text, "AB-123-CD") {
		t.Error("the value itself is in the record")
	}
	for name, change := range map[string]func(*Opening){
		"value":      func(o *Opening) { o.Value = "AB-123-CE" },
		"key":        func(o *Opening) { o.Key[31] ^= 1 },
		"record":     func(o *Opening) { o.Record = draftID[:35] + "2" },
		"field":      func(o *Opening) { o.Field = "mark" },
		"commitment": func(o *Opening) { o.Commitment = again.Commitment },
		"attachment": func(o *Opening) { *o = NewOpening(o.Key, draftID, AttachmentField, o.Value) },
	} {
		o := plate
		if change(&o); o.Fits() {
			t.Errorf("another %s fits", name)
		}
	}
	if !plate.Fits() || !again.Fits() {
		t.Error("an opening does not fit")
	}
	_, err = Commit(text, NewOpening(CommitmentKey{1}, draftID[:35]+"2", "plate", "x"))
	wantCode(t, err, "record_other")
	_, err = Commit(text, NewOpening(CommitmentKey{1}, draftID, AttachmentField, "x"))
	wantCode(t, err, "field")
	_, err = Commit(text, NewOpening(CommitmentKey{1}, draftID, "Plate", "x"))
	wantCode(t, err, "field")
}

// A body has commitments of its own; those of lists are found too.
func TestCommitmentsOfABody(t *testing.T) {
	t.Parallel()
	cost := CommitmentKey{7}.Commit(draftID, "cost", "129.00 EUR")
	line := jcs.Make(jcs.Field{Name: "cost", Value: jcs.Text(cost)}, jcs.Field{Name: "pay", Value: jcs.Text("customer")}, jcs.Field{Name: "work_type", Value: jcs.Text("oil")})
	r, err := OpenDraft(draftOf(t, "service.visit/1",
		jcs.Field{Name: "lines", Value: jcs.Array(line)}, jcs.Field{Name: "odometer_work", Value: jcs.Boolean(false)}, jcs.Field{Name: "order_no", Value: jcs.Text("A-1")},
		jcs.Field{Name: "reading_in", Value: jcs.Text(strings.Repeat("0", 64))}, jcs.Field{Name: "service_type", Value: jcs.Text("maintenance")}))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Commitments(); len(got) != 1 || got[0] != (Committed{cost, "cost"}) {
		t.Errorf("%v", got)
	}
	typ := &Type{Body: Object{{Name: "mark", Kind: digest}, {Name: "note", Kind: Text{10}}}}
	if !typ.commitsTo("mark") || typ.commitsTo("note") || typ.commitsTo("plate") {
		t.Error("which fields of a body take a commitment is not told")
	}
}

func TestOpeningsAreWrittenAndRead(t *testing.T) {
	t.Parallel()
	var key CommitmentKey
	copy(key[:], "0123456789abcdef0123456789abcdef")
	os := []Opening{
		NewOpening(key, draftID, "plate", `AB "123" \ Zoë`),
		{Commitment: key.Commit(draftID, AttachmentField, "bytes"), Field: AttachmentField, Key: key, Record: draftID},
	}
	data, err := FormatOpenings(os)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseOpenings(data)
	if err != nil || len(got) != 2 || got[0] != os[0] || got[1] != os[1] {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "no newline": data[:len(data)-1], "space": append([]byte(" "), data...), "no openings": []byte(`{"format":"milepost/openings@v1"}` + "\n"),
		"format":       bytes.Replace(data, []byte("openings@v1"), []byte("openings@v2"), 1),
		"short key":    bytes.Replace(data, []byte(`"key":"MDEy`), []byte(`"key":"`), 1),
		"unknown":      bytes.Replace(data, []byte(`"field":"plate"`), []byte(`"colour":"red","field":"plate"`), 1),
		"no value":     bytes.Replace(data, []byte(`"field":"attachment"`), []byte(`"field":"bill"`), 1),
		"needless":     bytes.Replace(data, []byte(`"field":"plate"`), []byte(`"field":"attachment"`), 1),
		"no record id": bytes.Replace(data, []byte(draftID), []byte("x"), 1),
	} {
		if bytes.Equal(bad, data) {
			t.Fatalf("%s changes nothing", name)
		}
		_, err := ParseOpenings(bad)
		wantCode(t, err, "openings_form")
	}
	if _, err := FormatOpenings(nil); err == nil {
		t.Error("a file without openings was written")
	}
	if _, err := FormatOpenings([]Opening{NewOpening(key, draftID, "plate", "a\nb")}); err == nil {
		t.Error("a value that no record text could hold was written")
	}
}

func FuzzParseOpenings(f *testing.F) {
	data, err := FormatOpenings([]Opening{NewOpening(CommitmentKey{1}, draftID, "plate", "AB-123-CD"), {
		Commitment: CommitmentKey{2}.Commit(draftID, AttachmentField, "x"), Field: AttachmentField, Record: draftID}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":"milepost/openings@v1","openings":[]}` + "\n"))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		os, err := ParseOpenings(data)
		if err != nil {
			var e *fault.Error
			if !errors.As(err, &e) || e.Code != "openings_form" {
				t.Fatalf("%v", err)
			}
			return
		}
		if again, err := FormatOpenings(os); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%q becomes %q, %v", data, again, err)
		}
	})
}
