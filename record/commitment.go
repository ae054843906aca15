package record

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"io"

	"github.com/milepost-log/milepost/record/jcs"
)

// CommitmentHeader begins the message of every commitment.
const CommitmentHeader = "milepost/personal@v1"

// AttachmentField is the field of the commitment to an attachment. No other
// value is committed to under it.
const AttachmentField = "attachment"

// CommitmentKey makes one commitment, and opens it: whoever has it can tell
// whether a value is the one meant. Without it the commitment says nothing,
// not even to who tries every value there is.
type CommitmentKey [32]byte

// NewCommitmentKey draws a key from random.
func NewCommitmentKey(random io.Reader) (key CommitmentKey, err error) {
	if _, err = io.ReadFull(random, key[:]); err != nil {
		return key, fmt.Errorf("draw a commitment key: %w", err)
	}
	return key, nil
}

// Hash returns a hash whose sum is the commitment to whatever is written to
// it: HMAC-SHA-256 (RFC 2104) under the key of the message
//
//	milepost/personal@v1 LF record id LF field LF value
//
// Of an attachment the value is the file's bytes, of text its UTF-8. Record
// and field are in the message, so that equal values of two records, or of
// two fields, don't show.
func (key CommitmentKey) Hash(id, field string) hash.Hash {
	h := hmac.New(sha256.New, key[:])
	io.WriteString(h, CommitmentHeader+"\n"+id+"\n"+field+"\n")
	return h
}

// Commit returns the commitment to a text as it stands in a record.
func (key CommitmentKey) Commit(id, field, value string) string {
	h := key.Hash(id, field)
	io.WriteString(h, value)
	return FormatDigest(h.Sum(nil))
}

// FormatDigest writes a digest or commitment as it stands in a record:
// padded base64, RFC 4648 section 4.
func FormatDigest(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

// sameDigest compares two digests in their one form.
func sameDigest(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Committed is a commitment in a record and the field that it is about.
type Committed struct {
	Commitment string
	Field      string
}

// Commitments lists what a record commits to: its `personal`, then the
// fields of its body that hold a commitment. Of a type that this program
// does not know only the former can be told.
func (r *Record) Commitments() (cs []Committed) {
	for _, p := range r.Envelope.Get("personal").List {
		cs = append(cs, Committed{p.Get("commitment").Str, p.Get("field").Str})
	}
	if r.Def != nil {
		cs = commitmentsIn(cs, r.Def.Body, r.Body)
	}
	return cs
}

func commitmentsIn(cs []Committed, k Kind, v jcs.Value) []Committed {
	switch k := k.(type) {
	case Object:
		for _, f := range k {
			fv := v.Get(f.Name)
			switch {
			case fv.Kind == 0:
			case isCommitment(f.Kind):
				cs = append(cs, Committed{fv.Str, f.Name})
			default:
				cs = commitmentsIn(cs, f.Kind, fv)
			}
		}
	case List:
		for _, e := range v.List {
			cs = commitmentsIn(cs, k.Of, e)
		}
	}
	return cs
}

// isCommitment: all base64 of 32 bytes in a body is commitments.
func isCommitment(k Kind) bool {
	f, ok := k.(Form)
	return ok && f.What == digest.What
}

// commitsTo reports whether a field of the body itself holds a commitment.
func (t *Type) commitsTo(field string) bool {
	for _, f := range t.Body {
		if f.Name == field {
			return isCommitment(f.Kind)
		}
	}
	return false
}
