package render

import (
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// Report is a verifier's report for programs; docs/format.md, section 10.
type Report struct {
	Verified    bool       `json:"verified"`
	Code        string     `json:"code,omitempty"` // why not
	Reason      string     `json:"reason,omitempty"`
	Hint        string     `json:"hint,omitempty"`
	Scope       string     `json:"scope"`
	Subject     string     `json:"subject"`
	Origin      string     `json:"origin"`
	Fingerprint string     `json:"fingerprint"`
	TreeSize    uint64     `json:"tree_size"`
	Root        string     `json:"root"`
	AsOf        string     `json:"complete_as_of,omitempty"`
	Records     int        `json:"records"`
	Withheld    int        `json:"withheld"`
	Tolerates   int        `json:"tolerates_liars"`
	Cosigners   []Cosigner `json:"cosigners"`
	Warnings    []string   `json:"warnings"`
	Entries     []Entry    `json:"entries"`
	NotProved   string     `json:"not_proved"`
}

// Cosigner is one cosigner of the policy.
type Cosigner struct {
	Name   string `json:"name"`
	Signed bool   `json:"signed"`
	Time   string `json:"time,omitempty"`
}

// Entry is one record.
type Entry struct {
	History  string `json:"history"`
	Index    uint64 `json:"index"`
	LogTime  string `json:"log_time"`
	LeafHash string `json:"leaf_hash"`
	Verdict  string `json:"verdict"`
	Reason   string `json:"reason,omitempty"`
	Type     string `json:"type,omitempty"`
	Author   string `json:"author,omitempty"`
	KeyID    string `json:"key_id,omitempty"`
	Event    string `json:"event_time,omitempty"`
	Text     string `json:"text,omitempty"`
	Mileage  string `json:"mileage,omitempty"`
	Note     string `json:"note,omitempty"`
}

// JSON returns a report for programs.
func JSON(r *verify.Report) *Report {
	out := &Report{
		Verified: r.Verified, Scope: r.Scope(), Subject: r.Subject, Origin: r.Origin, Fingerprint: record.Fingerprint(r.Origin),
		Records: r.Records, Withheld: r.Withheld, Tolerates: r.Tolerates, Warnings: append([]string{}, r.Warnings...),
		Cosigners: []Cosigner{}, Entries: []Entry{}, NotProved: NotProved,
	}
	if r.Failure != nil {
		out.Code, out.Reason, out.Hint = fault.Code(r.Failure), r.Failure.Error(), fault.Hint(r.Failure)
	}
	if h := r.Head; h != nil {
		out.TreeSize, out.Root, out.AsOf = h.Size, verify.Hex(h.Root), seconds(h.CompleteAsOf)
		for _, c := range h.Cosigners {
			out.Cosigners = append(out.Cosigners, Cosigner{c.Name, c.Signed, seconds(c.Time)})
		}
	}
	for _, e := range r.Results {
		j := Entry{
			History: e.Subject, Index: e.Index, LogTime: verify.FormatLogTime(e.Time), LeafHash: verify.Hex(e.Hash),
			Verdict: string(e.Verdict), Reason: e.Reason,
		}
		if rec := e.Record; rec != nil {
			j.Type, j.Author, j.Event, j.Note = rec.Type, rec.Author, record.FormatTime(rec.EventTime), string(rec.Note)
			j.Text, j.Mileage = Describe(rec)
			if e.Key != nil {
				j.KeyID = e.Key.ID
			}
		}
		out.Entries = append(out.Entries, j)
	}
	return out
}

func seconds(t int64) string {
	if t == 0 {
		return ""
	}
	return time.Unix(t, 0).UTC().Format(time.RFC3339)
}
