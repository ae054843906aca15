// Package render turns what a verifier found into what a person reads: a
// timeline and the words around it. Pure; it decides nothing.
package render

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// NotProved says what no proof file can show.
const NotProved = `Not proved: that a reading was true when it was entered; that work done outside this log was
entered; who held a signing key. No data is not no work.`

// Text writes a report for a person. Lines fit into 100 columns unless a name is longer.
func Text(r *verify.Report) string {
	var b strings.Builder
	if r.Verified {
		b.WriteString("VERIFIED. " + upper(wrap(r.Scope()+".", 100)) + "\n")
	} else {
		b.WriteString("NOT VERIFIED.\n")
		b.WriteString("  what: " + wrap(fmt.Sprint(r.Failure), 92) + "\n")
		b.WriteString("  code: " + fault.Code(r.Failure) + "\n")
		if h := fault.Hint(r.Failure); h != "" {
			b.WriteString("  hint: " + h + "\n")
		}
	}
	if r.Origin != "" {
		b.WriteString("Log: " + r.Origin[:strings.LastIndex(r.Origin, "/")] + ", fingerprint " + record.Fingerprint(r.Origin) + "\n")
	}
	for _, s := range r.PolicySteps {
		b.WriteString("Trust policy followed: " + s + "\n")
	}
	for _, w := range r.Warnings {
		b.WriteString("Note: " + w + ".\n")
	}
	if !r.Verified {
		b.WriteString("Nothing in this file should be relied on.\n")
		return b.String()
	}
	b.WriteString("\n" + Timeline(r.Results))
	b.WriteString("\n" + NotProved + "\n")
	return b.String()
}

// Timeline writes one line a record, in log order.
func Timeline(results []verify.Result) string {
	var b strings.Builder
	for _, e := range results {
		if e.Record == nil {
			fmt.Fprintf(&b, "  %-10s  %-12s  %s\n", "", "", "withheld; entered "+day(time.UnixMilli(e.Time).UTC()))
			continue
		}
		what, mileage := Describe(e.Record)
		mark := ""
		if late := time.UnixMilli(e.Time).Sub(e.Record.EventTime); late > 24*time.Hour {
			mark = "  entered " + day(time.UnixMilli(e.Time).UTC())
		}
		if e.Verdict != verify.Valid {
			mark += "  [" + string(e.Verdict) + "] " + e.Reason
		}
		fmt.Fprintf(&b, "  %-10s  %12s  %-34s  %s%s\n", day(e.Record.EventTime), mileage, clip(what, 34), e.Record.Author, mark)
	}
	return b.String()
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

func day(t time.Time) string { return t.Format(time.DateOnly) }

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// wrap breaks text into lines of at most n columns, where words allow it.
func wrap(s string, n int) string {
	var b strings.Builder
	col := 0
	for i, w := range strings.Fields(s) {
		l := utf8.RuneCountInString(w)
		switch {
		case i == 0:
		case col+1+l > n:
			b.WriteString("\n  ")
			col = 2
		default:
			b.WriteByte(' ')
			col++
		}
		b.WriteString(w)
		col += l
	}
	return b.String()
}
