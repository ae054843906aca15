package verify_test

import (
	"testing"

	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/answers"
)

const planner = "plans.example"

// announced is a world whose first car has a maker with a plan for it.
func announced(t *testing.T) (*world, func() *verify.File) {
	w := newWorld(t)
	w.admit(planner, func(b jcs.Value) jcs.Value { return b.With("wmi", val([]string{"1N4"})) }, "MFR")
	w.seal()
	plan := func(km int) {
		w.add(envelope{"service.plan/1", planner, []string{"notice/" + planner}, obj("intervals", []jcs.Value{obj("km", km, "op_codes", []string{"OIL-1"})},
			"model_match", obj("vds_pattern", "AZ0CP?", "wmi", "1N4"), "plan", "p"), nil}, w.workshop(planner))
	}
	plan(10_000)
	w.seal()
	plan(20_000)
	w.seal()
	return w, func() *verify.File {
		f, n := w.file(vinA), len(w.leaves)
		for _, s := range []string{"notice/" + planner, "notice/" + dealer, "member/" + planner} {
			f.Histories = append(f.Histories, w.fileHistory(s, n))
		}
		sortHistories(f)
		return f
	}
}

func notice(f *verify.File, of string) *verify.FileHistory { return f.History("notice/" + of) }

// A vehicle's file may carry what members announced: whole, proven like every
// other history, and the newest plan of the maker is what services are held
// against. That a member announced nothing is proven too.
func TestNoticesInAFile(t *testing.T) {
	t.Parallel()
	w, file := announced(t)
	r := accepted(t, file().Bytes(), w.options())
	a := r.Meaning.Answers
	if len(a.NoticesOf) != 2 || a.NoticesOf[0] != dealer || len(a.Plans) != 1 {
		t.Fatalf("%+v", a)
	}
	services := a.Plans[0].Intervals[0].Services
	if len(services) != 2 || services[0].Outcome != answers.Met || *services[0].DueKM != 20_000 || services[1].Outcome != answers.Ahead || *services[1].DueKM != 35_031 {
		t.Errorf("%+v", services)
	}
	if r.Records != 6 || r.Withheld != 0 {
		t.Errorf("notices count as records of the vehicle: %d, %d", r.Records, r.Withheld)
	}
	if plain := accepted(t, w.file(vinA).Bytes(), w.options()).Meaning.Answers; len(plain.Plans) != 0 || len(plain.NoticesOf) != 0 {
		t.Errorf("a plan from nowhere: %+v", plain)
	}
}

// Nothing of a notice can be left out, changed or withheld.
func TestLiesAboutNotices(t *testing.T) {
	t.Parallel()
	w, file := announced(t)
	for _, test := range []struct {
		name, code, says string
		lie              func(f *verify.File)
	}{
		{"the newest plan is left out", "index_present < index_proof", "notice/" + planner, func(f *verify.File) { h := notice(f, planner); h.Entries = h.Entries[:1] }},
		{"an entry is withheld", "withheld", "only records of the vehicle", func(f *verify.File) { notice(f, planner).Entries[1].Note = nil }},
		{"its author's membership is left out", "history_missing", "member/" + planner, func(f *verify.File) {
			f.Histories = leftOut(f.Histories, "member/"+planner)
		}},
		{"it stands in a stranger's notices", "record_elsewhere", "does not belong", func(f *verify.File) {
			notice(f, dealer).Entries = notice(f, planner).Entries[:1]
		}},
	} {
		f := file()
		test.lie(f)
		t.Run(test.name, func(t *testing.T) { refused(t, f.Bytes(), w.options(), test.code, test.says) })
	}
	// A file of anything but a vehicle has no use for them.
	n := len(w.leaves)
	f := w.fileAt("member/"+dealer, n, w.signers()...)
	f.Histories = append(f.Histories, w.fileHistory("notice/"+dealer, n))
	sortHistories(f)
	o := w.options()
	o.Subject = "member/" + dealer
	refused(t, f.Bytes(), o, "history_extra", "notice/"+dealer)
}

func leftOut(hs []verify.FileHistory, subject string) (out []verify.FileHistory) {
	for _, h := range hs {
		if h.Subject != subject {
			out = append(out, h)
		}
	}
	return out
}
