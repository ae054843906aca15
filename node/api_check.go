package node

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
)

// maxChecked is how many records one request may have checked: each reads
// and judges a vehicle's history.
const maxChecked = 256

// CheckAnswer says what would become of records if they were sent now.
type CheckAnswer struct {
	Records []CheckedRecord `json:"records"`
	Size    uint64          `json:"size"` // of the cosigned tree that was looked at
}

// CheckedRecord is the answer for one record.
type CheckedRecord struct {
	Status   string     `json:"status"` // acceptable, present or refused
	Error    *ErrorBody `json:"error,omitempty"`
	Warnings []Warning  `json:"warnings,omitempty"`
}

// Warning is what its author should look at before sending a record. It
// blocks nothing.
type Warning struct {
	Code       string `json:"code"`
	Text       string `json:"text"`
	Suggestion string `json:"suggestion,omitempty"`
}

// postCheck says whether records would be accepted, as far as can be told
// now, and warns. It changes nothing, here or elsewhere, and is answered from
// this node's own view: the state machine alone decides.
func (n *Node) postCheck(w http.ResponseWriter, r *http.Request, c caller) error {
	who, stranger := n.callerName(c, r)
	notes, _, done, err := n.readNotes(r, who)
	defer done()
	if err != nil {
		return err
	}
	if len(notes) > maxChecked {
		return fault.New("request_form", "notes", fmt.Sprintf("at most %d records are checked at once, here are %d", maxChecked, len(notes)))
	}
	return n.withHead(func(h *head) error {
		k := &checking{n: n, caller: c, view: h.view, cars: map[string]*car{}, earlier: map[[32]byte]*record.Record{},
			book: cases.NewMemory(), read: map[string]bool{}}
		out := CheckAnswer{Records: []CheckedRecord{}, Size: h.size}
		for _, note := range notes {
			var answer CheckedRecord
			var failed error
			if err := n.inTurn(r.Context(), who, func() { answer, failed = k.check(note) }); err != nil {
				return err
			}
			if failed != nil {
				return failed
			}
			if answer.Error != nil {
				n.rates.refuse(who, stranger, 1)
			}
			out.Records = append(out.Records, answer)
		}
		writeJSON(w, http.StatusOK, out)
		return nil
	})
}

// check answers for one record; the error is of this node.
func (k *checking) check(note []byte) (out CheckedRecord, err error) {
	r, err := k.n.precheck(note)
	if err == nil {
		err = k.authorised(r)
	}
	if err != nil {
		return refusedCheck(err), nil
	}
	index, found, err := k.view.Lookup(r.Author, r.UUID)
	if err != nil {
		return out, err
	}
	if found {
		same, err := k.same(r, index)
		if err != nil {
			return out, err
		}
		if same {
			return CheckedRecord{Status: "present"}, nil
		}
		return refusedCheck(fault.New("id_reused", "id", fmt.Sprintf("%s has used this id for another record, at log index %d", r.Author, index))), nil
	}
	out.Status = "acceptable"
	vehicle := r.Vehicle()
	if vehicle == "" {
		refused, err := k.takeCase(r)
		if err != nil {
			return out, err
		}
		if refused != nil {
			return refusedCheck(refused), nil
		}
		k.add(r, nil)
		return out, nil
	}
	v, err := k.car(vehicle)
	if err != nil {
		return out, err
	}
	refused, err := k.stands(r, v)
	if err != nil {
		return out, err
	}
	if refused != nil {
		return refusedCheck(refused), nil
	}
	out.Warnings = k.warnings(r, v)
	k.add(r, v)
	return out, nil
}

func refusedCheck(err error) CheckedRecord {
	body := errorBody(err)
	return CheckedRecord{Status: "refused", Error: &body}
}

// authorised asks the authority as of now.
func (k *checking) authorised(r *record.Record) (err error) {
	k.n.state.withAuthority(func(a *verify.Authority) {
		err = a.Check(r, verify.Place{Index: verify.MaxIndex, Time: k.n.now().UnixMilli()}, k.n.state.sigs.verify)
	})
	return err
}

// same reports whether the record at a log index has the same text.
func (k *checking) same(r *record.Record, index uint64) (bool, error) {
	leaf, err := k.view.Leaf(index)
	if err != nil {
		return false, err
	}
	n, err := certs.ParseNote(leaf, record.MaxBytes, record.MaxSignatures)
	return err == nil && n.Text == r.Text, nil
}

// stands decides what the state machine decides from other records of the
// vehicle; err is of this node.
func (k *checking) stands(r *record.Record, v *car) (refused, err error) {
	if r.Type == "vehicle.created/1" && v.created {
		return fault.New("created_twice", "type", r.Vehicle()+" has its vehicle.created already"), nil
	}
	for _, ref := range r.References() {
		other, _, err := k.find(ref.Hash)
		if err != nil {
			return nil, err
		}
		k.n.state.withAuthority(func(a *verify.Authority) { refused = a.CheckReference(r, ref, other) })
		if refused != nil {
			return refused, nil
		}
	}
	return k.takeCase(r)
}

// unlogged is the index of records of the same request.
const unlogged = verify.MaxIndex

// find looks for a record by its leaf hash: in the tree, and among those that
// were checked before it in the same request. nil if there is none.
func (k *checking) find(hash string) (r *record.Record, index uint64, err error) {
	raw, err := hex.DecodeString(hash)
	if err != nil || len(raw) != 32 {
		return nil, 0, nil
	}
	if r := k.earlier[[32]byte(raw)]; r != nil {
		return r, unlogged, nil
	}
	index, ok, err := k.view.Find([32]byte(raw))
	if err != nil || !ok {
		return nil, 0, err
	}
	leaf, err := k.view.Leaf(index)
	if err != nil {
		return nil, 0, err
	}
	r, _ = record.Open(leaf) // nil for a seal
	return r, index, nil
}

// firstRecord warns that a history begins: most often a mistyped VIN.
const firstRecord = "first_record"

// warnings are what the author should look at, but for what the record
// confirms already. Only the record's own author gets any: to others they
// would tell of a history that they may not read. An author who may not read
// it yet gets the code, and neither figures nor suggestions.
func (k *checking) warnings(r *record.Record, v *car) []Warning {
	if k.caller.member == nil || k.caller.member.Name != r.Author {
		return nil
	}
	var all []Warning
	if len(v.entries) == 0 && r.Subject("vehicle") != "" {
		all = append(all, Warning{Code: firstRecord, Text: "this is the first record of this VIN: compare it with the car, letter by letter"})
	}
	if len(v.entries) > 0 {
		all = append(all, k.doubts(r, v)...)
	}
	confirmed := r.Body.Get("confirmed").Strings()
	return slices.DeleteFunc(all, func(w Warning) bool { return slices.Contains(confirmed, w.Code) })
}
