package record

import (
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
)

// MaxOdometer is the largest value that a counter is taken to show.
const MaxOdometer = 1_999_999

// Kinds that several types share.
var (
	unit      = Enum{"KMT", "SMI"} // UN/CEFACT: kilometre, statute mile
	precision = Enum{"exact", "rounded_10", "rounded_100", "rounded_1000"}
	odometer  = Whole{0, MaxOdometer}
	reading   = Ref{"odometer.reading/1"}
	anyRecord = Ref{""}
	quantity  = Whole{1, 100_000_00} // hundredths
)

// Fields that several types share.
var (
	readingRef    = need("reading_ref", reading, "leaf hash of the odometer.reading taken with it")
	mayReadingRef = may("reading_ref", reading, "leaf hash of the odometer.reading taken with it")
	asOf          = need("as_of", Whole{0, jcs.MaxInt}, "log index of the seal up to which it says something")
	paperDigest   = need("digest", hexHash, "SHA-256 of the document")
	caseID        = need("case", hexHash, "leaf hash of the record that opened the case")
	casePrev      = need("prev", hexHash, "leaf hash of the newest record of the case")
	reasons       = need("reasons", Text{1000}, "why it was decided so")
)

// word is a word of a definition, or a code, as a person reads it.
func word(b jcs.Value, field string) string { return strings.ReplaceAll(b.Get(field).Str, "_", " ") }

// short is the beginning of a leaf hash, enough for a person to tell two apart.
func short(hash string) string { return hash[:12] }

// miles writes what an odometer shows, "" if there is no value: 84,210 km.
// Without a unit it is the number alone.
func miles(v jcs.Value) string {
	if !v.Has("value") {
		return ""
	}
	return Thousands(v.Get("value").Int) + map[string]string{"KMT": " km", "SMI": " mi"}[v.Get("unit").Str]
}

// theRest says what of a reading is claimed or decided beside its value.
func theRest(v jcs.Value) string {
	var parts []string
	if m := miles(v); m != "" {
		parts = append(parts, m)
	} else if v.Has("unit") {
		parts = append(parts, map[string]string{"KMT": "in kilometres", "SMI": "in miles"}[v.Get("unit").Str])
	}
	if v.Has("event_time") {
		parts = append(parts, "read at "+v.Get("event_time").Str)
	}
	return strings.Join(parts, ", ")
}

// once: no value of a list of texts, or of a field in a list of objects,
// stands there twice.
func once(list jcs.Value, field, at string) error {
	seen := map[string]bool{}
	for i, v := range list.List {
		s := v.Str
		if field != "" {
			s = v.Get(field).Str
		}
		if seen[s] {
			return badField(indexed(at, i), "%s stands there twice", clip(s))
		}
		seen[s] = true
	}
	return nil
}

// notEmpty refuses an object without a field.
func notEmpty(v jcs.Value, at, what string) error {
	if v.Kind == jcs.Object && len(v.Obj) == 0 {
		return badField(at, "%s is expected, or leave it out", what)
	}
	return nil
}
