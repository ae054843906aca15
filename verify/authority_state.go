package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/cases"
)

// Encode returns the state of one history as bytes that Decode reads: the
// subject is governance or member/<name>. nil when there is none.
func (a *Authority) Encode(subject string) []byte {
	var v any
	if name, ok := strings.CutPrefix(subject, "member/"); ok && a.Members[name] != nil {
		v = a.Members[name]
	} else if subject == record.Governance && a.Governance != nil {
		v = a.Governance
	} else {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data only
	}
	return b
}

// Decode adds the state of one history that Encode wrote, and refuses what
// Encode would write otherwise.
func (a *Authority) Decode(subject string, b []byte) error {
	if name, ok := strings.CutPrefix(subject, "member/"); ok {
		m := new(Member)
		if err := decode(b, m); err != nil || m.Name != name || slices.Contains(m.Keys, nil) {
			return badState(subject, err)
		}
		a.Members[name] = m
		for _, k := range m.Keys {
			a.use(m.Name, k)
		}
		return nil
	}
	g := new(Governance)
	if err := decode(b, g); err != nil || subject != record.Governance || slices.Contains(slices.Collect(maps.Values(g.Nodes)), nil) ||
		slices.ContainsFunc(g.Removed, func(v Gone) bool { return v.Node == nil }) {
		return badState(subject, err)
	}
	a.Governance = g
	if a.heir != "" {
		a.arrive(orElse(g.Origin, a.heir))
	}
	for i := range g.Governors {
		a.use(g.Governors[i].Name, &g.Governors[i].Key)
	}
	for _, n := range g.Nodes {
		a.useNode(n)
	}
	for i := range g.Former {
		a.use(g.Former[i].Name, &g.Former[i].Key)
	}
	return nil
}

// decode reads JSON that is written back byte for byte.
func decode(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return err
	}
	if again, err := json.Marshal(v); err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("not in its one form")
	}
	return nil
}

func badState(subject string, err error) error {
	if err == nil {
		err = fmt.Errorf("it is of something else, or a part is missing")
	}
	return fmt.Errorf("state of %s: %w", subject, err)
}

// Subjects lists the histories whose state is held, sorted.
func (a *Authority) Subjects() []string {
	var ss []string
	if a.Governance != nil {
		ss = append(ss, record.Governance)
	}
	for name := range a.Members {
		ss = append(ss, record.MemberSubject(name))
	}
	sort.Strings(ss)
	return ss
}

func (a *Authority) use(name string, k *Key) {
	a.used[string(k.Public)] = true
	a.used[name+"+"+k.ID] = true
	if k.Use == UseTLS {
		a.pins[k.VKey] = name
	}
}

// arrive says of which origin the genesis applied last is.
func (a *Authority) arrive(origin string) {
	if a.Origin = origin; origin == a.heir {
		a.heir = ""
	}
}

func (a *Authority) useNode(n *Node) {
	a.use(a.Origin, &n.Log)
	a.use(record.NodeName(a.Origin, n.ID), &n.Cosigner)
	a.use(record.NodeName(a.Origin, n.ID), &n.TLS)
}

func rulesOf(v jcs.Value) Rules {
	r := Rules{
		Version: v.Get("version").Int, Types: v.Get("types").Strings(), Write: map[string][]string{}, Read: map[string][]string{},
		Cases: numbers(v.Get("cases")), Judgement: numbers(v.Get("judgement")), CentralSupport: v.Get("central_support").Str,
	}
	for _, c := range v.Get("calendars").List {
		calendar := cases.Calendar{ID: c.Get("id").Str, Zone: c.Get("zone").Str, DaysOff: c.Get("days_off").Strings()}
		for _, d := range c.Get("weekend").List {
			calendar.Weekend = append(calendar.Weekend, d.Int)
		}
		r.Calendars = append(r.Calendars, calendar)
	}
	for _, right := range v.Get("rights").List {
		t := right.Get("type").Str
		r.Write[t] = right.Get("write").Strings()
		r.Read[t] = right.Get("read").Strings()
	}
	return r
}

func numbers(v jcs.Value) map[string]int64 {
	m := map[string]int64{}
	for _, f := range v.Obj {
		m[f.Name] = f.Value.Int
	}
	return m
}
