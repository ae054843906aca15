package render

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/answers"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/judge"
)

// Report is a verifier's report for programs; docs/format.md, section 10. The
// tags doc and enum go into the JSON Schema.
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
	// What follows is inference: there for a verified file about a vehicle.
	Judgement json.RawMessage `json:"judgement,omitempty" doc:"inference: docs/judgement.md"`
	Cases     []Case          `json:"cases,omitempty" doc:"inference: cases about the vehicle, as of complete_as_of; those of its workshop history if the file has that"`
	Recalls   []string        `json:"open_recalls,omitempty" doc:"inference: campaigns that are open on the vehicle; where withheld is not 0, there may be others"`

	Answers *answers.Answers `json:"answers,omitempty" doc:"inference: what people ask a vehicle's history"`

	Entries   []Entry `json:"entries"`
	NotProved string  `json:"not_proved"`
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

	Entered   *Value `json:"entered,omitempty" doc:"of a reading of which another value counts: what was entered"`
	Effective *Value `json:"effective,omitempty" doc:"inference: and what counts by a decision in force"`
	Marks     []Mark `json:"marks,omitempty" doc:"inference: what to know of the record beside its verdict"`
}

// Value is a mileage and when it was read.
type Value struct {
	Value     int64  `json:"value"`
	Unit      string `json:"unit" enum:"KMT|SMI"`
	EventTime string `json:"event_time"`
}

// Mark is one thing to know of a record.
type Mark struct {
	Code      string `json:"code" enum:"late|very_late|future_dated|corrected|excluded|reattributed|admitted|confirmed|disputed|contradicts|one_side"`
	Seconds   int64  `json:"seconds,omitempty" doc:"between event time and log time"`
	By        string `json:"by,omitempty" doc:"leaf hash of the record that decided"`
	Index     uint64 `json:"index,omitempty" doc:"its log index"`
	Author    string `json:"author,omitempty" doc:"its author"`
	Case      string `json:"case,omitempty" doc:"leaf hash of the record that opened the case"`
	Reason    string `json:"reason,omitempty" enum:"not_actual|duplicate|wrong_vehicle"`
	Unclear   bool   `json:"unclear,omitempty" doc:"of disputed: withheld records may have ended the dispute"`
	Entered   *Value `json:"entered,omitempty"`
	Effective *Value `json:"effective,omitempty"`
}

// JSON returns a report for programs, mileages in the reader's unit.
func JSON(r *verify.Report, unit Unit) *Report {
	t := timeline{unit: unit}
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
			j.Text, j.Mileage = t.describe(rec)
			if e.Key != nil {
				j.KeyID = e.Key.ID
			}
		}
		if r.Meaning != nil {
			j.mark(r.Meaning.Marks[j.LeafHash])
		}
		out.Entries = append(out.Entries, j)
	}
	if m := r.Meaning; m != nil {
		out.Judgement, out.Answers = m.Judgement.JSON(), m.Answers
		for i := range m.Cases {
			out.Cases = append(out.Cases, caseOf(&m.Cases[i]))
		}
		for _, campaign := range cases.OpenRecalls(m.Cases) {
			out.Recalls = append(out.Recalls, strings.TrimPrefix(campaign, "campaign/"))
		}
	}
	return out
}

func (e *Entry) mark(marks []verify.Mark) {
	for _, m := range marks {
		j := Mark{Code: m.Code, Seconds: m.Seconds, By: m.By, Index: m.Index, Author: m.Author, Case: m.Case, Reason: m.Reason, Unclear: m.Unclear,
			Entered: valueOf(m.Entered), Effective: valueOf(m.Effective)}
		if m.Code == verify.MarkCorrected {
			e.Entered, e.Effective = j.Entered, j.Effective
		}
		e.Marks = append(e.Marks, j)
	}
}

func valueOf(v *judge.Value) *Value {
	if v == nil {
		return nil
	}
	return &Value{v.Value, v.Unit, v.EventTime}
}

func seconds(t int64) string {
	if t == 0 {
		return ""
	}
	return time.Unix(t, 0).UTC().Format(time.RFC3339)
}
