package record

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
)

func TestVINVectors(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/vin_vectors.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	count := map[string]int{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Split(sc.Text(), ",")
		if strings.HasPrefix(sc.Text(), "#") || fields[0] == "vin" {
			continue
		}
		if len(fields) != 3 {
			t.Fatalf("%q has %d fields", sc.Text(), len(fields))
		}
		got := "malformed"
		if v, err := ParseVIN(fields[0]); err == nil {
			got = string(v.CheckDigit())
		}
		if got != fields[1] {
			t.Errorf("%s (%s): %s, want %s", fields[0], fields[2], got, fields[1])
		}
		count[got]++
	}
	want := map[string]int{"ok": 94, "bad": 1, "not_applicable": 5, "malformed": 2}
	for k, n := range want {
		if count[k] != n {
			t.Errorf("%d vectors are %s, want %d", count[k], k, n)
		}
	}
}

// The digits that position 9 of the misfits would have to be.
func TestExpectedCheckDigit(t *testing.T) {
	t.Parallel()
	for vin, want := range map[string]string{
		"1XPTD40X0JD456115": "6", "WVWZZZ1KZ6W612305": "2", "WV1ZZZ7HZPH004147": "6",
		"SJNFAAJ11U1234567": "8", "VSKYAAME0U0601399": "3", "MALAN51CLBM849064": "0",
		"1M8GDM9AXKP042788": "X",
	} {
		if got := VIN(vin).ExpectedCheckDigit(); got != want {
			t.Errorf("%s: %s, want %s", vin, got, want)
		}
	}
}

// A misfit is an error only where the maker must set the digit.
func TestCheckDigitApplies(t *testing.T) {
	t.Parallel()
	const tail = "AAAAAAAAAAAAAAA" // 15 characters; position 9 a letter that never fits
	for _, c := range []struct {
		first string
		want  CheckDigit
		where string
	}{
		{"1A", CheckBad, "north_america"}, {"50", CheckBad, "north_america"},
		{"7A", CheckNotApplicable, "oceania"}, {"7E", CheckNotApplicable, "oceania"},
		{"7F", CheckBad, "north_america"}, {"7Z", CheckBad, "north_america"},
		{"71", CheckBad, "north_america"}, {"79", CheckBad, "north_america"}, {"70", CheckBad, "north_america"},
		{"6F", CheckNotApplicable, "oceania"}, {"8A", CheckNotApplicable, "south_america"},
		{"0A", CheckNotApplicable, ""}, {"LF", CheckNotApplicable, "asia"}, {"HA", CheckNotApplicable, "asia"},
		{"WV", CheckNotApplicable, "europe"}, {"AA", CheckNotApplicable, "africa"},
	} {
		v, err := ParseVIN(c.first + tail)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.CheckDigit(); got != c.want {
			t.Errorf("%s: %s, want %s", v, got, c.want)
		}
		if got := v.Region(); got != c.where {
			t.Errorf("%s: region %q, want %q", v, got, c.where)
		}
	}
}

func TestParseVINRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, what, hint string }{
		{"", "0 characters", ""},
		{"1HGCM82633A00435", "16 characters", ""},
		{"1HGCM82633A0043522", "18 characters", ""},
		{"1HGCM82633A00I352", "letter I", ""},
		{"1HGCM82633A00O352", "letter O", ""},
		{"1HGCM82633AQ04352", "letter Q", ""},
		{"1hgcm82633a004352", "lower-case", "write it as 1HGCM82633A004352"},
		{"1HG CM82633A004352", "spaces or dashes", "write it as 1HGCM82633A004352"},
		{"1HG-CM826-33A004352", "spaces or dashes", "write it as 1HGCM82633A004352"},
		{" 1HGCM82633A004352", "spaces or dashes", "write it as 1HGCM82633A004352"},
		{"1HGCM82633A00435\u0660", "'\\u0660'", ""},
		{"\u202e1HGCM82633A00435", "'\\u202e'", ""},
		{"1HGCM82633A00435\n", "'\\n'", ""},
		{"1HGCM82633A00435\xff", "'\\ufffd'", ""},
		{strings.Repeat("A", 1<<20), "1048576 characters", ""},
	} {
		v, err := ParseVIN(c.in)
		if err == nil {
			t.Errorf("%.40q is accepted as %s", c.in, v)
			continue
		}
		if fault.Code(err) != "vin_form" || !strings.Contains(err.Error(), c.what) || !strings.Contains(fault.Hint(err), c.hint) {
			t.Errorf("%.40q: code %s, %q, hint %q; want %q, hint %q", c.in, fault.Code(err), err, fault.Hint(err), c.what, c.hint)
		}
		if len(err.Error()) > 400 {
			t.Errorf("%.40q: the message has %d bytes", c.in, len(err.Error()))
		}
	}
}

func TestParseShortVIN(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"123", "ABC-12345", "SHORT-CHASSIS-16"} {
		if v, err := ParseShortVIN(s); err != nil || string(v) != s {
			t.Errorf("%s: %q, %v", s, v, err)
		}
	}
	for _, s := range []string{"", "12", "12345678901234567", "abc", "AB 12", "AB/12", "AB\n12", "ÄB12"} {
		if _, err := ParseShortVIN(s); fault.Code(err) != "vin_form" {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestModelYears(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		vin  VIN
		last int
		want []int
	}{
		{"2FTCF15F2ECA55516", 2026, []int{1984, 2014}}, // a lorry of 1984
		{"1N4AZ0CP1DC900001", 2026, []int{1983, 2013}},
		{"137ZA903X1E412677", 2026, []int{2001}},
		{"137ZA903X1E412677", 2031, []int{2001, 2031}},
		{"1GB0C4EGXGZ280783", 2015, []int{1986}},
		{"SJNFAAJ11U1234567", 2026, nil}, // U is no year code
		{"WVWZZZ1KZ", 2026, nil},
	} {
		if got := c.vin.ModelYears(c.last); !slices.Equal(got, c.want) {
			t.Errorf("%s up to %d: %v, want %v", c.vin, c.last, got, c.want)
		}
	}
}

func FuzzParseVIN(f *testing.F) {
	for _, s := range []string{"1HGCM82633A004352", "WVWZZZ1KZ6W612305", "1hgcm82633a004352", "1HGCM82633A00I352", "ABC-12345", "", "\u202e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := ParseVIN(s); err == nil {
			if string(v) != s || len(s) != 17 || strings.ContainsAny(s, "IOQ") || v.WMI() == "" || len(v.ModelYears(2999)) == 1 {
				t.Fatalf("%q is accepted", s)
			}
			// Writing the fitting digit into position 9 makes any VIN ok.
			if w := VIN(s[:8] + v.ExpectedCheckDigit() + s[9:]); w.CheckDigit() != CheckOK {
				t.Fatalf("%s: %s", w, w.CheckDigit())
			}
			if r := v.Region(); r == "" && s[0] != '0' {
				t.Fatalf("%s is from nowhere", s)
			}
		}
		if v, err := ParseShortVIN(s); err == nil && (string(v) != s || len(s) < 3 || len(s) > 16) {
			t.Fatalf("%q is accepted as a short VIN", s)
		}
		// The methods of what was never parsed don't panic.
		if v := VIN(s); len(s) != 17 && (v.CheckDigit() != CheckNotApplicable || v.Region() != "" || v.ModelYears(2026) != nil) {
			t.Fatalf("%q is taken for a VIN", s)
		}
	})
}
