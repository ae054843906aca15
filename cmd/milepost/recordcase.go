package main

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
)

// shortened reports whether a hash was given by its beginning, in the body or
// among refs.
func (n *newDraft) shortened(refs []string) bool {
	found := slices.ContainsFunc(refs, isPrefix)
	n.def.EachHash(n.draft.Body, func(_, text string) (string, error) {
		found = found || isPrefix(text)
		return text, nil
	})
	return found
}

// lookUp asks a node for the vehicle, makes shortened hashes whole, also
// those of refs, and fills in what --case tells.
func (n *newDraft) lookUp(c *cli.Context, ask *asker, refs []string) error {
	if c.String("case") != "" && n.def.Field("case") == nil {
		return fault.New("usage", "--case", n.def.Name+" belongs to no case that was opened before").WithHint("leave out --case")
	}
	if err := n.askVehicle(c, ask); err != nil {
		return err
	}
	s, err := dial(c, true)
	if err != nil {
		return err
	}
	h, err := s.vehicle(c, n.vehicle)
	if fault.Code(err) == "no_access" {
		return fault.New("no_access", n.vehicle, "its history can't be looked into").Because(err).
			WithHint("give hashes with all 64 digits, and case and prev instead of --case; or ask for a grant: access.granted/1")
	}
	if err != nil {
		return err
	}
	if n.draft.Body, err = n.def.EachHash(n.draft.Body, h.whole); err != nil {
		return err
	}
	for i := range refs {
		if refs[i], err = h.whole("--ref", refs[i]); err != nil {
			return err
		}
	}
	if c.String("case") == "" {
		return nil
	}
	k, err := h.theCase(c.String("case"))
	if err != nil {
		return err
	}
	return n.fillCase(c, h, k)
}

// fillCase puts a draft last in its case, and says so.
func (n *newDraft) fillCase(c *cli.Context, h *vehicleHistory, k *cases.Status) error {
	if takes := k.Takes(); !slices.Contains(takes, n.def.Name) {
		e := fault.New("case_state", "--case", fmt.Sprintf("the %s %s is %s: it takes no %s", k.Kind, brief(k.Case), k.Words, n.def.Name))
		if len(takes) == 0 {
			return e.WithHint("the case is closed; a new one may be opened")
		}
		return e.WithHint("it takes: " + strings.Join(takes, ", ") + "; `milepost case list VIN` tells from whom")
	}
	n.place(k)
	if given := n.draft.Body.Get("case").Str; given != "" && given != k.Case {
		return fault.New("usage", "--case", "the field case names another one, "+given).WithHint("leave out one of the two")
	}
	out := c.App.ErrWriter
	fmt.Fprintf(out, "milepost: the %s %s: %s\n", k.Kind, brief(k.Case), k.Words)
	if !n.draft.Body.Has("case") {
		n.draft.Body = n.draft.Body.With("case", jcs.Text(k.Case))
		fmt.Fprintf(out, "  filled in: case=%s\n", k.Case)
	}
	if !n.draft.Body.Has("prev") {
		n.draft.Body = n.draft.Body.With("prev", jcs.Text(k.Last))
		fmt.Fprintf(out, "  filled in: prev=%s%s\n", k.Last, h.nameEntry(k.Last))
	}
	return n.fillNote(c, h, k)
}

// place puts a draft into the history of its case, unless histories are given.
func (n *newDraft) place(k *cases.Status) {
	if class, _, _ := strings.Cut(k.Subject, "/"); len(n.subjects) == 0 && class != n.def.Subjects[0] && slices.ContainsFunc(n.def.Or, func(or []string) bool { return slices.Equal(or, []string{class}) }) {
		n.subjects = []string{k.Subject}
	}
	if n.campaign == "" {
		n.campaign = k.Campaign
	}
}

// fillNote has a record.reattributed carry the reading that its case is
// about, unless a note is given.
func (n *newDraft) fillNote(c *cli.Context, h *vehicleHistory, k *cases.Status) error {
	if n.def.Name != "record.reattributed/1" || n.draft.Body.Has("note") || len(k.Targets) == 0 {
		return nil
	}
	target := k.Targets[0]
	i := slices.IndexFunc(h.results, func(r verify.Result) bool { return r.Record != nil && verify.Hex(r.Record.Hash) == target })
	if i < 0 {
		return fault.New("no_record", "--case", "the node does not show the reading that the case is about, "+target).WithHint("give its note as note=BASE64")
	}
	r := h.results[i].Record
	n.draft.Body = n.draft.Body.With("note", jcs.Text(base64.StdEncoding.EncodeToString(r.Note)))
	fmt.Fprintf(c.App.ErrWriter, "  filled in: note, that of the reading %s by %s\n", brief(target), r.Author)
	return nil
}

// nameEntry says which record of a vehicle has a leaf hash.
func (h *vehicleHistory) nameEntry(hash string) string {
	for _, r := range h.results {
		if verify.Hex(r.Hash) == hash && r.Record != nil {
			return fmt.Sprintf(", its newest record: %s by %s", r.Record.Type, r.Record.Author)
		}
	}
	return ""
}
