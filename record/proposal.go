package record

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// Caps of a proposal file.
const (
	MaxProposal        = 8 << 20 // bytes
	MaxProposalRecords = 256
)

const proposalFormat = "milepost/proposal@v1"

// Proposal is one or more records that are gathering signatures: what one
// governor drafts, and the others add theirs to wherever they sit. It is a
// file of canonical JSON and a newline:
//
//	{"format":"milepost/proposal@v1","records":[
//	  {"signatures":["— name base64"],"signers":["vkey",...],"text":"milepost/record@v1\n..."}]}
//
// The file is a means of transport and proves nothing: the log takes the
// records alone, and judges them alone.
type Proposal struct {
	Records []*Proposed
}

// Proposed is one record of a proposal.
type Proposed struct {
	Text    string
	Record  *Record          // what the text says; it has no note and no signatures yet
	Signers []certs.Verifier // who is to sign, sorted by name; the first is the author
	Sigs    []certs.Sig      // gathered so far, sorted by name; all of them fit
}

// Propose makes a proposal of one record. Whoever is to sign is named by
// verifier key.
func Propose(text string, signers ...string) (*Proposed, error) {
	r, err := openText(text)
	if err != nil {
		return nil, err
	}
	if r.Def == nil {
		return nil, ErrUnknownType(r.Type)
	}
	p := &Proposed{Text: text, Record: r}
	for _, s := range signers {
		v, err := certs.ParseVKey(s)
		if err != nil {
			return nil, err
		}
		if v.Type() != certs.Ed25519 {
			return nil, badProposal("signers", fmt.Sprintf("the key of %s is not of type 0x01", v.Name()))
		}
		p.Signers = append(p.Signers, v)
	}
	slices.SortFunc(p.Signers, func(a, b certs.Verifier) int { return strings.Compare(a.Name(), b.Name()) })
	switch n := len(p.Signers); {
	case n == 0 || n > MaxSignatures:
		return nil, badProposal("signers", fmt.Sprintf("1 to %d are expected, here are %d", MaxSignatures, n))
	case p.Signers[0].Name() != r.Author:
		return nil, badProposal("signers", fmt.Sprintf("the author, %s, is not the first of them by name", clip(r.Author)))
	}
	for i := 1; i < len(p.Signers); i++ {
		if p.Signers[i-1].Name() == p.Signers[i].Name() {
			return nil, badProposal("signers", p.Signers[i].Name()+" stands there twice")
		}
	}
	return p, nil
}

func badProposal(where, what string) *fault.Error {
	return fault.New("proposal_form", where, "not a proposal: "+what)
}

// Bytes writes the proposal in its one form.
func (p *Proposal) Bytes() []byte {
	records := jcs.Array()
	for _, r := range p.Records {
		var signers, sigs []string
		for _, s := range r.Signers {
			signers = append(signers, s.VKey())
		}
		for _, s := range r.Sigs {
			sigs = append(sigs, strings.TrimSuffix(s.Line(), "\n"))
		}
		records.List = append(records.List, jcs.Make(
			jcs.Field{Name: "signatures", Value: jcs.Texts(sigs)}, jcs.Field{Name: "signers", Value: jcs.Texts(signers)},
			jcs.Field{Name: "text", Value: jcs.Text(r.Text)}))
	}
	return append(jcs.Make(jcs.Field{Name: "format", Value: jcs.Text(proposalFormat)},
		jcs.Field{Name: "records", Value: records}).Bytes(), '\n')
}

// ParseProposal reads a proposal file strictly. It checks the signatures that
// the file holds: one that does not fit refuses the file.
func ParseProposal(data []byte) (*Proposal, error) {
	if len(data) > MaxProposal {
		return nil, fault.New("too_large", "", fmt.Sprintf("a proposal has at most %d bytes, this file has more", MaxProposal))
	}
	body, ok := bytes.CutSuffix(data, []byte("\n"))
	v, err := jcs.Parse(body, jcs.Limits{Bytes: MaxProposal, Depth: 4, Values: 4 + MaxProposalRecords*(5+2*MaxSignatures), Newlines: true})
	if err != nil || !ok {
		return nil, badProposal("", "it is not canonical JSON and a newline").Because(err).
			WithHint("it comes from `milepost member propose`; mail programs change bytes, so send it as an attachment")
	}
	if got := v.Get("format").Str; got != proposalFormat {
		return nil, badProposal("format", fmt.Sprintf("%+q is not %s", clip(got), proposalFormat))
	}
	list := v.Get("records").List
	if n := len(list); n == 0 || n > MaxProposalRecords {
		return nil, badProposal("records", fmt.Sprintf("1 to %d are expected, here are %d", MaxProposalRecords, n))
	}
	p := &Proposal{}
	for i, e := range list {
		r, err := Propose(e.Get("text").Str, e.Get("signers").Strings()...)
		if err == nil {
			err = r.take(e.Get("signatures").Strings())
		}
		if err != nil {
			return nil, fault.New(fault.Code(err), fmt.Sprintf("records[%d]", i), err.Error()).WithHint(fault.Hint(err))
		}
		p.Records = append(p.Records, r)
	}
	// Unknown, missing, mistyped or unsorted parts would make a difference.
	if !bytes.Equal(p.Bytes(), data) {
		return nil, badProposal("", "it has a field that does not belong there, or lacks one")
	}
	return p, nil
}

// take adds signature lines that must all be by signers and fit.
func (p *Proposed) take(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	n, err := certs.ParseNote([]byte(p.Text+"\n"+strings.Join(lines, "\n")+"\n"), MaxBytes, MaxSignatures)
	if err != nil {
		return err
	}
	if n.Text != p.Text {
		return badProposal("signatures", "text stands among them")
	}
	for _, s := range n.Sigs {
		if err := p.add(s); err != nil {
			return err
		}
	}
	return nil
}

// add puts a signature in its place. It must fit and be the signer's first.
func (p *Proposed) add(s certs.Sig) error {
	v := p.signer(s.Name, s.ID)
	if v == nil {
		return fault.New("proposal_signer", "", fmt.Sprintf("%s (key %08x) is not one of those who are to sign", clip(s.Name), s.ID)).
			WithHint("they are " + p.names())
	}
	if p.signed(v) {
		return fault.New("proposal_signed", "", v.Name()+" has signed already")
	}
	if !v.Verify([]byte(p.Text), s.Bytes) {
		return fault.New("signature", "", "the signature by "+v.Name()+" does not fit the record")
	}
	at, _ := slices.BinarySearchFunc(p.Sigs, s.Name, func(have certs.Sig, name string) int { return strings.Compare(have.Name, name) })
	p.Sigs = slices.Insert(p.Sigs, at, s)
	return nil
}

func (p *Proposed) signer(name string, id uint32) certs.Verifier {
	for _, v := range p.Signers {
		if v.Name() == name && v.ID() == id {
			return v
		}
	}
	return nil
}

func (p *Proposed) signed(v certs.Verifier) bool {
	return slices.ContainsFunc(p.Sigs, func(s certs.Sig) bool { return s.Name == v.Name() })
}

func (p *Proposed) names() string {
	var names []string
	for _, v := range p.Signers {
		names = append(names, fmt.Sprintf("%s (key %s)", v.Name(), certs.FormatID(v.ID())))
	}
	return strings.Join(names, ", ")
}

// Missing lists the names of those who have yet to sign.
func (p *Proposed) Missing() (names []string) {
	for _, v := range p.Signers {
		if !p.signed(v) {
			names = append(names, v.Name())
		}
	}
	return names
}

// AsIfSigned returns the record as it would be with signatures by all its
// signers that nobody made: for asking beforehand what else the log would say.
func (p *Proposed) AsIfSigned() *Record {
	r := *p.Record
	r.Sigs = nil
	for _, v := range p.Signers {
		r.Sigs = append(r.Sigs, certs.Sig{Name: v.Name(), ID: v.ID(), Bytes: make([]byte, 64)})
	}
	return &r
}

// Note returns the signed record. Every signer must have signed: the log
// takes a record with exactly the signatures that it asks for.
func (p *Proposed) Note() ([]byte, error) {
	if missing := p.Missing(); len(missing) > 0 {
		return nil, fault.New("proposal_unsigned", "", fmt.Sprintf("%s: not signed yet by %s", p.Record.Type, strings.Join(missing, ", "))).
			WithHint("they add their signatures with `milepost member sign FILE --key KEYFILE`")
	}
	note := (&certs.Note{Text: p.Text, Sigs: p.Sigs}).Bytes()
	_, err := Open(note)
	return note, err
}

// Sign adds a signer's signature to every record that names the signer and
// lacks it, and returns how many those were. Without one it is an error:
// proposal_signer if none names this key, proposal_signed if all bear its
// signature already.
func (p *Proposal) Sign(s certs.Signer) (int, error) {
	n, last := 0, error(nil)
	for _, r := range p.Records {
		v := r.signer(s.Name(), s.ID())
		if v == nil || r.signed(v) {
			err := r.add(certs.Sig{Name: s.Name(), ID: s.ID()})
			if last == nil || fault.Code(err) == "proposal_signed" {
				last = err
			}
			continue
		}
		sig, err := s.Sign([]byte(r.Text))
		if err != nil {
			return n, err
		}
		if err := r.add(sig); err != nil {
			return n, err
		}
		n++
	}
	if n == 0 {
		return 0, last
	}
	return n, nil
}

// Merge takes over the signatures of another copy of the same proposal that
// someone else has signed.
func (p *Proposal) Merge(other *Proposal) error {
	differs := len(p.Records) != len(other.Records)
	for i := 0; i < len(p.Records) && !differs; i++ {
		differs = p.Records[i].Text != other.Records[i].Text || p.Records[i].names() != other.Records[i].names()
	}
	if differs {
		return fault.New("proposal_other", "", "the two files are not copies of one proposal")
	}
	for i, r := range p.Records {
		for _, s := range other.Records[i].Sigs {
			if !r.signed(r.signer(s.Name, s.ID)) {
				if err := r.add(s); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
