package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/render"
)

func caseCommand() *cli.Command {
	return &cli.Command{
		Name: "case", Usage: "see the cases about a vehicle: corrections, disputes, warranty, parts, recalls; and what may come next in them",
		Subcommands: []*cli.Command{{
			Name: "list", Usage: "list the cases of a vehicle as a node knows them", ArgsUsage: "VIN",
			Description: "Of each case: its id, how it stands, who opened it and about what, its newest record, its deadlines, and\n" +
				"which records it takes next, from whom and with what. `milepost record new TYPE --vehicle VIN --case ID`\n" +
				"makes one of them. Warranty claims, part orders and returns are for who may read the vehicle's workshop\n" +
				"history; others get the rest. This is a node's word; `milepost prove` and `milepost verify` give a proof.",
			Flags: clientFlags(grantFlag, jsonFlag, unitFlag), Action: listCases,
		}},
	}
}

func listCases(c *cli.Context) error {
	unit, err := render.ParseUnit(c.String("unit"))
	if err != nil {
		return err
	}
	s, subject, err := vehicleOf(c)
	if err != nil {
		return err
	}
	h, err := s.vehicle(c, subject)
	if err != nil {
		return err
	}
	k := h.answer.Known
	if c.Bool("json") {
		return write(c, "-", render.CasesJSON(subject, h.answer.Size, k.AsOf, k.Cases))
	}
	count := "no cases"
	if n := len(k.Cases); n == 1 {
		count = "1 case"
	} else if n > 1 {
		count = fmt.Sprintf("%d cases", n)
	}
	fmt.Fprintf(c.App.Writer, "%s: %s up to tree size %d,\n  as the node at %s says (no proof)\n", subject, count, h.answer.Size, s.client.Address)
	if len(k.Cases) > 0 {
		fmt.Fprint(c.App.Writer, "\n"+render.Cases(k.Cases, h.results, k.AsOf, unit))
	}
	return nil
}

// vehicleHistory is what a node says of a vehicle to who may see all of it.
type vehicleHistory struct {
	answer  *node.HistoryAnswer // Known is there
	results []verify.Result
}

// workshopToo asks for a vehicle's workshop history beside its own.
var workshopToo = url.Values{"with": {"workshop"}}

// vehicle asks for a vehicle's records and cases, as far as the asker may see
// its histories.
func (s *session) vehicle(c *cli.Context, subject string) (*vehicleHistory, error) {
	answer, _, err := s.history(c, subject, workshopToo)
	if code := fault.Code(err); code == "no_access" || code == "grant_scope" { // not the workshop's
		answer, _, err = s.history(c, subject, nil)
	}
	if err != nil {
		return nil, err
	}
	if answer.Known == nil {
		return nil, fault.New("no_access", subject, "some of its records are hidden from this reader, so that its cases can't be told").
			WithHint("ask as a member that may read all of them, or with a grant for all")
	}
	results, err := resultsOf(answer.Subject, answer.Entries, s.client.Address)
	return &vehicleHistory{answer, results}, err
}

// brief is the beginning of a hash, of whatever a node sent as one.
func brief(hash string) string { return hash[:min(12, len(hash))] }

// minPrefix is how many digits of a hash a person gives at least.
const minPrefix = 8

// isPrefix reports whether a text is the beginning of a hash, long enough to
// be looked up.
func isPrefix(s string) bool {
	return len(s) >= minPrefix && len(s) < 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// theCase finds a case by its id or the beginning of it.
func (h *vehicleHistory) theCase(id string) (*cases.Status, error) {
	id = strings.ToLower(id)
	if !isPrefix(id) && (len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "") {
		return nil, fault.New("usage", "--case", fmt.Sprintf("the id of a case is 64 hexadecimal digits, or at least the first %d of them", minPrefix)).
			WithHint(h.listHint())
	}
	var found *cases.Status
	for i := range h.answer.Known.Cases {
		k := &h.answer.Known.Cases[i]
		switch {
		case !strings.HasPrefix(k.Case, id):
		case found != nil:
			return nil, fault.New("usage", "--case", "several cases begin with "+id).WithHint("give more digits: " + found.Case + " or " + k.Case)
		default:
			found = k
		}
	}
	if found == nil {
		return nil, fault.New("case_unknown", "--case", fmt.Sprintf("no case of %s begins with %s", h.answer.Subject, id)).WithHint(h.listHint())
	}
	return found, nil
}

func (h *vehicleHistory) listHint() string {
	ids := []string{}
	for _, k := range h.answer.Known.Cases {
		ids = append(ids, brief(k.Case))
	}
	if len(ids) == 0 {
		return "there is no case about this vehicle; is it the right VIN?"
	}
	return "`milepost case list VIN` shows them: " + strings.Join(ids, ", ")
}

// whole makes the beginning of a leaf hash whole: that of a record of the
// vehicle. Anything else it leaves as it is.
func (h *vehicleHistory) whole(at, hash string) (string, error) {
	if !isPrefix(hash) {
		return hash, nil
	}
	found := ""
	for _, e := range h.answer.Entries {
		switch {
		case !strings.HasPrefix(e.LeafHash, hash):
		case found != "":
			return "", fault.New("field", at, "several records of this vehicle begin with "+hash).WithHint("give more digits: " + found + " or " + e.LeafHash)
		default:
			found = e.LeafHash
		}
	}
	if found == "" {
		return "", fault.New("reference", at, "no record of this vehicle has a leaf hash that begins with "+hash).
			WithHint("`milepost history --json VIN` shows them as leaf_hash; of a record elsewhere give all 64 digits")
	}
	return found, nil
}
