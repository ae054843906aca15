// Package render turns what a verifier found into what a person reads: a
// timeline and the words around it. Pure; it decides nothing.
package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// NotProved says what no proof file can show.
const NotProved = `Not proved: that a reading was true when it was entered; that work done outside this log was
entered; who held a signing key. No data is not no work.`

// Text writes a report for a person, mileages in the reader's unit. Lines fit
// into 100 columns unless a name is longer.
func Text(r *verify.Report, unit Unit) string {
	var b strings.Builder
	if r.Verified {
		b.WriteString(hang("VERIFIED. "+upper(r.Scope())+".", 0, 2))
	} else {
		b.WriteString("NOT VERIFIED.\n")
		b.WriteString(hang("what: "+fmt.Sprint(r.Failure), 2, 4))
		b.WriteString("  code: " + fault.Code(r.Failure) + "\n")
		if h := fault.Hint(r.Failure); h != "" {
			b.WriteString(hang("hint: "+h, 2, 4))
		}
	}
	if r.Origin != "" {
		b.WriteString("Log: " + r.Origin[:strings.LastIndex(r.Origin, "/")] + ", fingerprint " + record.Fingerprint(r.Origin) + "\n")
	}
	for _, s := range r.PolicySteps {
		b.WriteString(hang("Trust policy followed: "+s, 0, 2))
	}
	for _, w := range r.Warnings {
		b.WriteString(hang("Note: "+w+".", 0, 2))
	}
	if !r.Verified {
		b.WriteString("Nothing in this file should be relied on.\n")
		return b.String()
	}
	for _, part := range []string{Timeline(r.Results, r.Meaning, unit), Authors(r.Results), Inference(r.Meaning, r.Results, unit)} {
		if part != "" {
			b.WriteString("\n" + part)
		}
	}
	b.WriteString("\n" + NotProved + "\n")
	return b.String()
}

// Authors says who the authors of the records shown are, as the log admitted
// them. "" where that is not known.
func Authors(results []verify.Result) string {
	lines := map[string]string{}
	for _, e := range results {
		if m := e.Author; m != nil {
			kinds := make([]string, len(m.Kinds))
			for i, k := range m.Kinds {
				kinds[i] = KindOfMember(k)
			}
			lines[m.Name] = hang(fmt.Sprintf("%s: %s, %s (%s)", m.Name, m.LegalName, strings.Join(kinds, " and "), m.Country), 2, 4)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return "Who they are, as the log admitted them:\n" + strings.Join(sorted(lines), "")
}

var kindsOfMember = map[string]string{
	"DLR": "dealer", "MFR": "manufacturer", "PTI": "inspection body", "INS": "insurer", "FIN": "finance house",
	"ARB": "arbitrator", "FLT": "corporate fleet", "AUD": "auditor",
}

// KindOfMember is a kind of member in words; docs/format.md, section 4.1.
func KindOfMember(kind string) string {
	if w := kindsOfMember[kind]; w != "" {
		return w
	}
	return kind
}

// sorted lists the values of a map in the order of its keys.
func sorted(m map[string]string) (values []string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		values = append(values, m[k])
	}
	return values
}

// Describe says in a few words what a record records, and the mileage that
// it gives, "" if none.
func Describe(r *record.Record) (what, mileage string) {
	if r.Def == nil {
		return r.Type + " (unknown here)", ""
	}
	if r.Def.Say == nil {
		return r.Def.Sentence, ""
	}
	return r.Def.Say(r.Body)
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
