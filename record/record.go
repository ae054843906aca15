package record

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// Caps. They are part of what a valid record is.
const (
	MaxBytes      = 60_000 // a whole record note
	MaxDepth      = 8      // nesting of its JSON
	MaxSubjects   = 8      // histories that one record belongs to
	MaxSignatures = 64     // signature lines; all but governance records have one
)

// Header is the first line of every record.
const Header = "milepost/record@v1"

// Record is a signed record that is well formed. Its signatures are unchecked.
type Record struct {
	Note []byte      // verbatim, as it stands in the log
	Text string      // what the signatures cover
	Sigs []certs.Sig // in the order of the note
	Hash [32]byte    // leaf hash (RFC 6962 section 2.1) of Note

	Author    string
	Actor     string // "" when the key is bound to none
	Origin    string
	ID        string   // UUIDv7
	UUID      [16]byte // the same as bytes
	Subjects  []string // sorted
	Type      string
	EventTime time.Time // in its own offset
	Precision string    // of EventTime: date, minute or second
	Captured  time.Time // when it was signed, by the author's clock
	Envelope  jcs.Value // the whole JSON
	Body      jcs.Value

	// Def is the definition of Type; nil if this program does not know it.
	Def *Type

	// Checked is for whoever checks signatures to remember that it did.
	Checked any
}

var envelope = Object{
	may("actor", actorID, "the person or device that the signing key is bound to; present exactly if it is bound to one"),
	may("attachments", listOf(Object{
		need("bytes", Whole{1, MaxAttachmentBytes}, "its size"),
		need("digest", digest, "SHA-256 of it, or with salted a commitment to it"),
		need("kind", code, "what it is, such as photo, invoice or claim"),
		need("media_type", Text{64}, "such as image/jpeg"),
		need("salted", YesNo{}, "whether the digest is a commitment"),
	}, MaxAttached), "documents that are kept elsewhere"),
	need("author", name, "the member that makes the record: the key name of the first signature"),
	need("body", anyObject{}, "what the type records"),
	need("captured_time", utcForm, "when it was signed, by the author's clock"),
	need("event_precision", Enum{"date", "minute", "second"}, "how precise event_time is"),
	need("event_time", timeForm, "when it happened, in the offset of the place"),
	need("id", uuidForm, "chosen by the author, once for each of its records"),
	need("origin", logOrigin, "the log that the record is for"),
	may("personal", listOf(Object{
		need("commitment", digest, "HMAC-SHA-256 of the value under a key that is kept elsewhere"),
		need("field", code, "which datum it is"),
	}, MaxAttached), "commitments to personal data that are kept elsewhere"),
	may("refs", listOf(hexHash, 32), "leaf hashes of other records"),
	need("subjects", listOf(Text{120}, MaxSubjects), "the histories that it belongs to, sorted"),
	need("type", typeName, "the record's type"),
}

type anyObject struct{}

func (anyObject) check(v jcs.Value, at string) error { return expect(v, at, jcs.Object) }

// Open reads a record note. It refuses whatever is not canonical, over a
// cap, or does not fit the definition of its type; a type that this program
// does not know is let through with Def nil, for then only the envelope can
// be judged. It checks no signature.
func Open(msg []byte) (*Record, error) {
	n, err := certs.ParseNote(msg, MaxBytes, MaxSignatures)
	if err != nil {
		return nil, err
	}
	r, err := openText(n.Text)
	if err != nil {
		return nil, err
	}
	r.Note, r.Sigs = msg, n.Sigs
	r.Hash = [32]byte(rfc6962.DefaultHasher.HashLeaf(msg))
	for i, s := range n.Sigs {
		// Wider names are no one's: those of members and governors are ASCII,
		// and a proof file could not carry some of them.
		if !certs.ValidName(s.Name) {
			return nil, fault.New("signatures", "", fmt.Sprintf("signature %d has no member's or governor's name", i+1))
		}
	}
	switch {
	case n.Sigs[0].Name != r.Author:
		return nil, fault.New("author", "author", fmt.Sprintf("the record is by %s, the signature by %s", r.Author, n.Sigs[0].Name))
	case len(n.Sigs) > 1 && r.Def != nil && !r.Def.Governed():
		return nil, fault.New("signatures", "", fmt.Sprintf("%s carries exactly one signature, this note has %d", r.Type, len(n.Sigs)))
	}
	if r.Def != nil && r.Def.Papers && !r.Envelope.Has("attachments") {
		return nil, fault.New("field", "attachments", r.Type+" comes with an attachment at least").
			WithHint("add it to the draft with `milepost attach add`, then sign")
	}
	for i, s := range n.Sigs {
		if i > 0 && n.Sigs[i-1].Name >= s.Name {
			return nil, fault.New("signatures", "", "the signatures are not sorted by name, each name once")
		}
	}
	return r, nil
}

// openText reads the text of a record, without signatures.
func openText(text string) (*Record, error) {
	line, ok := strings.CutPrefix(text, Header+"\n")
	if !ok {
		return nil, fault.New("record_form", "", "the first line is not "+Header)
	}
	line, ok = strings.CutSuffix(line, "\n")
	if !ok || strings.Contains(line, "\n") {
		return nil, fault.New("record_form", "", "a record has two lines: header and JSON")
	}
	v, err := jcs.ParseString(line, jcs.Limits{Bytes: MaxBytes, Depth: MaxDepth})
	if err != nil {
		return nil, err
	}
	if err := envelope.check(v, ""); err != nil {
		return nil, err
	}
	r := &Record{
		Text: text, Envelope: v, Body: v.Get("body"),
		Author: v.Get("author").Str, Actor: v.Get("actor").Str, Origin: v.Get("origin").Str,
		ID: v.Get("id").Str, Type: v.Get("type").Str, Precision: v.Get("event_precision").Str,
		Subjects: v.Get("subjects").Strings(),
	}
	r.UUID, _ = ParseUUID(r.ID)
	r.EventTime, _ = ParseTime(v.Get("event_time").Str)
	r.Captured, _ = ParseTime(v.Get("captured_time").Str)
	if err := r.checkEnvelope(); err != nil {
		return nil, err
	}
	if r.Def = Lookup(r.Type); r.Def != nil {
		return r, r.Def.check(r)
	}
	return r, nil
}

func (r *Record) checkEnvelope() error {
	h, m, s := r.EventTime.Clock()
	switch {
	case r.Precision == "date" && (h != 0 || m != 0 || s != 0):
		return badField("event_time", "with precision date the time of day is 00:00:00")
	case r.Precision == "minute" && s != 0:
		return badField("event_time", "with precision minute the seconds are 00")
	}
	for i, s := range r.Subjects {
		if i > 0 && r.Subjects[i-1] >= s {
			return badField("subjects", "they are not sorted, each once")
		}
		if _, err := SubjectClass(s); err != nil {
			return fault.New(fault.Code(err), fmt.Sprintf("subjects[%d]", i), err.Error()).WithHint(fault.Hint(err))
		}
	}
	if underOrigin(r.Author, r.Origin) {
		return badField("author", "a name at or below the origin belongs to the log itself")
	}
	return nil
}

func underOrigin(name, origin string) bool {
	return name == origin || strings.HasPrefix(name, origin+"/")
}

// validOrigin is <name>/<40 hex digits>.
func validOrigin(s string) bool {
	name, digits, ok := cutLast(s, "/")
	if !ok || !certs.ValidName(name) || len(digits) != 40 {
		return false
	}
	return strings.Trim(digits, "0123456789abcdef") == ""
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Subject returns the record's first subject of a class, or "". Only
// record.reattributed may have two.
func (r *Record) Subject(class string) string {
	for _, s := range r.Subjects {
		if c, _, _ := strings.Cut(s, "/"); c == class {
			return s
		}
	}
	return ""
}

// Vehicle returns the subject vehicle/... of the vehicle that the record is
// about, whichever of its histories it stands in, or "". Of a record about
// two, which reattributes a reading, it is the one that the reading was
// entered for: the case is about that one, and so are all references.
func (r *Record) Vehicle() string {
	var to string
	if len(r.Subjects) > 1 {
		if v := r.Body.Get("to_vehicle"); v.Kind != 0 {
			to = VehicleSubject(v.Str)
		}
	}
	for _, s := range r.Subjects {
		if v := vehicleOf(s); v != "" && v != to {
			return v
		}
	}
	return ""
}

// Vehicles lists the subjects vehicle/... of all vehicles that the record is
// about: none, one, or the two of record.reattributed.
func (r *Record) Vehicles() (all []string) {
	for _, s := range r.Subjects {
		if v := vehicleOf(s); v != "" && !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

// vehicleOf returns the subject vehicle/... of the vehicle that one of its
// histories is about, "" if it is none.
func vehicleOf(subject string) string {
	switch class, rest, _ := strings.Cut(subject, "/"); class {
	case "vehicle":
		return subject
	case "workshop", "access":
		return VehicleSubject(rest)
	}
	return ""
}

// Lists reports whether the record belongs to a history.
func (r *Record) Lists(subject string) bool {
	for _, s := range r.Subjects {
		if s == subject {
			return true
		}
	}
	return false
}
