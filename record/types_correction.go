package record

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// MaxCarried is the size in bytes up to which record.reattributed carries the
// note of the reading: in base64, with an envelope around it, that fits into
// MaxBytes.
const MaxCarried = 40_000

// counts is what may be said instead of what a reading has.
var counts = Object{
	may("event_time", timeForm, "when it was read"), may("unit", unit, "KMT kilometres, SMI miles"), may("value", odometer, "the mileage"),
}

var carriedNote = Form{What: "base64 of the note of an odometer.reading, of at most 40,000 bytes", Pattern: base64Form,
	Ok: func(s string) bool { return isBase64(s, 1, MaxCarried) }, Max: (MaxCarried + 2) / 3 * 4}

// base64Form is the form of base64 of any length, but for its unused bits.
const base64Form = `^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`

// Corrections of one reading.
func init() {
	rulesVersion := need("rules", Whole{1, 1 << 31}, "version of the log's rules that was applied")
	define(
		Type{
			Name: "correction.requested/1", Sentence: "somebody says that a reading is wrong, and what is right",
			Subjects: []string{"vehicle"}, Writers: []string{"DLR", "MFR", "PTI", "FIN", "INS", WriterDevice}, Fresh: "as soon as it is noticed",
			Case: "correction",
			Body: Object{
				may("after", hexHash, "leaf hash of the decision in force on the same reading, if there is one"),
				need("claim", counts, "what is right"),
				need("field", Enum{"value", "unit", "event_time", "vehicle"}, "what is wrong"),
				need("for", Enum{"self", "owner", "fleet"}, "for whom it is requested"),
				need("noticed_by", Enum{"author", "owner", "node", "inspection", "other"}, "who noticed it"),
				need("reason", Enum{"digit_typo", "transposed", "extra_digit", "missing_digit", "unit_mixed", "wrong_vehicle", "wrong_date",
					"duplicate", "replaced_unrecorded", "rollover", "other"}, "how it came about"),
				need("target", reading, "leaf hash of the odometer.reading"),
			},
			Example: `{"after":"` + exampleHashB + `","claim":{"event_time":"2026-05-04T10:12:00+02:00","unit":"KMT","value":31450},"field":"value",` +
				`"for":"self","noticed_by":"author","reason":"transposed","target":"` + exampleHash + `"}`,
			Demands: "The claim holds the field that is wrong, unless the reason is duplicate; it is empty with the field vehicle, which goes with the reason wrong_vehicle, and only with that one.",
			Say: func(b jcs.Value) (string, string) {
				s := "correction of reading " + short(b.Get("target").Str) + " requested (" + word(b, "reason") + ")"
				if c := theRest(b.Get("claim")); c != "" {
					s += ": " + c + " is right"
				}
				return s, ""
			},
			Rule: checkCorrection,
		},
		Type{
			Name: "correction.decided/1", Sentence: "it is decided whether a reading is corrected",
			Subjects: []string{"vehicle"}, Writers: []string{"MFR", "ARB"}, Fresh: "within the deadline of the case",
			Case: "correction",
			Body: Object{
				may("admits", Object{
					need("event_time", timeForm, "when it was read"), need("precision", precision, "how exactly"),
					need("unit", unit, "KMT kilometres, SMI miles"), need("value", odometer, "the mileage"),
				}, "a reading from outside the log that counts from now on"),
				caseID, may("effective", counts, "what counts of the reading from now on"),
				need("outcome", Enum{"accepted", "rejected"}, "what was decided"), casePrev, reasons, rulesVersion,
			},
			Example: `{"admits":{"event_time":"2025-11-03T09:00:00+01:00","precision":"exact","unit":"KMT","value":29980},"case":"` + exampleHash + `",` +
				`"effective":{"event_time":"2026-05-04T10:12:00+02:00","unit":"KMT","value":31450},"outcome":"accepted","prev":"` + exampleHash + `",` +
				`"reasons":"the invoice shows it","rules":1}`,
			Demands: "effective is not empty; effective and admits go with the outcome accepted only.",
			Say: func(b jcs.Value) (string, string) {
				s := "correction " + b.Get("outcome").Str
				if e := theRest(b.Get("effective")); e != "" {
					s += ": " + e + " counts"
				}
				if a := theRest(b.Get("admits")); a != "" {
					s += "; admitted beside: " + a
				}
				return s, ""
			},
			Rule: func(r *Record) error {
				for _, f := range [...]string{"admits", "effective"} {
					if r.Body.Has(f) && r.Body.Get("outcome").Str != "accepted" {
						return badField("body."+f, "it goes with the outcome accepted only")
					}
				}
				return notEmpty(r.Body.Get("effective"), "body.effective", "what counts")
			},
		},
		Type{
			Name: "record.reattributed/1", Sentence: "a reading that was entered for one vehicle belongs to another",
			Subjects: []string{"vehicle", "vehicle"}, Or: [][]string{{"vehicle"}}, Writers: []string{"MFR", "ARB"}, Fresh: "within the deadline of the case",
			Case: "correction",
			Body: Object{
				caseID, need("note", carriedNote, "the note of the reading, byte for byte, in base64"), casePrev,
				may("to_vehicle", vinForm, "the vehicle that it belongs to, if that is known"),
			},
			Example: `{"case":"` + exampleHash + `","note":"` + exampleNote + `","prev":"` + exampleHash + `","to_vehicle":"` + exampleOther + `"}`,
			Demands: "The note is that of an odometer.reading of this log about the one vehicle; the record stands in that one's history, and in that of to_vehicle if there is one.",
			Say: func(b jcs.Value) (string, string) {
				s, from := "a reading", "one vehicle"
				if r, err := openCarried(b); err == nil {
					from = strings.TrimPrefix(r.Vehicle(), "vehicle/")
					if r.Body.Has("value") {
						s += " of " + miles(r.Body)
					}
				}
				s += ", entered for " + from + ", "
				if to := b.Get("to_vehicle"); to.Kind != 0 {
					return s + "belongs to " + to.Str, ""
				}
				return s + "is of another vehicle, not known which", ""
			},
			Rule: checkReattributed,
		},
	)
}

func checkCorrection(r *Record) error {
	b := r.Body
	field, reason, claim := b.Get("field").Str, b.Get("reason").Str, b.Get("claim")
	switch {
	case (field == "vehicle") != (reason == "wrong_vehicle"):
		return badField("body.reason", "the field vehicle goes with the reason wrong_vehicle, and only with that one")
	case field == "vehicle" && len(claim.Obj) > 0:
		return badField("body.claim", "it is empty where the reading is of another vehicle")
	case field != "vehicle" && reason != "duplicate" && !claim.Has(field):
		return badField("body.claim."+field, "this is what is wrong, so say here what is right")
	}
	return nil
}

// Carried opens the reading that a record.reattributed carries. Its signature
// is unchecked.
func (r *Record) Carried() (*Record, error) { return openCarried(r.Body) }

func openCarried(body jcs.Value) (*Record, error) {
	note, err := base64.StdEncoding.DecodeString(body.Get("note").Str)
	if err != nil {
		return nil, badField("body.note", "it is not base64")
	}
	r, err := Open(note)
	if err != nil {
		return nil, fault.New(fault.Code(err), "body.note", err.Error()).WithHint(fault.Hint(err))
	}
	if r.Type != reading.Type {
		return nil, badField("body.note", "an %s is expected, this is an %s", reading.Type, clip(r.Type))
	}
	return r, nil
}

func checkReattributed(r *Record) error {
	target, err := r.Carried()
	if err != nil {
		return err
	}
	subjects := []string{target.Vehicle()}
	if to := r.Body.Get("to_vehicle"); to.Kind != 0 {
		subjects = append(subjects, VehicleSubject(to.Str))
	}
	slices.Sort(subjects)
	switch {
	case len(subjects) == 2 && subjects[0] == subjects[1]:
		return badField("body.to_vehicle", "the reading was entered for this very vehicle")
	case !slices.Equal(subjects, r.Subjects):
		return badField("subjects", "the body names %v", subjects)
	}
	return nil
}
