package importer

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// Draft is a reading that only lacks origin, author, time of signing and
// signature.
type Draft struct {
	ID             string     // UUIDv7, the same in every run; see StableID
	VIN            record.VIN // whose history it belongs to
	EventTime      string     // with offset
	EventPrecision string     // date, minute or second
	Reading
	Order *Order // the work order that the reading was taken for; nil if the row is a reading alone
}

// Reading is the body of an odometer.reading/1. With a Result other than
// read, Precision and Unit are empty and Value is 0.
type Reading struct {
	Confirmed []string // codes of warnings that a person has seen; may be nil
	Precision string
	Purpose   string
	Result    string
	Source    string
	Unit      string // KMT or SMI
	Value     int64  // in Unit
}

// Body writes the reading as the body of its record.
func (r Reading) Body() jcs.Value {
	fields := []jcs.Field{
		{Name: "purpose", Value: jcs.Text(r.Purpose)},
		{Name: "result", Value: jcs.Text(r.Result)},
		{Name: "source", Value: jcs.Text(r.Source)},
	}
	if r.Result == "read" {
		fields = append(fields,
			jcs.Field{Name: "precision", Value: jcs.Text(r.Precision)},
			jcs.Field{Name: "unit", Value: jcs.Text(r.Unit)},
			jcs.Field{Name: "value", Value: jcs.Number(r.Value)})
	}
	if len(r.Confirmed) > 0 {
		fields = append(fields, jcs.Field{Name: "confirmed", Value: jcs.Texts(r.Confirmed)})
	}
	return jcs.Make(fields...)
}

// Record returns the draft of the record; Author, Origin, Captured and Actor
// are the caller's to fill in.
func (d Draft) Record() record.Draft {
	return record.Draft{
		Body: d.Body(), EventTime: d.EventTime, ID: d.ID, Precision: d.EventPrecision,
		Subjects: []string{record.VehicleSubject(string(d.VIN))}, Type: "odometer.reading/1",
	}
}

// shown is what the odometer showed, as the id takes it in.
func (r Reading) shown() string {
	if r.Result != "read" {
		return r.Result + "\n"
	}
	return strconv.FormatInt(r.Value, 10) + "\n" + r.Unit
}

// StableID derives a draft's id from what it says, so that a file that is
// imported again gives the same ids and no duplicates: the timestamp is the
// event time's (1970 for what is older), and the other bits are of
//
//	SHA-256("milepost/import-id@v1\n" || author || "\n" || VIN || "\n" ||
//	        event time || "\n" || value || "\n" || unit || "\n" || occurrence)
//
// each as text, value and unit replaced by the result and nothing if the
// odometer was not read. occurrence counts identical rows of a file from 1.
// The id can be guessed by whoever guesses the reading; the leaf hash still
// can't, because the signature is in it.
func StableID(author string, d Draft, occurrence int) string {
	h := sha256.Sum256([]byte(d.seed(author) + strconv.Itoa(occurrence)))
	var ms int64
	if t, err := record.ParseTime(d.EventTime); err == nil {
		ms = t.UnixMilli()
	}
	return record.FormatUUID(record.UUIDv7(ms, [16]byte(h[:16])))
}

// seed is all of what StableID hashes but the occurrence: equal for
// identical rows.
func (d Draft) seed(author string) string {
	return "milepost/import-id@v1\n" + author + "\n" + string(d.VIN) + "\n" + d.EventTime + "\n" + d.shown() + "\n"
}

// key is the same for identical rows, and as good as never for others.
func (d Draft) key(author string) [16]byte {
	h := sha256.Sum256([]byte(d.seed(author)))
	return [16]byte(h[:16])
}

// Sentinels are values that odometers and forms show by default. A row with
// one is refused unless a person confirms that the odometer did show it.
var sentinels = []int64{0, 1, 999_999}

// confirmSentinel is the code of that confirmation.
const confirmSentinel = "sentinel"

// parseValue reads what the odometer showed: digits, and .0 behind them, as
// spreadsheets write whole numbers. Anything else could mean another number
// somewhere else in the world.
func parseValue(s string) (int64, error) {
	whole, fraction, dotted := strings.Cut(s, ".")
	if dotted && fraction != "0" && fraction != "00" || strings.Trim(whole, "0123456789") != "" || whole == "" {
		return 0, fmt.Errorf("%.40q is not a whole number written in digits alone", s)
	}
	v, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || v > record.MaxOdometer || len(whole) > 7 {
		return 0, fmt.Errorf("%.40q is over %d", s, record.MaxOdometer)
	}
	return v, nil
}

// checkSentinel refuses an unconfirmed default, and notes a confirmed one.
func (r *Reading) checkSentinel(confirm []string) error {
	if !slices.Contains(sentinels, r.Value) {
		return nil
	}
	if !slices.Contains(confirm, confirmSentinel) {
		return fmt.Errorf("%d looks like a default; if the odometer really showed it, confirm %q", r.Value, confirmSentinel)
	}
	r.Confirmed = []string{confirmSentinel}
	return nil
}
