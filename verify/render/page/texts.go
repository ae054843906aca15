package page

import (
	"maps"
	"slices"
)

// What codes of the judgement and of cases mean, for a person.

var resultTitles = map[string]string{
	"logical":                  "Logical.",
	"logical_after_correction": "Logical after correction.",
	"illogical":                "Illogical.",
	"no_judgement":             "No judgement.",
}

var resultTexts = map[string]string{
	"logical":                  "One mileage that never falls could have produced all readings that were judged.",
	"logical_after_correction": "With what was decided about some readings, one mileage that never falls could have produced those that count.",
	"illogical":                "No mileage that never falls could have produced all of the readings: some contradict others.",
	"no_judgement":             "The records at hand do not allow one.",
}

func reasonText(code string) string {
	return map[string]string{
		"00": "nothing speaks against the readings.",
		"01": "the counter rolled over, or seems to have, and nobody independent attests it.",
		"02": "the odometer was replaced or repaired, and its mileage before that is unreadable or attested by nobody independent.",
		"04": "readings contradict each other.",
		"05": "the vehicle was imported, and fewer than two readings were judged since.",
		"06": "there are no two judged readings of different days to compare.",
		"10": "a dispute about one of the readings is open.",
		"12": "records are withheld, and one of them could contradict the rest.",
		"13": "a decision in force changed, excluded, confirmed or added a reading; what was entered stands beside it.",
	}[code]
}

var breakTitles = map[string]string{
	"isolated":   "readings that stand alone against all others",
	"sustained":  "the mileage shifted and stayed there",
	"tied":       "either side may be right",
	"both_sides": "either side may be right",
}

var breakTexts = map[string]string{
	"isolated":   "The others agree with each other, and no honest course of events explains these readings among them.",
	"sustained":  "An odometer that was turned back, or replaced without a record, looks like this; so does a row of wrong entries before it. The readings do not tell who is wrong. Nobody is named.",
	"tied":       "As many readings speak for one side as for the other. Nobody is named.",
	"both_sides": "One high reading with lower ones after it may be wrong, or may be honest with the odometer turned back after it. Nobody is named.",
}

var whyTexts = map[string]string{
	"drop":             "falls",
	"too_fast":         "rises by more than a car covers in that time",
	"impossible_speed": "rises faster than any car is",
}

var repairTexts = map[string]string{
	"transposed":    "two neighbouring digits swapped",
	"unit_mixed":    "kilometres and miles mixed up",
	"extra_digit":   "one digit too many",
	"missing_digit": "one digit left out",
	"digit_typo":    "one digit mistyped",
}

// flagTexts lacks those flags that stand with the record that they are about.
var flagTexts = map[string]string{
	"jump":                   "an unusually large distance since the reading before",
	"static":                 "hardly any distance in a long time",
	"gap":                    "a long time without a reading before",
	"rate_warned":            "an unusually large distance a day",
	"duplicate":              "entered twice",
	"unit_changed":           "entered in another unit than the reading before",
	"rounded":                "rounded readings",
	"estimate":               "estimates, which are shown and never judged",
	"sentinel_confirmed":     "values that look like a default, confirmed by who read them",
	"rollover_implausible":   "a rollover was recorded that the mileage does not bear out",
	"check_digit_bad":        "the check digit of the VIN is wrong",
	"corrected_after_report": "corrected after a report had been issued",
	"imported":               "the vehicle was imported",
	"confirmed_by_decision":  "found to be the actual mileage by an arbitrator",
	"thinned":                "there are too many readings to judge all of them; the judgement rests on part of them",
}

func excludedText(reason string) string {
	if s := map[string]string{
		"not_actual":    "it was found not to be the actual mileage",
		"duplicate":     "it was entered twice",
		"wrong_vehicle": "it is a reading of another vehicle",
	}[reason]; s != "" {
		return s
	}
	return words(clean(reason))
}

var caseTitles = map[string]string{"correction": "Correction asked for", "dispute": "Dispute opened"}

var clockNames = map[string]string{"answer": "the answer", "decide": "the decision", "appeal": "an appeal", "final": "the decision on the appeal"}

var findings = map[string]string{"actual": "the actual mileage", "not_actual": "not the actual mileage", "undetermined": "not to be determined"}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
