package record

import (
	"fmt"
	"strconv"
	"time"

	"github.com/milepost-log/milepost/record/jcs"
)

var line = Object{
	may("campaign", Text{32}, "recall campaign that it is done for"), may("cause", Text{120}, "what was found"),
	may("complaint", Text{120}, "what the customer complains of"), may("correction", Text{120}, "what was done"),
	may("cost", digest, "commitment to what it cost"), may("hours_100", Whole{0, 100_000_00}, "hundredths of hours worked"),
	may("op_code", Text{32}, "code of the operation"),
	may("parts", listOf(Object{need("no", Text{32}, "part number"), need("quantity_100", quantity, "hundredths of pieces, litres ...")}, 20), "parts used"),
	need("pay", Enum{"customer", "warranty", "campaign", "internal"}, "who pays"), need("work_type", code, "kind of work, such as brakes"),
}

// Work on the vehicle and its inspection.
func init() {
	vehicle, dealer := []string{"vehicle"}, []string{"DLR"}
	define(
		Type{
			Name: "service.visit/1", Sentence: "work done on the vehicle",
			Subjects: vehicle, Writers: dealer, Fresh: "real time",
			Body: Object{
				need("lines", listOf(line, 200), "the work, line by line; the whole record has at most 60,000 bytes"),
				may("next_service", Object{may("date", dayForm, "on that day"), may("km", odometer, "or at that many kilometres")}, "when the next one is due"),
				need("odometer_work", YesNo{}, "whether the odometer was worked on"),
				may("opened_at", timeForm, "when the order was opened; event_time is its completion"),
				need("order_no", Text{32}, "number of the order"),
				need("reading_in", reading, "leaf hash of the reading on arrival"), may("reading_out", reading, "leaf hash of the reading on return"),
				need("service_type", Enum{"maintenance", "repair", "warranty", "recall", "inspection", "body", "tyres", "other"}, "kind of visit"),
			},
			Example: `{"lines":[{"campaign":"R1","cause":"worn","complaint":"noise","correction":"replaced","cost":"` + exampleB64 + `","hours_100":150,` +
				`"op_code":"BR-1","parts":[{"no":"41060-3NA0A","quantity_100":200}],"pay":"customer","work_type":"brakes"}],` +
				`"next_service":{"date":"2027-05-04","km":45000},"odometer_work":false,"opened_at":"2026-05-04T08:00:00+02:00","order_no":"A-1001",` +
				`"reading_in":"` + exampleHash + `","reading_out":"` + exampleHashB + `","service_type":"maintenance"}`,
			Demands: "next_service has a date or a distance; opened_at does not lie after event_time.",
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("%s, order %s, work lines: %d", b.Get("service_type").Str, b.Get("order_no").Str, len(b.Get("lines").List)), ""
			},
			Rule: checkVisit,
		},
		Type{
			Name: "inspection.result/1", Sentence: "an inspection of the vehicle, and whether it passed",
			Subjects: vehicle, Writers: []string{"PTI", "DLR"}, Fresh: "real time",
			Body: Object{
				may("defects", listOf(Object{
					need("code", Text{16}, "code of the defect"),
					need("severity", Enum{"advisory", "minor", "major", "dangerous"}, "how grave it is"), may("text", Text{200}, "in words"),
				}, 100), "what was found"),
				may("expires", dayForm, "last day on which the result is valid"), need("passed", YesNo{}, "whether it passed"), readingRef,
				may("retest_of", Ref{"inspection.result/1"}, "leaf hash of the failed inspection that it repeats"), need("test_no", Text{32}, "number of the test"),
			},
			Example: `{"defects":[{"code":"1.1.14","severity":"advisory","text":"front brake disc worn"}],"expires":"2027-05-03","passed":true,` +
				`"reading_ref":"` + exampleHash + `","retest_of":"` + exampleHashB + `","test_no":"T-2026-0042"}`,
			Demands: "expires does not lie before the day of event_time.",
			Say: func(b jcs.Value) (string, string) {
				s := map[bool]string{true: "inspection passed", false: "inspection failed"}[b.Get("passed").Int == 1]
				if b.Has("retest_of") {
					s = "repeated " + s
				}
				if n := len(b.Get("defects").List); n > 0 {
					s += ", defects: " + strconv.Itoa(n)
				}
				return s, ""
			},
			Rule: func(r *Record) error {
				return notBeforeEvent(r, "expires")
			},
		},
		Type{
			Name: "part.fitted/1", Sentence: "a part is fitted to the vehicle",
			Subjects: vehicle, Writers: dealer, Fresh: "real time",
			Body: Object{
				may("brand", Text{48}, "who made it"), need("no", Text{32}, "part number"),
				need("origin", Enum{"oem", "aftermarket", "used", "unknown"}, "where it is from; oem is from the vehicle's maker"),
				may("position", Text{32}, "where it is fitted"), need("quantity_100", quantity, "hundredths of pieces"), mayReadingRef,
				may("replaces", Text{32}, "part number of what it replaces"), may("serial", Text{64}, "its serial number"),
				may("warranty_until", dayForm, "last day of its warranty"),
			},
			Example: `{"brand":"Nissan","no":"41060-3NA0A","origin":"oem","position":"front left","quantity_100":100,"reading_ref":"` + exampleHash + `",` +
				`"replaces":"41060-3NA09","serial":"S-8841","warranty_until":"2028-05-04"}`,
			Demands: "warranty_until does not lie before the day of event_time.",
			Say: func(b jcs.Value) (string, string) {
				origin := map[string]string{"oem": "original part", "aftermarket": "part of another maker", "used": "used part", "unknown": "part of unknown origin"}
				s := origin[b.Get("origin").Str] + " " + b.Get("no").Str + " fitted"
				if b.Has("position") {
					s += ", " + b.Get("position").Str
				}
				return s, ""
			},
			Rule: func(r *Record) error {
				return notBeforeEvent(r, "warranty_until")
			},
		},
		Type{
			Name: "software.updated/1", Sentence: "a control unit of the vehicle gets other software",
			Subjects: vehicle, Writers: []string{"DLR", "MFR", WriterDevice}, Fresh: "real time",
			Body: Object{
				need("after", Text{64}, "version from now on"), may("before", Text{64}, "version until now"), may("campaign", Text{32}, "recall campaign that it is done for"),
				need("ecu", Text{32}, "which control unit"), need("method", Enum{"shop", "ota"}, "in a workshop, or over the air"),
			},
			Example: `{"after":"5SH0B","before":"5SH0A","campaign":"R1","ecu":"VCM","method":"shop"}`,
			Say: func(b jcs.Value) (string, string) {
				s := "software of " + b.Get("ecu").Str + " is now " + b.Get("after").Str
				if b.Has("before") {
					s += ", was " + b.Get("before").Str
				}
				return s + map[string]string{"shop": "", "ota": ", over the air"}[b.Get("method").Str], ""
			},
		},
		Type{
			Name: "modification.declared/1", Sentence: "the vehicle is not, or no longer, as it was built",
			Subjects: vehicle, Writers: dealer, Fresh: "when declared",
			Body: Object{
				need("by", Enum{"owner", "dealer"}, "who declares it"), need("description", Text{300}, "in words"), need("kind", code, "what was changed, such as tyres"),
				may("odometer_effect_permille", Whole{-500, 1000}, "by how many thousandths the odometer counts too much since then"),
			},
			Example: `{"by":"owner","description":"larger wheels, 215/50 R17","kind":"tyres","odometer_effect_permille":-28}`,
			Say: func(b jcs.Value) (string, string) {
				s := "modification declared by the " + b.Get("by").Str + " (" + word(b, "kind") + "): " + b.Get("description").Str
				if e := b.Get("odometer_effect_permille").Int; e != 0 {
					s += fmt.Sprintf("; the odometer counts %d.%d%% too %s", abs(e)/10, abs(e)%10, map[bool]string{true: "much", false: "little"}[e > 0])
				}
				return s, ""
			},
		},
	)
}

func abs(n int64) int64 { return max(n, -n) }

func checkVisit(r *Record) error {
	if opened := r.Body.Get("opened_at"); opened.Kind != 0 {
		// Where the day or the minute alone is known, it may be any of its seconds.
		t, _ := ParseTime(opened.Str)
		end := r.EventTime.Add(map[string]time.Duration{"date": 24 * time.Hour, "minute": time.Minute}[r.Precision])
		if t.After(end) {
			return badField("body.opened_at", "the order was opened after the work was done")
		}
	}
	return notEmpty(r.Body.Get("next_service"), "body.next_service", "a date or a distance")
}

// notBeforeEvent: a date of the body does not lie before the day of the event.
func notBeforeEvent(r *Record, field string) error {
	day := r.EventTime.Format("2006-01-02")
	if d := r.Body.Get(field); d.Kind != 0 && d.Str < day {
		return badField("body."+field, "%s lies before the event, %s", d.Str, day)
	}
	return nil
}
