package outbox

import (
	"crypto/rand"
	"slices"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// MaxUnsigned is the cap on what a workshop system asks to be signed, in bytes.
const MaxUnsigned = 2 * record.MaxBytes

// unsignedFields are the fields of an unsigned record, and of which kind.
var unsignedFields = map[string]jcs.Kind{
	"type": jcs.String, "event_time": jcs.String, "vehicle": jcs.String, "actor": jcs.String, "body": jcs.Object,
	"subjects": jcs.List, "refs": jcs.List, "attachments": jcs.List,
}

// draft makes the text of a record of what a workshop system says:
//
//	{"type":"odometer.reading/1","vehicle":"VF1...","event_time":"2026-05-04T10:12:00+02:00","body":{...}}
//
// with actor, subjects, refs and attachments where the type takes them. It
// makes what `milepost record new` makes of the same, but event_time must be
// there: what waits in a folder did not happen now. Codes: json_form, field,
// vin_form, unknown_type, time_form, future and others of a record's form.
func (w *Workshop) draft(data []byte) (string, error) {
	v, err := jcs.Read(data)
	if err == nil && v.Kind != jcs.Object {
		err = fault.New("json_form", "", "an object is expected")
	}
	if err != nil {
		return "", err
	}
	for _, f := range v.Obj {
		if kind, ok := unsignedFields[f.Name]; !ok || f.Value.Kind != kind {
			return "", fault.New("field", f.Name, "there is no such field here, or it is of another kind").
				WithHint("fields are actor, attachments, body, event_time, refs, subjects, type, vehicle: docs/outbox.md")
		}
	}
	def, err := record.NamedType(v.Get("type").Str)
	if err != nil {
		return "", err
	}
	now := w.cfg.Now()
	d := record.Draft{
		Actor: v.Get("actor").Str, Author: w.cfg.Member, Body: v.Get("body"), Captured: record.FormatUTC(now), Origin: w.cfg.Origin, Type: def.Name,
		More: slices.DeleteFunc([]jcs.Field{{Name: "refs", Value: v.Get("refs")}, {Name: "attachments", Value: v.Get("attachments")}},
			func(f jcs.Field) bool { return f.Value.Kind == 0 }),
	}
	if d.Body.Kind == 0 {
		d.Body = jcs.Make()
	}
	if !v.Has("event_time") {
		return "", fault.New("field", "event_time", "this field is missing").WithHint("when it happened, such as 2026-05-04T10:12:00+02:00, or a date")
	}
	if d.EventTime, d.Precision, err = record.When(v.Get("event_time").Str, w.cfg.Zone); err != nil {
		return "", fault.New(fault.Code(err), "event_time", err.Error())
	}
	if d.ID, err = record.NewUUIDv7(now, rand.Reader); err != nil {
		return "", err
	}
	vehicle := ""
	if v.Has("vehicle") {
		if vehicle, err = record.ParseVehicle(v.Get("vehicle").Str); err != nil {
			return "", fault.New(fault.Code(err), "vehicle", err.Error()).WithHint(fault.Hint(err))
		}
	}
	if d.Subjects = v.Get("subjects").Strings(); len(d.Subjects) == 0 {
		if d.Subjects, err = def.SubjectsOf(d.Body, d.Author, vehicle, ""); err != nil {
			return "", err
		}
	} else if vehicle != "" {
		return "", fault.New("field", "subjects", "give either a vehicle or subjects, not both")
	}
	text, err := d.Text()
	if err != nil {
		return "", err
	}
	r, err := record.OpenDraft(text)
	if err != nil {
		return "", err
	}
	return text, node.CheckTimes(r, now)
}
