package record

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
)

// VIN is a vehicle identification number as ISO 3779 has it: 17 characters
// of A-Z and 0-9 without I, O and Q. A VIN that came from ParseVIN is well
// formed; the methods of one that is not return zero values.
type VIN string

// ShortVIN is the chassis number of a vehicle older than ISO 3779: 3 to 16
// characters of A-Z, 0-9 and "-". Its history is vehicle/short/<ShortVIN>.
type ShortVIN string

// CheckDigit says what position 9 of a VIN tells.
type CheckDigit string

// The check digit is compulsory in North America only (49 CFR 565.15): a
// misfit proves a typing error there, and nothing anywhere else.
const (
	CheckOK            CheckDigit = "ok"             // position 9 fits, wherever the car is from
	CheckBad           CheckDigit = "bad"            // it does not fit, and the maker must set it
	CheckNotApplicable CheckDigit = "not_applicable" // it does not fit, and need not
)

const (
	vinLength    = 17
	minShortVIN  = 3
	maxShortVIN  = 16
	vinCheckPos  = 8 // position 9, counted from 0
	vinYearPos   = 9
	modelYearEra = 30 // the year code of position 10 comes round every 30 years
)

// ParseVIN accepts 17 characters of [A-HJ-NPR-Z0-9] and nothing else: no
// lower case, no space, no dash, since a history is found by these very
// bytes. The error's code is vin_form; where a careful person would guess
// what was meant, the hint says it. The check digit is not looked at.
func ParseVIN(s string) (VIN, error) {
	if why := vinFlaw(s); why != "" {
		e := fault.New("vin_form", "", fmt.Sprintf("%s is not a VIN: %s", quoteShort(s), why))
		if tidy := tidyVIN(s); tidy != s && vinFlaw(tidy) == "" {
			return "", e.WithHint("write it as " + tidy)
		}
		return "", e.WithHint("a VIN has 17 characters, A-Z without I, O and Q, and 0-9")
	}
	return VIN(s), nil
}

// vinFlaw says in what s falls short of a VIN; "" if it is one.
func vinFlaw(s string) string {
	for _, r := range s {
		switch {
		case r == 'I' || r == 'O' || r == 'Q':
			return fmt.Sprintf("it holds the letter %c, which no VIN has (1 and 0 look like I and O)", r)
		case r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
		case r >= 'a' && r <= 'z':
			return "it has lower-case letters"
		case r == ' ' || r == '-':
			return "it has spaces or dashes"
		default:
			return fmt.Sprintf("it holds the character %s", strconv.QuoteRuneToASCII(r))
		}
	}
	if len(s) != vinLength {
		return fmt.Sprintf("it has %d characters, not %d", len(s), vinLength)
	}
	return ""
}

// tidyVIN drops what people put into a VIN to make it readable.
func tidyVIN(s string) string {
	if len(s) > 64 {
		return s
	}
	return strings.NewReplacer(" ", "", "-", "").Replace(strings.ToUpper(s))
}

// ParseShortVIN accepts 3 to 16 characters of [A-Z0-9-]. The error's code is
// vin_form.
func ParseShortVIN(s string) (ShortVIN, error) {
	bad := func(why string) (ShortVIN, error) {
		return "", fault.New("vin_form", "", fmt.Sprintf("%s is not a short VIN: %s", quoteShort(s), why)).
			WithHint("a short VIN has 3 to 16 characters of A-Z, 0-9 and -")
	}
	for _, r := range s {
		if !(r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-') {
			return bad(fmt.Sprintf("it holds the character %s", strconv.QuoteRuneToASCII(r)))
		}
	}
	if len(s) < minShortVIN || len(s) > maxShortVIN {
		return bad(fmt.Sprintf("it has %d characters", len(s)))
	}
	return ShortVIN(s), nil
}

// quoteShort quotes at most 40 bytes of what a stranger typed, in ASCII, so
// that a message cannot be made to run over the screen or backwards.
func quoteShort(s string) string {
	if len(s) > 40 {
		return strconv.QuoteToASCII(s[:40]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// WMI returns the world manufacturer identifier, positions 1 to 3. Makers of
// fewer than 1,000 vehicles a year share one that ends in 9; their own part
// stands in positions 12 to 14.
func (v VIN) WMI() string {
	if len(v) != vinLength {
		return ""
	}
	return string(v[:3])
}

// Region returns the part of the world that ISO 3780 gives the first
// characters to: africa, asia, europe, north_america, oceania,
// south_america, or "" where none is assigned. It says where the maker has
// its seat, not where the car drove.
func (v VIN) Region() string {
	if len(v) != vinLength {
		return ""
	}
	if v.northAmerican() {
		return "north_america"
	}
	switch c := v[0]; {
	case c >= 'A' && c <= 'G':
		return "africa"
	case c >= 'H' && c <= 'R': // H is China's, like L
		return "asia"
	case c >= 'S' && c <= 'Z':
		return "europe"
	case c == '6' || c == '7':
		return "oceania"
	case c == '8' || c == '9':
		return "south_america"
	}
	return ""
}

// northAmerican reports whether the first characters are those under which
// the check digit is compulsory: 1 to 5, and of 7 what follows 7E, which
// went to the United States.
func (v VIN) northAmerican() bool {
	switch c, d := v[0], v[1]; {
	case c >= '1' && c <= '5':
		return true
	case c == '7':
		return d >= 'F' && d <= 'Z' || d >= '0' && d <= '9'
	}
	return false
}

// CheckDigit judges position 9 (49 CFR 565.15, table III to VI).
func (v VIN) CheckDigit() CheckDigit {
	if len(v) != vinLength {
		return CheckNotApplicable
	}
	switch {
	case v[vinCheckPos] == v.expectedCheck():
		return CheckOK
	case v.northAmerican():
		return CheckBad
	}
	return CheckNotApplicable
}

// ExpectedCheckDigit returns what position 9 would have to be: 0 to 9 or X.
func (v VIN) ExpectedCheckDigit() string {
	if len(v) != vinLength {
		return ""
	}
	return string(rune(v.expectedCheck()))
}

func (v VIN) expectedCheck() byte {
	weights := [vinLength]int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}
	sum := 0
	for i, w := range weights {
		sum += w * vinDigit(v[i])
	}
	if sum%11 == 10 {
		return 'X'
	}
	return byte('0' + sum%11)
}

// vinDigit is the number that a character counts for: digits for themselves,
// A-H for 1-8, J-R for 1-9 and S-Z for 2-9.
func vinDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'H':
		return int(c-'A') + 1
	case c >= 'J' && c <= 'R':
		return int(c-'J') + 1
	case c >= 'S' && c <= 'Z':
		return int(c-'S') + 2
	}
	return 0
}

// ModelYears returns the years, ascending and at most last, that position 10
// may stand for: the code comes round every 30 years, and which round it is
// the VIN alone does not always say. It is nil where position 10 is no year
// code; outside North America makers are free to use it for something else.
func (v VIN) ModelYears(last int) []int {
	const codes = "ABCDEFGHJKLMNPRSTVWXY123456789" // A is 1980: no I, O, Q, U, Z, 0
	if len(v) != vinLength {
		return nil
	}
	i := strings.IndexByte(codes, v[vinYearPos])
	if i < 0 {
		return nil
	}
	var years []int
	for y := 1980 + i; y <= last && y <= 2999; y += modelYearEra {
		years = append(years, y)
	}
	return years
}
