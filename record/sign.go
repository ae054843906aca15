package record

import (
	"sort"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
)

// Draft is a record before it is signed: the fields of the envelope.
type Draft struct {
	Actor     string // "" unless the key is bound to an actor
	Author    string
	Body      jcs.Value
	Captured  string // utc
	EventTime string
	ID        string // UUIDv7
	Origin    string
	Precision string
	Subjects  []string
	Type      string
	More      []jcs.Field // attachments, personal, refs
}

// Text writes the draft as the text that is to be signed, and checks it as
// Open would.
func (d Draft) Text() (string, error) {
	subjects := append([]string(nil), d.Subjects...)
	sort.Strings(subjects)
	fields := append([]jcs.Field{
		{Name: "author", Value: jcs.Text(d.Author)}, {Name: "body", Value: d.Body},
		{Name: "captured_time", Value: jcs.Text(d.Captured)}, {Name: "event_precision", Value: jcs.Text(d.Precision)},
		{Name: "event_time", Value: jcs.Text(d.EventTime)}, {Name: "id", Value: jcs.Text(d.ID)},
		{Name: "origin", Value: jcs.Text(d.Origin)}, {Name: "subjects", Value: jcs.Texts(subjects)},
		{Name: "type", Value: jcs.Text(d.Type)},
	}, d.More...)
	if d.Actor != "" {
		fields = append(fields, jcs.Field{Name: "actor", Value: jcs.Text(d.Actor)})
	}
	text := Header + "\n" + string(jcs.Make(fields...).Bytes()) + "\n"
	r, err := openText(text)
	if err != nil {
		return "", err
	}
	if r.Def == nil {
		return "", ErrUnknownType(r.Type)
	}
	return text, nil
}

// Sign signs a record text with one key, or, for records of the governors,
// with several, and returns the note. It checks the note as Open does.
func Sign(text string, signers ...certs.Signer) ([]byte, error) {
	n := certs.Note{Text: text}
	for _, s := range signers {
		sig, err := s.Sign([]byte(text))
		if err != nil {
			return nil, err
		}
		n.Sigs = append(n.Sigs, sig)
	}
	sort.Slice(n.Sigs, func(i, j int) bool { return strings.Compare(n.Sigs[i].Name, n.Sigs[j].Name) < 0 })
	note := n.Bytes()
	if _, err := Open(note); err != nil {
		return nil, err
	}
	return note, nil
}
