package main

import (
	"math/rand/v2"

	"github.com/milepost-log/milepost/verify/judge"
)

// tally counts what became of injected errors.
type tally struct {
	name     string
	injected int
	silent   int // it contradicts nothing: no method can see it
	visible  int
	named    int // the error, and nothing else
	listed   int // among two sides
	wrong    int // an honest reading was named
	missed   int // it contradicts, and appears nowhere
	repaired int // of the named: the truth is among the first three suggestions
}

func (t *tally) add(o tally) {
	t.injected += o.injected
	t.silent += o.silent
	t.visible += o.visible
	t.named += o.named
	t.listed += o.listed
	t.wrong += o.wrong
	t.missed += o.missed
	t.repaired += o.repaired
}

// count judges readings of which number i is wrong; truth is what it was, and
// h the history as entered but for that reading.
func (t *tally) count(h *judge.History, rs []entered, i int, truth entered) {
	was := h.Entries[i]
	h.Entries[i] = rs[i].entry(i)
	defer func() { h.Entries[i] = was }()
	t.injected++
	visible := contradicted(rs, i)
	if visible {
		t.visible++
	} else {
		t.silent++
	}
	j := judge.Judge(h, judge.ParamsOf(nil), 0)
	named, listed := false, false
	for _, r := range j.Readings {
		switch {
		case r.Named && r.Hash != name(i):
			t.wrong++
		case r.Hash == name(i):
			named, listed = r.Named, r.BothSides
		}
	}
	switch {
	case !visible:
	case named:
		t.named++
		if offered(j, i, truth) {
			t.repaired++
		}
	case listed:
		t.listed++
	default:
		t.missed++
	}
}

// offered reports whether the truth, within the tolerance, is suggested.
func offered(j *judge.Judgement, i int, truth entered) bool {
	for _, b := range j.Breaks {
		for _, s := range b.Suggestions {
			d := s.Value*millimetres[s.Unit] - truth.mm()
			if s.Record == name(i) && max(d, -d) <= 100*millimetres["KMT"] {
				return true
			}
		}
	}
	return false
}

// honestRow is what becomes of the series as they are, at one tolerance.
type honestRow struct {
	tolerance       string
	cars, readings  int
	breaks          int
	jumps, standing int
}

// honest judges the series as they are, at three tolerances.
func honest(cars []series) (rows []honestRow) {
	for _, c := range []struct {
		name   string
		metres int64
	}{{"0", 0}, {"100 km", 100_000}, {"100 mi", 160_934}} {
		p := judge.DefaultParams()
		p["tol_kmt_m"], p["tol_smi_m"] = c.metres, c.metres
		row := honestRow{tolerance: c.name, cars: len(cars)}
		for _, s := range cars {
			j := judge.Judge(history(s.entered()), judge.ParamsOf(p), 0)
			row.readings += len(s.readings)
			row.breaks += len(j.Breaks)
			for _, f := range j.Flags {
				switch f.Code {
				case "jump":
					row.jumps++
				case "static":
					row.standing++
				}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// typos puts one slip of each kind into each reading of each series.
func typos(all []series) (rows []tally) {
	rng := rand.New(rand.NewPCG(1, 4))
	for _, slip := range slips {
		t := tally{name: slip.name}
		for _, s := range all {
			rs := s.entered()
			h := history(rs)
			for i, truth := range rs {
				ok := false
				for range 8 { // a random slip may change nothing
					if rs[i], ok = slip.make(rng, truth); ok {
						break
					}
				}
				if ok {
					t.count(h, rs, i, truth)
				}
				rs[i] = truth
			}
		}
		rows = append(rows, t)
	}
	return rows
}

// strangers puts a reading of one car into the history of another.
func strangers(all []series, n int) tally {
	rng := rand.New(rand.NewPCG(2, 4))
	t := tally{name: "another car's reading"}
	for t.injected < n {
		s, other := all[rng.IntN(len(all))], all[rng.IntN(len(all))]
		if s.name[:2] == other.name[:2] { // N2 and N2/5 are one car
			continue
		}
		rs := s.entered()
		h := history(rs)
		i := rng.IntN(len(rs))
		truth := rs[i]
		rs[i].value = other.readings[rng.IntN(len(other.readings))].value
		t.count(h, rs, i, truth)
	}
	return t
}
