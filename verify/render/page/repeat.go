package page

import (
	"fmt"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/render"
)

// repeat is how to check again what the page says, on any machine.
type repeat struct {
	Version string
	Hash    []pair // which command, on which system
	Sum     string
	Verify  string
	Report  string
	Attach  string // "" if no attachments were handed in
}

func newRepeat(in *Input, sum string) repeat {
	file := clean(in.FileName)
	vin := in.VIN
	if vin == "" {
		vin = "VIN"
	}
	r := repeat{
		Version: in.Version, Sum: sum,
		Hash: []pair{
			{"Linux", "sha256sum " + quote(file), true}, {"macOS", "shasum -a 256 " + quote(file), true}, {"Windows", "certutil -hashfile " + quote(file) + " SHA256", true},
		},
	}
	withheld := ""
	if in.Allowed {
		withheld = " --allow-withheld"
	}
	r.Verify = "milepost verify " + quote(file) + " --policy trust.policy --vin " + quote(clean(vin)) + withheld
	r.Report = "milepost report " + quote(file) + " --policy trust.policy" + withheld
	if in.VIN != "" {
		r.Report += " --vin " + quote(clean(in.VIN))
	}
	switch in.Unit {
	case render.Kilometres:
		r.Report += " --unit km"
	case render.Miles:
		r.Report += " --unit mi"
	}
	if in.LeaseKM > 0 {
		r.Report += fmt.Sprintf(" --lease %dkm", in.LeaseKM)
	}
	r.Report += " --at " + in.Now.UTC().Truncate(time.Second).Format(time.RFC3339)
	if p := in.Presented; p != nil && len(p.Files) > 0 {
		r.Attach = "milepost attach check " + quote(file)
		for _, f := range p.Files {
			r.Attach += " " + quote(clean(f.Name))
			r.Report += " --attachment " + quote(clean(f.Name))
		}
	}
	return r
}

// presented is what became of the files that were handed in.
type presented struct {
	Files   []file
	Missing []string
}

type file struct {
	Name, SHA256, Size string
	Of                 []string // records that it belongs to
	Closed             string   // why that can't be told
}

func presentedOf(in *Input, es []*entry) *presented {
	if in.Presented == nil {
		return nil
	}
	number := map[[32]byte]int{}
	for _, e := range es {
		number[e.res.Hash] = e.No
	}
	// A record of another history of the file has no number on the page.
	name := func(s Slot) string {
		of := words(clean(s.Kind)) + ", attachment " + record.Thousands(int64(s.Number)) + " of "
		if n := number[s.Record.Hash]; n > 0 {
			return of + fmt.Sprintf("record %d, ", n) + clean(s.Record.Type)
		}
		return of + clean(s.Record.Type) + " by " + clean(s.Record.Author) + ", id " + s.Record.ID
	}
	out := &presented{}
	for _, f := range in.Presented.Files {
		v := file{Name: clean(f.Name), SHA256: fmt.Sprintf("%x", f.SHA256), Size: count(f.Bytes, "byte")}
		for _, s := range f.Of {
			v.Of = append(v.Of, name(s))
		}
		if f.Closed > 0 {
			v.Closed = count(int64(f.Closed), "salted attachment") + " of this size could not be compared: the opening that goes with the file is missing"
		}
		out.Files = append(out.Files, v)
	}
	for _, s := range in.Presented.Missing {
		out.Missing = append(out.Missing, name(s)+", "+count(s.Bytes, "byte"))
	}
	return out
}
