package judge

import (
	"bytes"
	"testing"
	"time"

	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/cases"
)

// Whatever the history, it is judged, the same way each time, and the answer
// is canonical JSON.
func FuzzJudge(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
	f.Add(bytes.Repeat([]byte{0x10, 0x80, 0xff, 0x03, 0x7f, 0x00, 0x41}, 40))
	f.Add(bytes.Repeat([]byte{3, 200, 9, 4, 31, 5, 77, 250}, 60))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, p := wild(data)
		j := Judge(h, p, int64(len(data))<<40)
		out := j.JSON()
		v, err := jcs.Parse(out, jcs.Limits{Bytes: 1 << 24, Depth: 8})
		if err != nil || !bytes.Equal(v.Bytes(), out) {
			t.Fatalf("%v: %s", err, out)
		}
		if again := Judge(h, p, int64(len(data))<<40).JSON(); !bytes.Equal(out, again) {
			t.Fatalf("%s\nthen\n%s", out, again)
		}
		for i := range j.Breaks {
			if one, other := j.Breaks[i].Sides(); len(one)+len(other) == 0 || j.moveText(&j.Breaks[i]) == "" || j.Breaks[i].Text() == "" {
				t.Fatalf("%s", out)
			}
		}
		if len(j.Reasons) == 0 || j.Unit() != "KMT" && j.Unit() != "SMI" {
			t.Fatalf("%s", out)
		}
		for _, e := range h.Entries {
			if e.Record != nil {
				Warn(h, e.Record, p)
				break
			}
		}
	})
}

// wild makes a history of any bytes: values and times that no record may
// hold, references to anything, and decisions on anything.
func wild(data []byte) (*History, Params) {
	next := func() int64 {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int64(b)
	}
	pick := func(ss ...string) string { return ss[next()%int64(len(ss))] }
	params := DefaultParams()
	if next()%4 == 0 {
		for _, k := range knobs {
			params[k.code] = next() << (next() % 54)
		}
	}
	h := &History{}
	for i := 0; len(data) > 0 && i < 120; i++ {
		value := next()<<16 | next()<<8 | next()
		r := row{
			day: next() * (next()%16 + 1), at: pick("", "", "00:00", "12:30"), value: value % 2_100_000, unit: pick("KMT", "SMI", "KMT", "ELL"),
			author: pick("a", "b", "c"), source: pick("visual", "obd", "document", "estimate", "photo", "telematics"),
			precision: pick("exact", "rounded_10", "rounded_1000"), result: pick("read", "read", "read", "unreadable"),
		}
		e := r.entry(i)
		switch next() % 12 {
		case 0:
			e = happening{pick(replacedType, rolloverType), r.day, int(next()%8) - 1, int(next()%8) - 1, next() % 9, "a"}.entry(i)
		case 1:
			e = entry(i, "vehicle.created/1", "m", epoch, "date", field("imported", jcs.Boolean(next()%2 == 0)), number("odometer_digits", next()%8))
		case 2:
			e.Record = nil
		case 3:
			e.Record.EventTime = e.Record.EventTime.AddDate(int(next()*next())-3_000, 0, 0)
		case 4:
			e.Time = time.Duration(1 << (next() % 62)).Nanoseconds()
		case 5:
			v := value - 100_000
			h.Effects = append(h.Effects, cases.Effect{
				Target: hashOf(int(next() % 8)), By: hashOf(900 + i), Index: uint64(i), Value: &v, Unit: pick("", "KMT", "SMI", "?"),
				Kind:   pick(cases.Replaced, cases.Excluded, cases.Admitted, cases.Reattributed, cases.Confirmed),
				Reason: pick("not_actual", "duplicate"), EventTime: pick("", "2020-05-01T00:00:00Z", "nonsense", "2999-12-31T23:59:59+14:00"), Note: pick("", "", "x"),
			})
		case 6:
			h.Disputed = append(h.Disputed, e.Hash)
		}
		h.Entries = append(h.Entries, e)
	}
	return h, ParamsOf(params)
}
