package record

import (
	"fmt"

	"github.com/milepost-log/milepost/record/jcs"
)

// CampaignSubject returns the subject of a recall campaign's history.
func CampaignSubject(id string) string { return "campaign/" + id }

// Recalls: a campaign, and each vehicle that it concerns.
func init() {
	campaign, both := []string{"campaign"}, []string{"campaign", "vehicle"}
	maker, handled := []string{"MFR"}, []string{"MFR", "DLR"}
	id := need("case", hexHash, "leaf hash of the recall.published")
	prev := need("prev", hexHash, "leaf hash of this vehicle's newest record of the campaign")
	why := need("reason", code, "why")
	say := func(what string) func(jcs.Value) (string, string) {
		return func(b jcs.Value) (string, string) {
			if b.Has("reason") {
				return what + ", reason: " + word(b, "reason"), ""
			}
			return what, ""
		}
	}
	define(
		Type{
			Name: "recall.published/1", Sentence: "a maker calls vehicles back",
			Subjects: campaign, Writers: maker, Fresh: "on publishing", Case: "campaign",
			Body: Object{
				need("affected", Whole{1, 100_000_000}, "how many vehicles it concerns"), may("authority", Text{32}, "the authority that ordered it"),
				need("campaign", Text{32}, "its number; the subject is campaign/ and this"), need("component", Text{120}, "what part of the vehicle it is about"),
				need("consequence", Text{500}, "what may happen"), need("defect", Text{500}, "what is wrong"), need("remedy", Text{500}, "what is to be done"),
				need("safety", YesNo{}, "whether it is about safety"),
			},
			Example: `{"affected":1000,"authority":"NHTSA","campaign":"26V-014","component":"brake booster","consequence":"longer braking distance",` +
				`"defect":"the diaphragm may tear","remedy":"replace the booster","safety":true}`,
			Demands: "The subject is campaign/ and the campaign's number.",
			Say: func(b jcs.Value) (string, string) {
				s := fmt.Sprintf("recall %s published: %s; vehicles: %s", b.Get("campaign").Str, b.Get("component").Str, Thousands(b.Get("affected").Int))
				if b.Get("safety").Int == 1 {
					s += "; about safety"
				}
				return s, ""
			},
			Rule: func(r *Record) error {
				if want := CampaignSubject(r.Body.Get("campaign").Str); r.Subjects[0] != want {
					return badField("subjects", "the body names the campaign %s, so the subject is %s", clip(r.Body.Get("campaign").Str), clip(want))
				}
				return nil
			},
		},
		Type{
			Name: "recall.closed/1", Sentence: "a maker closes a recall; vehicles that are open stay open",
			Subjects: campaign, Writers: maker, Fresh: "on publishing", Case: "campaign",
			Body:    Object{id, casePrev, why},
			Example: `{"case":"` + exampleHash + `","prev":"` + exampleHash + `","reason":"all_found"}`,
			Say:     say("recall closed"),
		},
		Type{
			Name: "recall.affects/1", Sentence: "a recall concerns this vehicle",
			Subjects: both, Writers: maker, Fresh: "on publishing", Case: "recall",
			Body: Object{
				may("again", YesNo{}, "true: the remedy was found wanting"), id,
				may("prev", hexHash, "with again: leaf hash of this vehicle's newest record of the campaign"), may("reason", code, "with again: why"),
			},
			Example: `{"again":true,"case":"` + exampleHash + `","prev":"` + exampleHashB + `","reason":"remedy_failed"}`,
			Demands: "again is true; prev and reason go with it.",
			Say: func(b jcs.Value) (string, string) {
				if b.Has("again") {
					return "recall open again, reason: " + word(b, "reason"), ""
				}
				return "the vehicle is recalled", ""
			},
			Rule: func(r *Record) error {
				again := r.Body.Has("again")
				if again && r.Body.Get("again").Int != 1 {
					return badField("body.again", "it is true, or absent")
				}
				for _, f := range [...]string{"prev", "reason"} {
					if r.Body.Has(f) && !again {
						return badField("body.again", "it goes with prev and reason, and they with it")
					}
					if again && !r.Body.Has(f) {
						return badField("body."+f, "it goes with again")
					}
				}
				return nil
			},
		},
		Type{
			Name: "recall.notified/1", Sentence: "the owner of a recalled vehicle was told",
			Subjects: both, Writers: handled, Fresh: "within the deadline of the case", Case: "recall",
			Body:    Object{id, need("means", Enum{"mail", "post", "app", "visit"}, "how"), prev},
			Example: `{"case":"` + exampleHash + `","means":"post","prev":"` + exampleHashB + `"}`,
			Say:     func(b jcs.Value) (string, string) { return "owner told of the recall by " + b.Get("means").Str, "" },
		},
		Type{
			Name: "recall.remedied/1", Sentence: "a recall is carried out on this vehicle",
			Subjects: both, Writers: handled, Fresh: "real time", Case: "recall",
			Body:    Object{id, need("op_code", Text{32}, "code of the operation"), prev, readingRef},
			Example: `{"case":"` + exampleHash + `","op_code":"RC-14","prev":"` + exampleHashB + `","reading_ref":"` + exampleHash + `"}`,
			Say:     func(b jcs.Value) (string, string) { return "recall carried out, operation " + b.Get("op_code").Str, "" },
		},
		Type{
			Name: "recall.lifted/1", Sentence: "a recall does not concern this vehicle any more",
			Subjects: both, Writers: maker, Fresh: "on publishing", Case: "recall",
			Body:    Object{id, prev, why},
			Example: `{"case":"` + exampleHash + `","prev":"` + exampleHashB + `","reason":"vin_by_mistake"}`,
			Say:     say("recall lifted"),
		},
	)
}
