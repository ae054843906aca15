package page

import (
	"maps"
	"slices"
)

// What codes of cases mean, for a person.

var caseTitles = map[string]string{"correction": "Correction asked for", "dispute": "Dispute opened"}

var clockNames = map[string]string{"answer": "the answer", "decide": "the decision", "appeal": "an appeal", "final": "the decision on the appeal"}

var findings = map[string]string{"actual": "the actual mileage", "not_actual": "not the actual mileage", "undetermined": "not to be determined"}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
