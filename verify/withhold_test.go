package verify_test

import (
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify"
)

// withholding is the file of a vehicle whose holder keeps something back.
func (w *world) withholding(vin string, what ...string) *verify.File {
	w.t.Helper()
	f := w.file(vin)
	_, err := f.Withhold(what...)
	w.must(err)
	return f
}

// What a holder leaves out leaves neither the count nor the proof, and takes
// with it the histories of those who wrote nothing that is shown.
func TestWithhold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		what    []string
		n       int
		missing string // the member whose history goes too
	}{
		{[]string{"odometer.reading/1"}, 4, "member/" + inspector},
		{[]string{"odometer.reading", "service.visit"}, 5, "member/" + dealer},
		{[]string{"vehicle.created/1"}, 1, "member/" + maker},
		{[]string{w.ref("service in")}, 1, ""},
		{[]string{w.ref("service in"), "odometer.reading/1"}, 4, ""},
	} {
		t.Run(strings.Join(c.what, " "), func(t *testing.T) {
			t.Parallel()
			f := w.file(vinA)
			n, err := f.Withhold(c.what...)
			if err != nil || n != c.n {
				t.Fatalf("%d withheld: %v", n, err)
			}
			opt := w.options()
			refused(t, f.Bytes(), opt, "withheld", "")
			opt.AllowWithheld = true
			r := accepted(t, f.Bytes(), opt)
			if r.Records != 6 || r.Withheld != c.n {
				t.Error(r.Scope())
			}
			if c.missing != "" && f.History(c.missing) != nil {
				t.Errorf("the file still tells of %s", c.missing)
			}
			if strings.Contains(string(f.Bytes()), `\"value\":31450`) && c.n >= 4 {
				t.Error("a reading is still in the file")
			}
		})
	}
}

func TestWithholdReachesTheWorkshopToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file(vinA)
	f.Histories = append(f.Histories, w.fileHistory("workshop/"+vinA, 18))
	if _, err := f.Withhold("vehicle.created"); err != nil {
		t.Fatal(err)
	}
	if f.History("workshop/"+vinA) == nil {
		t.Error("a history of the vehicle itself was left out")
	}
	opt := w.options()
	opt.AllowWithheld = true
	accepted(t, f.Bytes(), opt)
}

func TestWithholdSaysWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ what, code string }{
		{"access.granted/1", "withhold_none"},
		{"access.granted", "withhold_none"},
		{strings.Repeat("0", 64), "withhold_none"},
		{"odometer.reeding/1", "unknown_type"},
		{"odometer.reading/2", "unknown_type"},
		{"*", "unknown_type"},
		{"", "unknown_type"},
		{"member.admitted/1", "withhold_none"}, // in the file, and not the holder's to withhold
	} {
		f := w.file(vinA)
		n, err := f.Withhold("vehicle.created/1", c.what)
		if fault.Code(err) != c.code || n != 0 {
			t.Errorf("%q: %d, %v", c.what, n, err)
		}
		if string(f.Bytes()) != string(w.file(vinA).Bytes()) {
			t.Errorf("%q: the file was changed though it was refused", c.what)
		}
	}
	f := w.file(vinA)
	f.History("vehicle/" + vinA).Entries[0].Note = []byte("nonsense")
	if _, err := f.Withhold("vehicle.created/1"); fault.Code(err) != "record" {
		t.Error(err)
	}
}

// Withheld once, a record can't be withheld again: it is not shown.
func TestWithholdTwice(t *testing.T) {
	t.Parallel()
	f := newWorld(t).file(vinA)
	if _, err := f.Withhold("service.visit"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Withhold("service.visit"); fault.Code(err) != "withhold_none" {
		t.Error(err)
	}
	if _, err := f.Withhold("odometer.reading"); err != nil {
		t.Error(err)
	}
	h := f.History("vehicle/" + vinA)
	shown := 0
	for _, e := range h.Entries {
		if e.Note != nil {
			shown++
		}
	}
	if shown != 1 {
		t.Errorf("%d records are shown", shown)
	}
}
