package record

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
)

var (
	troubleCode = matches("a trouble code such as P0A80", regexp.MustCompile(`^[PCBU][0-3][0-9A-F]{3}$`))
	failureType = matches("a failure type of two hexadecimal digits such as 1F", regexp.MustCompile(`^[0-9A-F]{2}$`))
	percent     = Whole{0, 100}
)

// What the vehicle's own electronics tell.
func init() {
	define(Type{
		Name: "diagnostic.scan/1", Sentence: "the vehicle's control units are read out",
		Subjects: []string{"workshop"}, Writers: []string{"DLR", "MFR", WriterDevice}, Fresh: "when connected",
		Body: Object{
			may("battery_12v_mv", Whole{0, 60_000}, "millivolts of the starter battery"),
			may("brake_pad_wear", Object{
				may("fl", percent, "front left"), may("fr", percent, "front right"), may("rl", percent, "rear left"), may("rr", percent, "rear right"),
			}, "how much of the brake pads is worn, in percent"),
			may("distance_with_mil_km", odometer, "kilometres driven with the warning light on"),
			may("dtcs", listOf(Object{
				need("code", troubleCode, "the code"), may("failure_type", failureType, "its failure type byte"),
				need("status", Enum{"stored", "pending", "permanent"}, "its state"),
			}, 200), "trouble codes; absent if there are none"),
			may("mil_on", YesNo{}, "whether the warning light is on"), may("protocol", code, "how it was read, such as uds"), mayReadingRef,
			may("soh_100", Whole{0, 100_00}, "state of health of the traction battery, in hundredths of a percent"),
			need("source", Enum{"workshop", "telematics", "daily_digest"}, "who read it"), need("tool", Text{64}, "with what"),
		},
		Example: `{"battery_12v_mv":12480,"brake_pad_wear":{"fl":35,"fr":37,"rl":20,"rr":21},"distance_with_mil_km":42,` +
			`"dtcs":[{"code":"P0A80","failure_type":"1F","status":"stored"}],"mil_on":true,"protocol":"uds","reading_ref":"` + exampleHash + `",` +
			`"soh_100":9120,"source":"workshop","tool":"Consult III 12.1"}`,
		Demands: "brake_pad_wear names at least one wheel; no code with the same failure type and state stands there twice.",
		Say: func(b jcs.Value) (string, string) {
			var codes []string
			for _, d := range b.Get("dtcs").List {
				codes = append(codes, d.Get("code").Str)
			}
			switch n := len(codes); {
			case n == 0:
				return "no trouble codes", ""
			case n > 8:
				return fmt.Sprintf("trouble codes: %s and %d more", strings.Join(codes[:8], ", "), n-8), ""
			}
			return "trouble codes: " + strings.Join(codes, ", "), ""
		},
		Rule: func(r *Record) error {
			seen := map[[3]string]bool{}
			for i, d := range r.Body.Get("dtcs").List {
				k := [3]string{d.Get("code").Str, d.Get("failure_type").Str, d.Get("status").Str}
				if seen[k] {
					return badField(indexed("body.dtcs", i), "%s stands there twice", k[0])
				}
				seen[k] = true
			}
			return notEmpty(r.Body.Get("brake_pad_wear"), "body.brake_pad_wear", "at least one wheel")
		},
	})
}
