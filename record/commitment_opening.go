package record

import (
	"bytes"
	"encoding/base64"
	"fmt"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// OpeningsFormat names the format of files that hold openings.
const OpeningsFormat = "milepost/openings@v1"

// Caps of a file of openings.
const (
	MaxOpeningsBytes = 1 << 20
	MaxOpenings      = 1024
	MaxPersonalValue = 4000 // bytes of one value
)

// Opening is what opens one commitment. Who holds it, and whom it is handed
// to, is told the value; it is nowhere on the log.
type Opening struct {
	Commitment string // as it stands in the record
	Field      string
	Key        CommitmentKey
	Record     string // id of the record
	Value      string // "" of an attachment: there the file is the value
}

// NewOpening commits a record to a text under a fresh key.
func NewOpening(key CommitmentKey, id, field, value string) Opening {
	return Opening{Commitment: key.Commit(id, field, value), Field: field, Key: key, Record: id, Value: value}
}

// Fits reports whether the value belongs to the commitment. Of an
// attachment it says nothing: its file decides.
func (o Opening) Fits() bool {
	return o.Field != AttachmentField && sameDigest(o.Key.Commit(o.Record, o.Field, o.Value), o.Commitment)
}

var openingForm = Object{
	{Name: "commitment", Kind: digest}, {Name: "field", Kind: code}, {Name: "key", Kind: digest},
	{Name: "record", Kind: uuidForm}, {Name: "value", Kind: Text{MaxPersonalValue}, Optional: true},
}

var openingsForm = Object{
	{Name: "format", Kind: Enum{OpeningsFormat}}, {Name: "openings", Kind: listOf(openingForm, MaxOpenings)},
}

// FormatOpenings writes openings as a file: one line of canonical JSON. It
// checks them as ParseOpenings does.
func FormatOpenings(os []Opening) ([]byte, error) {
	list := jcs.Array()
	for _, o := range os {
		fields := []jcs.Field{
			{Name: "commitment", Value: jcs.Text(o.Commitment)}, {Name: "field", Value: jcs.Text(o.Field)},
			{Name: "key", Value: jcs.Text(FormatDigest(o.Key[:]))}, {Name: "record", Value: jcs.Text(o.Record)},
		}
		if o.Field != AttachmentField {
			fields = append(fields, jcs.Field{Name: "value", Value: jcs.Text(o.Value)})
		}
		list.List = append(list.List, jcs.Make(fields...))
	}
	data := append(jcs.Make(jcs.Field{Name: "format", Value: jcs.Text(OpeningsFormat)}, jcs.Field{Name: "openings", Value: list}).Bytes(), '\n')
	if _, err := ParseOpenings(data); err != nil {
		return nil, err
	}
	return data, nil
}

// ParseOpenings reads a file of openings. It does not compare values with
// commitments: Fits does. Error: "openings_form".
func ParseOpenings(data []byte) ([]Opening, error) {
	bad := func(err error) error {
		return fault.New("openings_form", "", "this is no file of openings").Because(err).
			WithHint("it comes from `milepost attach add --salt` or `milepost personal add`; get it again as it was")
	}
	line, ok := bytes.CutSuffix(data, []byte("\n"))
	if !ok {
		return nil, bad(fmt.Errorf("it does not end in a newline"))
	}
	v, err := jcs.Parse(line, jcs.Limits{Bytes: MaxOpeningsBytes, Depth: 3})
	if err != nil {
		return nil, bad(err)
	}
	if err := openingsForm.check(v, ""); err != nil {
		return nil, bad(err)
	}
	var os []Opening
	for i, e := range v.Get("openings").List {
		o := Opening{Commitment: e.Get("commitment").Str, Field: e.Get("field").Str, Record: e.Get("record").Str, Value: e.Get("value").Str}
		if (o.Field == AttachmentField) == e.Has("value") {
			return nil, bad(badField(fmt.Sprintf("openings[%d].value", i), "it stands with every field but %s", AttachmentField))
		}
		key, err := base64.StdEncoding.DecodeString(e.Get("key").Str)
		if err != nil {
			return nil, bad(err)
		}
		o.Key = CommitmentKey(key)
		os = append(os, o)
	}
	return os, nil
}
