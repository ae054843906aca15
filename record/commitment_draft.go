package record

import (
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// MaxAttached is how many attachments, and how many personal commitments, a
// record has at most.
const MaxAttached = 32

// MaxAttachmentBytes is the size of the largest attachment.
const MaxAttachmentBytes = 1 << 40

// Attachment ties a file to a record; the file itself is not on the log.
type Attachment struct {
	Bytes     int64  // size of the file
	Digest    string // base64 of its SHA-256 or, when salted, of the commitment to its bytes
	Kind      string // what it is: photo, invoice, claim ...
	MediaType string // RFC 6838
	Salted    bool
}

// Attachments lists the record's attachments in the author's order.
func (r *Record) Attachments() (as []Attachment) {
	for _, a := range r.Envelope.Get("attachments").List {
		as = append(as, Attachment{
			Bytes: a.Get("bytes").Int, Digest: a.Get("digest").Str, Kind: a.Get("kind").Str,
			MediaType: a.Get("media_type").Str, Salted: a.Get("salted").Int == 1,
		})
	}
	return as
}

func (a Attachment) value() jcs.Value {
	return jcs.Make(
		jcs.Field{Name: "bytes", Value: jcs.Number(a.Bytes)}, jcs.Field{Name: "digest", Value: jcs.Text(a.Digest)},
		jcs.Field{Name: "kind", Value: jcs.Text(a.Kind)}, jcs.Field{Name: "media_type", Value: jcs.Text(a.MediaType)},
		jcs.Field{Name: "salted", Value: jcs.Boolean(a.Salted)})
}

// OpenDraft reads the text of a record that is not signed yet, and checks it
// as Open would. The record that it returns has no note, hash or signature.
func OpenDraft(text string) (*Record, error) {
	if strings.Contains(text, "\n\n— ") {
		return nil, fault.New("record_form", "", "the record is signed, and nothing can be added to it").
			WithHint("add to the draft, then sign it")
	}
	return openText(text)
}

// Attach adds attachments to the text of an unsigned record.
func Attach(text string, as ...Attachment) (string, error) {
	r, err := OpenDraft(text)
	if err != nil {
		return "", err
	}
	list := r.Envelope.Get("attachments")
	have := r.Attachments()
	for _, a := range as {
		for _, h := range have {
			if h == a {
				return "", fault.New("attached_twice", "attachments", "the record has this attachment already, as "+a.Kind)
			}
		}
		have = append(have, a)
		list = jcs.Array(append(list.List[:len(list.List):len(list.List)], a.value())...)
	}
	return rewrite(r, "attachments", list)
}

// Commit adds the commitments of openings to the text of an unsigned record:
// to the field of its body of that name where the type has one that takes a
// commitment, else to its personal fields.
func Commit(text string, os ...Opening) (string, error) {
	r, err := OpenDraft(text)
	if err != nil {
		return "", err
	}
	body, list := r.Body, r.Envelope.Get("personal")
	for _, o := range os {
		switch {
		case o.Record != r.ID:
			return "", fault.New("record_other", "id", "the commitment is made for the record "+o.Record+", this one is "+r.ID)
		case o.Field == AttachmentField:
			return "", badField("personal", "the field %s is that of attachments", AttachmentField)
		case r.Def != nil && r.Def.commitsTo(o.Field):
			body = body.With(o.Field, jcs.Text(o.Commitment))
		default:
			list = jcs.Array(append(list.List[:len(list.List):len(list.List)], jcs.Make(
				jcs.Field{Name: "commitment", Value: jcs.Text(o.Commitment)}, jcs.Field{Name: "field", Value: jcs.Text(o.Field)}))...)
		}
	}
	r.Envelope = r.Envelope.With("body", body)
	return rewrite(r, "personal", list)
}

// rewrite writes the text of a record with one field of its envelope set.
func rewrite(r *Record, field string, list jcs.Value) (string, error) {
	v := r.Envelope
	if len(list.List) > 0 {
		v = v.With(field, list)
	}
	text := Header + "\n" + string(v.Bytes()) + "\n"
	if _, err := openText(text); err != nil {
		return "", err
	}
	return text, nil
}
