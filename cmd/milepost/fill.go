package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// fillers add to a draft's body what follows from requests and from the log;
// what is given as a field goes before.
var fillers = map[string]func(*drafting) error{
	"member.admitted/1":   (*drafting).fillAdmitted,
	"key.added/1":         (*drafting).fillKey,
	"governors.changed/1": (*drafting).fillGovernors,
	"node.added/1":        (*drafting).fillNodeAdded,
	"node.changed/1":      (*drafting).fillNodeChanged,
	"node.removed/1":      (*drafting).fillNodeRemoved,
	"rules.published/1":   (*drafting).fillRules,
	"feature.raised/1":    (*drafting).fillFeature,
}

func (d *drafting) noRequest() error {
	if len(d.requests) > 0 {
		return fault.New("usage", "--request", d.def.Name+" needs no request")
	}
	return nil
}

// request returns the one request of a kind that the type needs.
func (d *drafting) request(kind string) (*node.Request, error) {
	if len(d.requests) != 1 {
		return nil, fault.New("usage", "--request", d.def.Name+" needs exactly one request").
			WithHint(fmt.Sprintf("whoever is concerned makes it with `milepost member request %s`", kind))
	}
	return d.requests[0], d.checkRequest(d.requests[0], kind)
}

func (d *drafting) checkRequest(q *node.Request, kind string) error {
	switch {
	case q.Kind != kind:
		return fault.New("request_other", q.Name, fmt.Sprintf("it is a request for a %s, %s needs one for a %s", q.Kind, d.def.Name, kind))
	case q.Origin != d.sit.auth.Origin:
		return fault.New("request_other", q.Name, "the request is for another log: "+orNone(q.Origin)).
			WithHint("it must be made with --origin " + d.sit.auth.Origin)
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// take puts the given fields over those that a request gives.
func (d *drafting) take(from jcs.Value) {
	for _, f := range d.body.Obj {
		from = from.With(f.Name, f.Value)
	}
	d.body = from
}

func (d *drafting) preset(field string, v jcs.Value) {
	if !d.body.Has(field) {
		d.body = d.body.With(field, v)
	}
}

func (d *drafting) fillAdmitted() error {
	q, err := d.request(node.AskMember)
	if err != nil {
		return err
	}
	d.take(q.Body())
	if !d.body.Has("documents_checked") {
		return fault.New("usage", "documents_checked", "which documents of the member were checked?").
			WithHint("for example documents_checked=register_extract,tax_certificate")
	}
	d.preset("valid_from", jcs.Text(clock().UTC().Format(time.DateOnly)))
	calendar := node.CalendarID(d.body.Get("zone").Str)
	if !slices.ContainsFunc(d.sit.rules.Get("calendars").List, func(v jcs.Value) bool { return v.Get("id").Str == calendar }) {
		calendar = "utc"
	}
	d.preset("calendar", jcs.Text(calendar))
	return nil
}

func (d *drafting) fillKey() error {
	q, err := d.request(node.AskKey)
	if err == nil {
		d.take(q.Body())
	}
	return err
}

func (d *drafting) fillGovernors() error {
	keys := map[string]string{}
	for _, g := range d.gov.Governors {
		keys[g.Name] = g.Key.VKey
	}
	pops := map[string]jcs.Value{}
	for _, name := range d.c.StringSlice("remove") {
		if keys[name] == "" {
			return fault.New("not_governor", "--remove", name+" is not a governor")
		}
		delete(keys, name)
	}
	for _, q := range d.requests {
		if err := d.checkRequest(q, node.AskGovernor); err != nil {
			return err
		}
		keys[q.Name], pops[q.Name] = q.Keys[0].Public, q.Keys[0].Proof()
	}
	if len(d.requests) == 0 && len(d.c.StringSlice("remove")) == 0 && len(d.body.Obj) == 0 {
		return fault.New("usage", "", "what changes about the governors?").
			WithHint("--request FILE adds one or gives one another key, --remove NAME lets one go, threshold=N says how many sign")
	}
	var list, proofs []jcs.Value
	for _, name := range sortedKeys(keys) {
		list = append(list, jcs.Make(jcs.Field{Name: "key", Value: jcs.Text(keys[name])}, jcs.Field{Name: "name", Value: jcs.Text(name)}))
		if pop, ok := pops[name]; ok {
			proofs = append(proofs, pop)
		}
	}
	d.preset("governors", jcs.Array(list...))
	if len(proofs) > 0 {
		d.preset("pop", jcs.Array(proofs...))
	}
	d.preset("threshold", jcs.Number(int64(d.gov.Threshold)))
	return nil
}

func (d *drafting) fillNodeAdded() error {
	q, err := d.request(node.AskNode)
	if err != nil {
		return err
	}
	d.take(q.Body())
	return d.fillPolicy(d.sortedNodes(), &nodeKeys{d.body.Get("log_key").Str, d.body.Get("cosigner_key").Str})
}

// nodeKeys are the two keys of a node that stand in a policy.
type nodeKeys struct{ log, cosigner string }

func (d *drafting) fillNodeChanged() error {
	var q *node.Request
	id := d.body.Get("id").Str
	if len(d.requests) > 0 {
		var err error
		if q, err = d.request(node.AskNode); err != nil {
			return err
		}
		id = q.Name
	}
	n := d.gov.Nodes[id]
	if n == nil {
		return d.noNode(id)
	}
	base := jcs.Make(
		jcs.Field{Name: "address", Value: jcs.Text(n.Address)}, jcs.Field{Name: "cosigner_key", Value: jcs.Text(n.Cosigner.VKey)},
		jcs.Field{Name: "id", Value: jcs.Text(id)}, jcs.Field{Name: "log_key", Value: jcs.Text(n.Log.VKey)},
		jcs.Field{Name: "member", Value: jcs.Text(n.Member)}, jcs.Field{Name: "tls_key", Value: jcs.Text(n.TLS.VKey)})
	if q != nil {
		for _, f := range q.Body().Obj {
			base = base.With(f.Name, f.Value)
		}
	}
	d.take(base)
	log, cosigner := d.body.Get("log_key").Str, d.body.Get("cosigner_key").Str
	if log == n.Log.VKey && cosigner == n.Cosigner.VKey && d.c.String("policy") == "" {
		return nil // the policy in force stays
	}
	var others []*verify.Node
	for _, o := range d.sortedNodes() {
		if o.ID != id {
			others = append(others, o)
		}
	}
	return d.fillPolicy(others, &nodeKeys{log, cosigner})
}

func (d *drafting) fillNodeRemoved() error {
	if err := d.noRequest(); err != nil {
		return err
	}
	id := d.body.Get("id").Str
	if d.gov.Nodes[id] == nil {
		return d.noNode(id)
	}
	var others []*verify.Node
	for _, o := range d.sortedNodes() {
		if o.ID != id {
			others = append(others, o)
		}
	}
	return d.fillPolicy(others, nil)
}

func (d *drafting) noNode(id string) error {
	return fault.New("node_unknown", "id", fmt.Sprintf("there is no node %q", id)).
		WithHint("the nodes are " + strings.Join(sortedKeys(d.gov.Nodes), ", "))
}

// fillPolicy gives the policy of the nodes that there are from then on: that
// of --policy, or the default one if the present one is.
func (d *drafting) fillPolicy(nodes []*verify.Node, more *nodeKeys) error {
	var text string
	if path := d.c.String("policy"); path != "" {
		data, err := readCapped(path, verify.MaxPolicy)
		if err != nil {
			return err
		}
		if _, err := verify.ParsePolicy(data); err != nil {
			return fault.New(fault.Code(err), path, err.Error()).WithHint(fault.Hint(err))
		}
		text = string(data)
	} else {
		if sayingLines(d.gov.Policy) != sayingLines(defaultPolicy(d.sortedNodes(), nil)) {
			return fault.New("usage", "--policy", "the policy in force is not the default one for these nodes, so its successor must be written by hand").
				WithHint("take `milepost cluster policy`, change it, and give it with --policy FILE")
		}
		// No text may come twice; the number makes each one new.
		text = fmt.Sprintf("# policy %d of this log\n%s", len(d.gov.Policies)+1, defaultPolicy(nodes, more))
	}
	var lines []jcs.Value
	for _, l := range strings.Split(text, "\n") {
		if l != "" {
			lines = append(lines, jcs.Text(l))
		}
	}
	d.preset("policy", jcs.Array(lines...))
	return nil
}

func defaultPolicy(nodes []*verify.Node, more *nodeKeys) string {
	var logs, cosigners []string
	for _, n := range nodes {
		logs, cosigners = append(logs, n.Log.VKey), append(cosigners, n.Cosigner.VKey)
	}
	if more != nil {
		logs, cosigners = append(logs, more.log), append(cosigners, more.cosigner)
	}
	return verify.NewPolicy(logs, cosigners...)
}

// sayingLines is a policy without comments and empty lines.
func sayingLines(text string) string {
	var out []string
	for _, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}

func (d *drafting) fillRules() error {
	if err := d.noRequest(); err != nil {
		return err
	}
	if !d.body.Has("types") {
		return fault.New("usage", "--body", "which rules?").
			WithHint("`milepost cluster rules -o rules.json` writes those in force; change them and give them with --body rules.json")
	}
	for _, t := range d.body.Get("types").Strings() {
		if record.Lookup(t) == nil {
			return newerNeeded("the type " + t)
		}
	}
	// The file is written from the rules in force, so it bears their version.
	if v := d.body.Get("version"); v.Kind == 0 || v.Int == d.gov.Rules.Version {
		d.body = d.body.With("version", jcs.Number(d.gov.Rules.Version+1))
	}
	return nil
}

func (d *drafting) fillFeature() error {
	d.preset("level", jcs.Number(d.gov.Level+1))
	if level := d.body.Get("level").Int; level == d.gov.Level+1 && level > verify.FeatureLevel {
		return newerNeeded(fmt.Sprintf("feature level %d", level))
	}
	return d.noRequest()
}

// newerNeeded refuses to draft what would stop every node that runs this
// program.
func newerNeeded(what string) error {
	return fault.New("newer_needed", "", "this program does not know "+what+": every node that runs it would stop").
		WithHint("install a newer milepost on all nodes first, then propose it with that one")
}
