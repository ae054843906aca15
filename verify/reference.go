package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// CheckReference decides whether a record r that Check has let through may
// refer, as ref says, to an earlier record of the log, other; nil if there is
// none of that leaf hash. Whoever asks sees to it that other stands before r.
func (a *Authority) CheckReference(r *record.Record, ref record.Reference, other *record.Record) error {
	if other == nil || ref.Type != "" && other.Type != ref.Type || r.Vehicle() == "" || !concerns(other, r.Vehicle()) {
		return noReference(r, ref)
	}
	switch r.Type {
	case "access.granted/1":
		// Who has the vehicle there has read it, on the day of the grant.
		day := func(r *record.Record) string { return r.EventTime.Format(time.DateOnly) }
		if r.Body.Get("basis").Str == "presence" && (other.Author != r.Author || day(other) != day(r)) {
			return fault.New("presence", ref.At, "a vehicle that is present is read by the same member on the same day")
		}
	case "access.revoked/1":
		if m := a.Members[r.Author]; other.Author != r.Author && !(m != nil && contains(m.Kinds, "MFR")) {
			return fault.New("not_allowed", ref.At, fmt.Sprintf("the grant is by %s; only that member and manufacturers end it", other.Author))
		}
	}
	return nil
}

// concerns reports whether a record stands in a history of a vehicle.
func concerns(r *record.Record, vehicle string) bool {
	return slices.ContainsFunc(historiesAbout(vehicle), r.Lists)
}

// historiesAbout are the subjects of all histories of a vehicle, given by the
// first of them.
func historiesAbout(vehicle string) []string {
	vin := strings.TrimPrefix(vehicle, "vehicle/")
	return []string{vehicle, "workshop/" + vin, "access/" + vin}
}

func noReference(r *record.Record, ref record.Reference) error {
	what, where := ref.Type, historyOf(ref.Type, r.Vehicle())
	if what == "" {
		what, where = "record", "a history of "+r.Vehicle()
	}
	return fault.New("reference", ref.At, fmt.Sprintf("%s is no %s that stands before it in %s", ref.Hash, what, where)).
		WithHint("submit that record first, or in the same submission before this one")
}

// historyOf is the subject of the history in which records of a type about
// a vehicle stand, "" if the type is unknown.
func historyOf(typ, vehicle string) string {
	def := record.Lookup(typ)
	if def == nil {
		return ""
	}
	return def.Subjects[0] + "/" + strings.TrimPrefix(vehicle, "vehicle/")
}
