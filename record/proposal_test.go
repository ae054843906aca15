package record

import (
	"bytes"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

var (
	chair = testKey("board.example/chair", "chair")
	clerk = testKey("board.example/clerk", "clerk")
)

// proposalOf drafts an admission that two governors are to sign.
func proposalOf(t testing.TB, records int) *Proposal {
	t.Helper()
	p := &Proposal{}
	for range records {
		e := exampleOf("member.admitted/1").With("author", jcs.Text(chair.Name()))
		fields := e.Obj[:0:0]
		for _, f := range e.Obj {
			if f.Name != "actor" {
				fields = append(fields, f)
			}
		}
		r, err := Propose(Header+"\n"+string(jcs.Make(fields...).Bytes())+"\n", clerk.VKey(), chair.VKey())
		if err != nil {
			t.Fatal(err)
		}
		p.Records = append(p.Records, r)
	}
	return p
}

func TestAProposalGathersSignaturesOneByOne(t *testing.T) {
	t.Parallel()
	p := proposalOf(t, 2)
	if _, err := p.Records[0].Note(); fault.Code(err) != "proposal_unsigned" || !strings.Contains(err.Error(), "board.example/chair, board.example/clerk") {
		t.Fatalf("without signatures: %v", err)
	}
	// The order in which they sign is no matter; each passes the file on.
	for i, s := range []certs.Signer{clerk, chair} {
		back, err := ParseProposal(p.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if n, err := back.Sign(s); n != 2 || err != nil {
			t.Fatalf("%s signed %d records: %v", s.Name(), n, err)
		}
		if got := back.Records[1].Missing(); len(got) != 1-i {
			t.Fatalf("missing: %v", got)
		}
		p = back
	}
	for _, r := range p.Records {
		note, err := r.Note()
		if err != nil {
			t.Fatal(err)
		}
		opened, err := Open(note)
		if err != nil || len(opened.Sigs) != 2 || opened.Author != chair.Name() {
			t.Fatalf("the note: %v", err)
		}
		for i, v := range []certs.Signer{chair, clerk} {
			k, _ := certs.ParseVKey(v.VKey())
			if !k.Verify([]byte(opened.Text), opened.Sigs[i].Bytes) {
				t.Fatalf("the signature by %s does not fit", v.Name())
			}
		}
	}
}

func TestASignatureThatDoesNotBelongIsRefused(t *testing.T) {
	t.Parallel()
	p := proposalOf(t, 1)
	if _, err := p.Sign(testKey("board.example/stranger", "x")); fault.Code(err) != "proposal_signer" || !strings.Contains(fault.Hint(err), chair.Name()) {
		t.Errorf("a stranger: %v, %s", err, fault.Hint(err))
	}
	if _, err := p.Sign(testKey(chair.Name(), "another key of the chair's")); fault.Code(err) != "proposal_signer" {
		t.Errorf("a governor with another key: %v", err)
	}
	if _, err := p.Sign(chair); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Sign(chair); fault.Code(err) != "proposal_signed" {
		t.Errorf("a second signature: %v", err)
	}
	if len(p.Records[0].Sigs) != 1 {
		t.Errorf("%d signatures are kept", len(p.Records[0].Sigs))
	}
}

func TestCopiesThatWereSignedApartAreMerged(t *testing.T) {
	t.Parallel()
	a, b := proposalOf(t, 2), proposalOf(t, 2)
	a.Sign(chair)
	b.Sign(clerk)
	if err := a.Merge(b); err != nil {
		t.Fatal(err)
	}
	if err := a.Merge(b); err != nil {
		t.Fatalf("a second time: %v", err)
	}
	for _, r := range a.Records {
		if len(r.Missing()) > 0 {
			t.Errorf("missing after merging: %v", r.Missing())
		}
	}
	if err := a.Merge(proposalOf(t, 1)); fault.Code(err) != "proposal_other" {
		t.Errorf("another proposal: %v", err)
	}
	c := proposalOf(t, 2)
	other, err := Propose(strings.Replace(c.Records[1].Text, `"zone":"Europe/Paris"`, `"zone":"Europe/Rome"`, 1), chair.VKey(), clerk.VKey())
	if err != nil {
		t.Fatal(err)
	}
	c.Records[1] = other
	if err := a.Merge(c); fault.Code(err) != "proposal_other" {
		t.Errorf("a copy with another zone: %v", err)
	}
}

func TestProposalFilesAreStrict(t *testing.T) {
	t.Parallel()
	p := proposalOf(t, 1)
	if _, err := p.Sign(clerk); err != nil {
		t.Fatal(err)
	}
	good := string(p.Bytes())
	if _, err := ParseProposal([]byte(good)); err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSuffix(p.Records[0].Sigs[0].Line(), "\n")
	for name, c := range map[string]struct{ from, to, code string }{
		"no newline":             {"\n", "", "proposal_form"},
		"a space":                {`"format":`, `"format": `, "proposal_form"},
		"another format":         {"proposal@v1", "proposal@v2", "proposal_form"},
		"an unknown field":       {`{"format"`, `{"a":1,"format"`, "proposal_form"},
		"an unknown inner field": {`{"signatures"`, `{"a":1,"signatures"`, "proposal_form"},
		"no records":             {good[strings.Index(good, "[{\"signatures"):], "[]}\n", "proposal_form"},
		"a changed text":         {`\"country\":\"FR\"`, `\"country\":\"DE\"`, "signature"},
		"a signature twice":      {line, line + `","` + line, "proposal_signed"},
		"a malformed signature":  {line, "— x", "note_form"},
		"text as a signature":    {line, `x\n\n` + line, "proposal_form"},
		"a signer twice":         {clerk.VKey(), clerk.VKey() + `","` + clerk.VKey(), "proposal_form"},
		"no signer":              {`"` + chair.VKey() + `","` + clerk.VKey() + `"`, "", "proposal_form"},
		"an author who is none":  {`"` + chair.VKey() + `","`, `"`, "proposal_form"},
		"unsorted signers":       {`"` + chair.VKey() + `","` + clerk.VKey() + `"`, `"` + clerk.VKey() + `","` + chair.VKey() + `"`, "proposal_form"},
		"no record":              {`milepost/record@v1\n`, `milepost/record@v2\n`, "record_form"},
		"a TLS pin as a signer":  {clerk.VKey(), testPin("a"), "key_form"},
	} {
		from := c.from
		data := strings.Replace(good, from, c.to, 1)
		if name == "no newline" {
			data = strings.TrimSuffix(good, "\n")
		}
		if data == good {
			t.Errorf("%s changes nothing", name)
		}
		if _, err := ParseProposal([]byte(data)); fault.Code(err) != c.code {
			t.Errorf("%s: %s is expected, not %v [%s]", name, c.code, err, fault.Code(err))
		}
	}
	if _, err := ParseProposal(make([]byte, MaxProposal+1)); fault.Code(err) != "too_large" {
		t.Errorf("an enormous file: %v", err)
	}
}

func TestAsIfSignedNamesEverySigner(t *testing.T) {
	t.Parallel()
	p := proposalOf(t, 1).Records[0]
	r := p.AsIfSigned()
	if len(r.Sigs) != 2 || r.Sigs[0].Name != chair.Name() || r.Sigs[1].ID != clerk.ID() || len(p.Record.Sigs) != 0 {
		t.Fatalf("signatures of the draft: %+v, of the proposal: %d", r.Sigs, len(p.Record.Sigs))
	}
}

// Whatever is read is written back byte for byte.
func FuzzParseProposal(f *testing.F) {
	p := proposalOf(f, 1)
	f.Add(p.Bytes())
	p.Sign(chair)
	f.Add(p.Bytes())
	f.Add([]byte(`{"format":"milepost/proposal@v1","records":[]}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseProposal(data)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Bytes(), data) {
			t.Fatal("written out it differs")
		}
		for _, r := range p.Records {
			if _, err := r.Note(); err != nil && fault.Code(err) != "proposal_unsigned" {
				t.Fatalf("fully signed it gives no record: %v", err)
			}
		}
	})
}
