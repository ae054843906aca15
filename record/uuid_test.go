package record

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

// The worked example of RFC 9562 appendix A.6.
const rfcUUIDv7 = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"

func TestUUIDv7OfRFC9562(t *testing.T) {
	t.Parallel()
	if err := CheckUUIDv7(rfcUUIDv7); err != nil {
		t.Fatal(err)
	}
	// rand_a is 0xCC3, rand_b 0b01 and 0x8C4DC0C0C07398F; the time is that below.
	random := bytes.NewReader([]byte{0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f})
	now := time.Date(2022, 2, 22, 14, 22, 22, 0, time.FixedZone("", -5*3600))
	got, err := NewUUIDv7(now, random)
	if err != nil || got != rfcUUIDv7 {
		t.Errorf("%s, %v, want %s", got, err, rfcUUIDv7)
	}
}

func TestCheckUUIDv7Refuses(t *testing.T) {
	t.Parallel()
	for s, what := range map[string]string{
		"":                                     "0 characters",
		strings.ToUpper(rfcUUIDv7):             "upper-case",
		"{" + rfcUUIDv7 + "}":                  "38 characters",
		"017f22e279b07cc398c4dc0c0c07398f":     "32 characters",
		"017f22e2-79b0-7cc398c4-dc0c0c07398f0": "character 19",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398g": "character 36",
		"017f22e2-79b0-4cc3-98c4-dc0c0c07398f": "not of version 7",
		"017f22e2-79b0-7cc3-c8c4-dc0c0c07398f": "not of version 7", // variant 11
		"017f22e2-79b0-7cc3-18c4-dc0c0c07398f": "not of version 7", // variant 00
	} {
		err := CheckUUIDv7(s)
		if fault.Code(err) != "id_form" || !strings.Contains(err.Error(), what) {
			t.Errorf("%q: %v, want %q", s, err, what)
		}
	}
}

func TestUUIDv7Time(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]string{
		-1: "00000000-0000-7", 0: "00000000-0000-7", 1<<48 - 1: "ffffffff-ffff-7", 1 << 48: "ffffffff-ffff-7",
	} {
		if got := FormatUUID(UUIDv7(ms, [16]byte{6: 0xff, 8: 0xff})); !strings.HasPrefix(got, want) || CheckUUIDv7(got) != nil {
			t.Errorf("%d ms: %s, want %s...", ms, got, want)
		}
	}
}

func TestNewUUIDv7WithoutRandomness(t *testing.T) {
	t.Parallel()
	broken := errors.New("no entropy")
	if _, err := NewUUIDv7(time.Unix(1, 0), iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
	if _, err := NewUUIDv7(time.Unix(1, 0), strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v, want an unexpected end", err)
	}
}

func FuzzParseUUID(f *testing.F) {
	for _, s := range []string{rfcUUIDv7, "017f22e2-79b0-4cc3-98c4-dc0c0c07398f", strings.ToUpper(rfcUUIDv7), "", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseUUID(s)
		if err != nil {
			return
		}
		if FormatUUID(u) != s {
			t.Fatalf("%q is written out as %q", s, FormatUUID(u))
		}
		if v7 := CheckUUIDv7(s) == nil; v7 != (s[14] == '7' && strings.ContainsRune("89ab", rune(s[19]))) {
			t.Fatalf("%s: version 7 is %v", s, v7)
		}
	})
}
