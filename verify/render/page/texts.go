package page

import (
	"maps"
	"slices"
)

// findings are what an arbitrator may find of a record.
var findings = map[string]string{"actual": "the actual mileage", "not_actual": "not the actual mileage", "undetermined": "not to be determined"}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
