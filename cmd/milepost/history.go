package main

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/judge"
	"github.com/milepost-log/milepost/verify/render"
)

var leaseFlag = &cli.StringFlag{Name: "lease", Usage: "the `DISTANCE` that a lease contract allows in all, such as 45000km: what was driven beyond it is then told"}

var unitFlag = &cli.StringFlag{Name: "unit", EnvVars: []string{"MILEPOST_UNIT"}, Usage: "show mileages in `UNIT`: km, mi or as-entered"}

func historyCommand() *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "show a vehicle's history as a node knows it", ArgsUsage: "VIN",
		Description: "This is a node's word; `milepost prove` and `milepost verify` give a proof.",
		Flags: clientFlags(grantFlag, jsonFlag, unitFlag, leaseFlag, &cli.BoolFlag{Name: "strict", Usage: "include everything acknowledged anywhere before now"},
			&cli.StringFlag{Name: "with", Usage: "also the vehicle's other `HISTORIES`: workshop, access or workshop,access"}),
		Action: func(c *cli.Context) error {
			unit, err := render.ParseUnit(c.String("unit"))
			if err != nil {
				return err
			}
			s, subject, err := vehicleOf(c)
			if err != nil {
				return err
			}
			lease, err := leaseKM(c)
			if err != nil {
				return err
			}
			query := url.Values{}
			if c.Bool("strict") {
				query.Set("consistency", "strict")
			}
			with := listed(c.String("with"))
			if s.member != "" && !slices.Contains(with, "notices") { // what members announced is for members
				with = append(with, "notices")
			}
			if len(with) > 0 {
				query.Set("with", strings.Join(with, ","))
			}
			h, data, err := s.history(c, subject, query)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return write(c, "-", data)
			}
			out, err := tell(h, s.client.Address, unit, lease)
			if err != nil {
				return err
			}
			fmt.Fprint(c.App.Writer, out)
			return nil
		},
	}
}

// history asks for a vehicle's records and returns the answer also as it came.
func (s *session) history(c *cli.Context, subject string, query url.Values) (*node.HistoryAnswer, []byte, error) {
	path := node.VehiclePath(subject)
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	data, err := s.client.Get(c.Context, path)
	if err != nil {
		return nil, nil, err
	}
	h := new(node.HistoryAnswer)
	if err := json.Unmarshal(data, h); err != nil {
		return nil, nil, fault.New("unexpected", s.client.Address, "the node's answer is no history").Because(err)
	}
	return h, data, nil
}

// resultsOf opens the records of a history that a node sent, and of others
// that stand beside it; nobody has proved them.
func resultsOf(subject string, entries []node.HistoryEntry, address string) (results []verify.Result, err error) {
	for _, e := range entries {
		res := verify.Result{Subject: cmp.Or(e.Subject, subject), Index: e.Index, Time: e.Time, Verdict: verify.Withheld}
		raw, err := hex.DecodeString(e.LeafHash)
		if err != nil || len(raw) != 32 {
			return nil, fault.New("unexpected", address, "the node sent an entry without a leaf hash")
		}
		res.Hash = [32]byte(raw)
		if e.Note != "" {
			if res.Record, err = record.Open([]byte(e.Note)); err != nil {
				return nil, fault.New("record", address, "the node sent a malformed record").Because(err)
			}
			res.Verdict = verify.Valid
		}
		results = append(results, res)
	}
	return results, nil
}

// meaningOf works out what a node's answer adds up to.
func meaningOf(h *node.HistoryAnswer, address string, lease int64) (*verify.Meaning, []verify.Result, error) {
	results, err := resultsOf(h.Subject, h.Entries, address)
	if err != nil {
		return nil, nil, err
	}
	known := verify.Known{Rules: &verify.Rules{}, VIN: strings.TrimPrefix(h.Subject, "vehicle/"), LeaseKM: lease, Makers: h.Makers}
	known.Entries = entriesOf(results, h.Subject)
	known.Workshop = entriesOf(results, "workshop/"+known.VIN)
	for _, e := range known.Entries {
		known.AsOf = max(known.AsOf, e.Time)
	}
	if k := h.Known; k != nil {
		known.Rules = &verify.Rules{Version: k.Rules, Cases: k.Bounds, Judgement: k.Judgement}
		known.Cases, known.Effects, known.Disputed, known.AsOf = k.Cases, k.Effects, k.Disputed, k.AsOf
	}
	for _, n := range h.Notices {
		announced, err := resultsOf("notice/"+n.Member, n.Entries, address)
		if err != nil {
			return nil, nil, err
		}
		known.NoticesOf = append(known.NoticesOf, n.Member)
		known.Notices = append(known.Notices, entriesOf(announced, "notice/"+n.Member)...)
	}
	slices.SortFunc(known.Notices, func(a, b judge.Entry) int { return cmp.Compare(a.Index, b.Index) })
	return verify.Mean(&known), results, nil
}

// entriesOf are the results of one history.
func entriesOf(results []verify.Result, subject string) (entries []judge.Entry) {
	for _, r := range results {
		if r.Subject != subject {
			continue
		}
		entries = append(entries, judge.Entry{Index: r.Index, Time: r.Time, Hash: verify.Hex(r.Hash), Record: r.Record})
	}
	return entries
}

// tell writes a node's word about a vehicle for a person.
func tell(h *node.HistoryAnswer, address string, unit render.Unit, lease int64) (string, error) {
	m, results, err := meaningOf(h, address, lease)
	if err != nil {
		return "", err
	}
	count := "1 record"
	if len(results) != 1 {
		count = fmt.Sprintf("%d records", len(results))
	}
	out := fmt.Sprintf("%s: %s up to tree size %d,\n  as the node at %s says (no proof)\n", h.Subject, count, h.Size, address)
	if len(results) == 0 {
		return out, nil
	}
	return out + "\n" + render.Timeline(results, m, unit) + "\n" + render.Inference(m, results, unit), nil
}

// leaseKM reads --lease, such as 45000km or 28000mi, in kilometres.
func leaseKM(c *cli.Context) (int64, error) {
	text := c.String("lease")
	if text == "" {
		return 0, nil
	}
	digits := strings.TrimRight(text, "kmi ")
	unit, err := render.ParseUnit(strings.TrimSpace(strings.TrimPrefix(text, digits)))
	n, nerr := strconv.ParseInt(digits, 10, 64)
	if err != nil || nerr != nil || unit == render.AsEntered || n < 1 || n > record.MaxOdometer {
		return 0, fault.New("usage", "--lease", fmt.Sprintf("%q is no distance such as 45000km or 28000mi", text))
	}
	n, _ = render.Kilometres.In(n, string(unit))
	return n, nil
}

func vehicleOf(c *cli.Context) (*session, string, error) {
	args, err := operands(c, 1, 1, "one VIN")
	if err != nil {
		return nil, "", err
	}
	subject, err := record.ParseVehicle(args[0])
	if err != nil {
		return nil, "", err
	}
	s, err := dial(c, c.String("grant") == "")
	if err == nil {
		s.client.Grant = c.String("grant")
	}
	return s, subject, err
}

func proveCommand() *cli.Command {
	return &cli.Command{
		Name: "prove", Usage: "fetch the proof file of a vehicle's whole history", ArgsUsage: "VIN",
		Description: "The file is checked against this cluster's own policy before it is written.\n" +
			"--withhold leaves out the contents of records, by type or leaf hash, and never their count: whoever\n" +
			"checks the file sees how many are withheld, and then gets no judgement of the mileage.",
		Flags: clientFlags(grantFlag,
			&cli.StringFlag{Name: "o", Usage: "write to `FILE` (default: VIN.mileproof)"},
			&cli.StringFlag{Name: "with", Usage: "also the vehicle's other `HISTORIES`: workshop, access; and notices, what its makers and workshops announced: service plans and outages. Parted by commas"},
			&cli.StringFlag{Name: "withhold", Usage: "leave out the contents of records of these `TYPES`, or with these leaf hashes; parted by commas"}),
		Action: prove,
	}
}

func prove(c *cli.Context) error {
	s, subject, err := vehicleOf(c)
	if err != nil {
		return err
	}
	data, err := s.client.Proof(c.Context, subject, listed(c.String("with"))...)
	if err != nil {
		return err
	}
	rep, err := s.check(c, data, subject)
	if err != nil {
		return err
	}
	if what := listed(c.String("withhold")); len(what) > 0 {
		if data, err = withhold(data, what); err != nil {
			return err
		}
		if rep, err = s.check(c, data, subject); err != nil {
			return fault.New(fault.Code(err), "--withhold", "without these contents the file would not verify").Because(errors.Unwrap(err))
		}
	}
	path := c.String("o")
	if path == "" {
		path = c.Args().First() + ".mileproof"
	}
	if err := write(c, path, data); err != nil {
		return err
	}
	if path != "-" {
		fmt.Fprintf(c.App.Writer, "%s: %s\n", path, rep.Scope())
	}
	return nil
}

// withhold leaves out contents of a proof file that was checked.
func withhold(data []byte, what []string) ([]byte, error) {
	f, err := verify.ParseFile(data)
	if err != nil {
		return nil, err
	}
	if _, err := f.Withhold(what...); err != nil {
		return nil, err
	}
	return f.Bytes(), nil
}

// listed parts a list that a person typed with commas.
func listed(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
