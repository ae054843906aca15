package node

import (
	"slices"

	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/judge"
)

// checking is one request to check records. All that it learns and supposes
// ends with it.
type checking struct {
	n       *Node
	caller  caller
	view    *log.View
	cars    map[string]*car             // by subject vehicle/...
	earlier map[[32]byte]*record.Record // of this request, as if they had gone in
	book    *cases.Memory               // this request's own copy of the cases of
	read    map[string]bool             // these subjects
}

// car is a vehicle as this node knows it, with what goes before in the request.
type car struct {
	entries []judge.Entry // of its own history
	created bool          // it has its vehicle.created
	open    bool          // the caller may read its history without any grant
}

func (k *checking) car(vehicle string) (*car, error) {
	if v := k.cars[vehicle]; v != nil {
		return v, nil
	}
	v := new(car)
	on, err := vehicleAt(k.view, vehicle, func(e verify.Entry, r *record.Record) {
		v.entries = append(v.entries, judge.Entry{Index: e.Index, Time: e.Time, Hash: verify.Hex(e.Hash), Record: r})
		v.created = v.created || r.Type == "vehicle.created/1"
	})
	if err != nil {
		return nil, err
	}
	v.open = k.mayOpen(on)
	k.cars[vehicle] = v
	return v, nil
}

// mayOpen reports whether the caller may read a vehicle's history in its own
// right: a read by grant would have to be written down.
func (k *checking) mayOpen(on *verify.Vehicle) (open bool) {
	on.Grants = nil
	k.n.state.withAuthority(func(a *verify.Authority) {
		_, err := a.MayOpen(a.ReaderByPin(k.caller.pin), on, verify.ClassVehicle, k.n.now())
		open = err == nil
	})
	return open
}

// takeCase takes a record into its case, in this request's own copy.
func (k *checking) takeCase(r *record.Record) (refused, err error) {
	if err := k.readCases(slices.Concat(r.Subjects, r.Vehicles())...); err != nil || r.Def.Case == "" {
		return nil, err
	}
	at := verify.Place{Index: k.view.Size + uint64(len(k.earlier)), Time: k.n.now().UnixMilli()}
	k.n.state.withAuthority(func(a *verify.Authority) {
		f := a.CaseFacts(r, at)
		f.Find = func(_, hash string) (found cases.Found) {
			if found, err = k.found(hash); err != nil {
				return cases.Found{}
			}
			return found
		}
		refused = cases.Apply(k.book, r, f)
	})
	return refused, err
}

// readCases reads the cases of subjects from the disk, once.
func (k *checking) readCases(subjects ...string) error {
	for _, s := range subjects {
		if k.read[s] {
			continue
		}
		if err := casework(k.n.state.tree, k.book, s); err != nil {
			return err
		}
		k.read[s] = true
	}
	return nil
}

// found is what a case may know of an earlier record.
func (k *checking) found(hash string) (found cases.Found, err error) {
	r, index, err := k.find(hash)
	if r == nil || err != nil {
		return found, err
	}
	if index == unlogged {
		return cases.Found{Record: r, Index: k.view.Size, Time: k.n.now().UnixMilli()}, nil
	}
	at, err := k.view.Time(index)
	return cases.Found{Record: r, Index: index, Time: at}, err
}

// add supposes that a record has gone in.
func (k *checking) add(r *record.Record, v *car) {
	k.earlier[r.Hash] = r
	if r.Subject("vehicle") == "" {
		return
	}
	index := k.view.Size
	if n := len(v.entries); n > 0 {
		index = max(index, v.entries[n-1].Index+1)
	}
	v.entries = append(v.entries, judge.Entry{Index: index, Time: k.n.now().UnixMilli(), Hash: verify.Hex(r.Hash), Record: r})
	v.created = v.created || r.Type == "vehicle.created/1"
}

// doubts asks the judgement what the record would change.
func (k *checking) doubts(r *record.Record, v *car) (all []Warning) {
	vehicle, now := r.Vehicle(), k.n.now().UnixMilli()
	h := &judge.History{Entries: v.entries, Effects: cases.Effects(k.book, vehicle), Disputed: cases.Disputed(k.book, vehicle, now)}
	var p judge.Params
	k.n.state.withAuthority(func(a *verify.Authority) {
		p = judge.ParamsOf(a.Governance.Rules.Judgement)
		p.Rules = a.Governance.Rules.Version
	})
	for _, w := range judge.Warn(h, r, p) {
		out := Warning{Code: w.Code, Text: w.Text}
		if len(w.Suggestions) > 0 {
			out.Suggestion = w.Suggestions[0].Text()
		}
		if !v.open && !ofTheRecord[w.Code] {
			out = Warning{Code: w.Code, Text: "it does not go with what is on the log about this vehicle: read the odometer once more, and compare the VIN"}
		}
		all = append(all, out)
	}
	return all
}

// ofTheRecord are the warnings that tell of nothing but the record itself.
var ofTheRecord = map[string]bool{"late": true, "very_late": true, "future_dated": true, judge.WarnSentinel: true}
