package verify

import (
	"strings"
	"testing"
	"time"
)

func testSeal() *Seal {
	s := &Seal{Origin: headOrigin, Index: 4711, Time: headTime.UnixMilli() + 7, Prev: 4702}
	for i := range s.IndexRoot {
		s.IndexRoot[i] = byte(i)
	}
	return s
}

func TestSealIsWrittenAsItIsRead(t *testing.T) {
	t.Parallel()
	text := testSeal().Bytes()
	goldenHead(t, "seal.txt", text)
	s, err := ParseSeal(text)
	if err != nil {
		t.Fatal(err)
	}
	if *s != *testSeal() {
		t.Errorf("read %+v", s)
	}
}

// The largest seal that there can be stays below the cap.
func TestSealFitsItsCap(t *testing.T) {
	t.Parallel()
	s := testSeal()
	s.Origin = strings.Repeat("n", 100) + headOrigin[strings.LastIndex(headOrigin, "/"):]
	s.Index, s.Prev = MaxIndex, MaxIndex-1
	if _, err := ParseSeal(s.Bytes()); err != nil {
		t.Error(err)
	}
	if n := len(s.Bytes()); n > MaxSeal/2+64 {
		t.Errorf("the largest seal has %d bytes, the cap is %d", n, MaxSeal)
	}
}

func TestSealRefusals(t *testing.T) {
	t.Parallel()
	good := string(testSeal().Bytes())
	const root = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	for name, c := range map[string]struct{ old, new, words string }{
		"a record's header":     {"milepost/seal@v1", "milepost/record@v1", "first line"},
		"a later version":       {"seal@v1", "seal@v2", "first line"},
		"a seventh line":        {root + "\n", root + "\nmore\n", "six lines"},
		"no final newline":      {root + "\n", root, "six lines"},
		"carriage returns":      {"\n", "\r\n", "first line"},
		"an empty origin":       {headOrigin, "", "origin"},
		"a short fingerprint":   {headOrigin, headOrigin[:len(headOrigin)-1], "40 lower-case hex"},
		"an upper-case digit":   {"4f0c", "4F0C", "40 lower-case hex"},
		"index 0":               {"4711", "0", "decimal above 0"},
		"index with zero":       {"4711", "04711", "index"},
		"index with a sign":     {"4711", "+4711", "index"},
		"index of 2^63":         {"4711", "9223372036854775808", "index"},
		"its own predecessor":   {"4702", "4711", "previous"},
		"predecessor with zero": {"4702", "00", "previous"},
		"no milliseconds":       {"11.007Z", "11Z", "log time"},
		"microseconds":          {"11.007Z", "11.007000Z", "log time"},
		"a comma":               {"11.007Z", "11,007Z", "log time"},
		"an offset":             {"11.007Z", "11.007+00:00", "log time"},
		"a leap second":         {"20:11.007Z", "20:60.007Z", "log time"},
		"24 o'clock":            {"T08:20:11", "T24:00:00", "log time"},
		"February 30":           {"2026-05-04", "2026-02-30", "log time"},
		"before 1970":           {"2026-05-04", "1969-12-31", "1970 to 2999"},
		"the year 3000":         {"2026-05-04", "3000-01-01", "1970 to 2999"},
		"loose bits":            {"Hh8=", "Hh9=", "root"},
		"no padding":            {"Hh8=", "Hh8", "root"},
		"a shorter root":        {root, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", "root"},
		"too many bytes":        {headOrigin, strings.Repeat("x", MaxSeal), "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doctored := strings.ReplaceAll(good, c.old, c.new)
			if doctored == good {
				t.Fatalf("%q does not occur", c.old)
			}
			_, err := ParseSeal([]byte(doctored))
			refused(t, err, "seal_form", c.words)
		})
	}
}

func TestLogTime(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{
		"1970-01-01T00:00:00.000Z": 0,
		"2026-05-04T08:20:11.007Z": 1777882811007,
		"2024-02-29T23:59:59.999Z": time.Date(2024, 2, 29, 23, 59, 59, 999e6, time.UTC).UnixMilli(),
		"2999-12-31T23:59:59.999Z": maxLogTime,
	} {
		ms, err := ParseLogTime(s)
		if err != nil || ms != want || FormatLogTime(ms) != s {
			t.Errorf("%s: %d, %v, written as %s", s, ms, err, FormatLogTime(ms))
		}
	}
}

func TestCheckOrigin(t *testing.T) {
	t.Parallel()
	if err := CheckOrigin(headOrigin); err != nil {
		t.Error(err)
	}
	digits := headOrigin[strings.LastIndex(headOrigin, "/"):]
	for _, s := range []string{
		"", "/", digits, "milepost.example", "milepost.example/demo", headOrigin + "/", headOrigin + "/node/lyon",
		"Milepost.example" + digits, "milepost.example/.." + digits, "milepost.example/" + digits, "milepost example" + digits,
		"milepost.example+x" + digits, "milepost.example/demo" + digits + "00", "milepost.example/demo" + strings.ToUpper(digits),
		strings.Repeat("n", 101) + digits,
	} {
		refused(t, CheckOrigin(s), "origin_form", "origin")
	}
}

func FuzzParseSeal(f *testing.F) {
	f.Add(testSeal().Bytes())
	f.Add([]byte(SealHeader + "\n" + headOrigin + "\n1\n1970-01-01T00:00:00.000Z\n0\n" + strings.Repeat("A", 43) + "=\n"))
	f.Add([]byte(strings.Repeat("\n", 6)))
	f.Fuzz(func(t *testing.T, leaf []byte) {
		s, err := ParseSeal(leaf)
		if err != nil {
			refusedAs(t, err, "seal_form")
			return
		}
		if string(s.Bytes()) != string(leaf) {
			t.Errorf("%q is written as %q", leaf, s.Bytes())
		}
		if s.Index == 0 || s.Prev >= s.Index || s.Time < 0 {
			t.Errorf("accepted %+v", s)
		}
	})
}
