package main

import (
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

func proposeCommand() *cli.Command {
	return &cli.Command{
		Name: "propose", Usage: "draft a record of governance for the governors to sign", ArgsUsage: "TYPE [FIELD=VALUE...]",
		Description: "For example:\n" +
			"  milepost member propose member.admitted --request oslo.request documents_checked=register_extract --signers A,B -o oslo.proposal\n" +
			"  milepost member propose member.suspended name=dealer.example/turin reason=fraud --signers A,B -o turin.proposal\n" +
			"Types: " + strings.Join(governedTypes(), ", ") + ".\n" +
			"What follows from the log is filled in: the record before it, the policy after a change of nodes, the next version\n" +
			"or level. A list is written a,b,c. The draft is checked as the log would check it; nothing is sent. It binds nobody\n" +
			"until exactly those who are named have signed it (`member sign`) and it is sent (`member apply`).",
		Flags: clientFlags(
			&cli.StringFlag{Name: "o", Usage: "write the proposal to `FILE` (default: TYPE.proposal)"},
			&cli.StringSliceFlag{Name: "request", Usage: "a request `FILE` of whoever is concerned, from `milepost member request`"},
			&cli.StringFlag{Name: "signers", Usage: "`NAMES` of the governors who are to sign, as many as the threshold: a,b"},
			&cli.StringSliceFlag{Name: "remove", Usage: "with governors.changed: the `NAME` of a governor who leaves"},
			&cli.StringFlag{Name: "policy", Usage: "the trust policy from then on, in `FILE`, where it is not the default one"},
			&cli.StringFlag{Name: "body", Usage: "fields as JSON from `FILE`"},
		),
		Action: propose,
	}
}

// governedTypes lists what governors may propose: all but the genesis.
func governedTypes() (names []string) {
	for _, t := range record.Types() {
		if t.Governed() && t.Name != "log.genesis/1" {
			names = append(names, strings.TrimSuffix(t.Name, "/1"))
		}
	}
	return names
}

func governedType(name string) (*record.Type, error) {
	if !strings.Contains(name, "/") {
		name += "/1"
	}
	if t := record.Lookup(name); t != nil && t.Governed() && t.Name != "log.genesis/1" {
		return t, nil
	}
	return nil, fault.New("usage", name, "this is no type of record that governors sign").
		WithHint("types are " + strings.Join(governedTypes(), ", ") + "; ordinary records are made with `milepost record new`")
}

// fields reads FIELD=VALUE arguments into a body.
func fields(def *record.Type, body jcs.Value, args []string) (jcs.Value, error) {
	for _, a := range args {
		name, text, ok := strings.Cut(a, "=")
		if !ok {
			return body, fault.New("usage", a, "a field is given as NAME=VALUE")
		}
		v, err := def.Value(name, text)
		if err != nil {
			return body, err
		}
		body = body.With(name, v)
	}
	return body, nil
}

// drafting is one governance record in the making.
type drafting struct {
	c        *cli.Context
	def      *record.Type
	body     jcs.Value // as given, then as it will be
	requests []*node.Request
	sit      *situation
	gov      *verify.Governance
}

func propose(c *cli.Context) error {
	args, err := operands(c, 1, -1, "a type and its fields")
	if err != nil {
		return err
	}
	d := &drafting{c: c, body: jcs.Make()}
	if d.def, err = governedType(args[0]); err != nil {
		return err
	}
	path := c.String("o")
	if path == "" {
		path = strings.TrimSuffix(d.def.Name, "/1") + ".proposal"
	}
	if _, err := os.Lstat(path); err == nil && path != "-" {
		return fault.New("file_exists", path, "it is there already and is left as it is").WithHint("name another one with -o")
	}
	if body := c.String("body"); body != "" {
		data, err := readCapped(body, record.MaxBytes)
		if err != nil {
			return err
		}
		if d.body, err = jcs.Read(data); err != nil {
			return fault.New("json_form", body, err.Error())
		}
	}
	if d.body, err = fields(d.def, d.body, args[1:]); err != nil {
		return err
	}
	for _, path := range c.StringSlice("request") {
		q, err := readRequest(path)
		if err != nil {
			return err
		}
		d.requests = append(d.requests, q)
	}
	s, err := dial(c, true)
	if err != nil {
		return err
	}
	if d.sit, err = s.situation(c, d.owner()); err != nil {
		return err
	}
	d.gov = d.sit.auth.Governance
	p, err := d.draft()
	if err != nil {
		return err
	}
	// Before anybody signs: what the log would say.
	if err := d.sit.refused(p); err != nil {
		return refusal{fault.New(fault.Code(err), "", "the log would refuse this").Because(err).WithHint(fault.Hint(err))}
	}
	proposal := &record.Proposal{Records: []*record.Proposed{p}}
	if err := write(c, path, proposal.Bytes()); err != nil || path == "-" {
		return err
	}
	showProposal(c, proposal, d.sit)
	fmt.Fprintf(c.App.Writer, "\nWritten to %s. Each of them, wherever they sit: milepost member sign %s --key KEYFILE\n", path, path)
	return nil
}

// owner is the member in whose history the record will stand, "" for none.
func (d *drafting) owner() string {
	if d.def.Owner == "" {
		return ""
	}
	if name := d.body.Get(d.def.Owner).Str; name != "" {
		return name
	}
	if len(d.requests) > 0 {
		return d.requests[0].Name
	}
	return ""
}

func (d *drafting) draft() (*record.Proposed, error) {
	if d.gov.Closed != "" {
		return nil, refusal{fault.New("log_closed", "", "this log is closed; it goes on in "+d.gov.Closed)}
	}
	fill := fillers[d.def.Name]
	if fill == nil {
		fill = (*drafting).noRequest
	}
	if err := fill(d); err != nil {
		return nil, err
	}
	signers, err := d.signers()
	if err != nil {
		return nil, err
	}
	now := clock()
	id, err := record.NewUUIDv7(now, rand.Reader)
	if err != nil {
		return nil, err
	}
	draft := record.Draft{
		Author: signers[0].Name, Captured: record.FormatUTC(now), EventTime: record.FormatUTC(now), ID: id,
		Origin: d.sit.auth.Origin, Precision: "second", Subjects: []string{record.Governance}, Type: d.def.Name,
	}
	last := d.gov.Last
	if owner := d.owner(); d.def.Owner != "" {
		draft.Subjects, last = []string{record.MemberSubject(owner)}, ""
		if m := d.sit.auth.Members[owner]; m != nil {
			last = m.Last
		}
		if refs := d.sit.auth.BallotRefs(); len(refs) > 0 {
			draft.More = append(draft.More, jcs.Field{Name: "refs", Value: jcs.Texts(refs)})
		}
	}
	if last != "" {
		d.body = d.body.With("prev", jcs.Text(last))
	}
	draft.Body = d.body
	text, err := draft.Text()
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, g := range signers {
		keys = append(keys, g.Key.VKey)
	}
	return record.Propose(text, keys...)
}

// signers are the governors who are to sign, sorted by name; the first is the
// record's author. Their names stand in the proposal from the beginning,
// because the author's is part of what they sign.
func (d *drafting) signers() ([]verify.Governor, error) {
	var all []string
	for _, g := range d.gov.Governors {
		all = append(all, g.Name)
	}
	hint := fmt.Sprintf("the governors are %s, and exactly %d sign", strings.Join(all, ", "), d.gov.Threshold)
	names := splitNames(d.c.String("signers"))
	if len(names) == 0 && d.gov.Threshold == len(all) {
		names = all
	}
	if len(names) == 0 {
		return nil, fault.New("usage", "--signers", "who is to sign?").WithHint(hint)
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		return nil, fault.New("usage", "--signers", "a name stands there twice").WithHint(hint)
	}
	if len(names) != d.gov.Threshold {
		return nil, fault.New("threshold", "--signers", fmt.Sprintf("exactly %d governors sign, not %d", d.gov.Threshold, len(names))).WithHint(hint)
	}
	var out []verify.Governor
	for _, name := range names {
		i := slices.IndexFunc(d.gov.Governors, func(g verify.Governor) bool { return g.Name == name })
		if i < 0 {
			return nil, fault.New("not_governor", "--signers", name+" is not a governor").WithHint(hint)
		}
		out = append(out, d.gov.Governors[i])
	}
	return out, nil
}

func splitNames(list string) (names []string) {
	for _, n := range strings.Split(list, ",") {
		if n = strings.TrimSpace(n); n != "" {
			names = append(names, n)
		}
	}
	return names
}

// sortedNodes lists the present nodes by id.
func (d *drafting) sortedNodes() (nodes []*verify.Node) {
	for _, id := range slices.Sorted(maps.Keys(d.gov.Nodes)) {
		nodes = append(nodes, d.gov.Nodes[id])
	}
	return nodes
}
