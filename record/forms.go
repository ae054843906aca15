package record

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
)

const (
	namePattern  = `^[a-z0-9.-]+(/[a-z0-9._-]+)*`
	vinPattern   = `[A-HJ-NPR-Z0-9]{17}`
	dayPattern   = `(19|2[0-9])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])`
	clockPattern = `T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]`
)

var (
	codeForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	idForm   = regexp.MustCompile(`^[0-9a-f]{8}$`)
	actForm  = regexp.MustCompile(`^[a-z0-9._-]{1,32}$`)
	wmiForm  = regexp.MustCompile(`^[A-HJ-NPR-Z0-9]{3}([A-HJ-NPR-Z0-9]{3})?$`)
	landForm = regexp.MustCompile(`^[A-Z]{2}$`)
	zoneForm = regexp.MustCompile(`^[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}$`)
	hostForm = regexp.MustCompile(`^([A-Za-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\]):([1-9][0-9]{0,4})$`)
)

func matches(what string, re *regexp.Regexp) Form {
	return Form{What: what, Pattern: re.String(), Ok: re.MatchString}
}

// base64Of is the pattern of the base64 of n bytes, whose unused bits are
// zero. It leaves the length open where it is over what regular expressions
// count to.
func base64Of(n int) string {
	const digit = "[A-Za-z0-9+/]"
	digits, tail := n*8/6, [...]string{"", "[AQgw]==", "[AEIMQUYcgkosw048]="}[n%3]
	if digits > 1000 {
		return digit + "+" + tail
	}
	return fmt.Sprintf("%s{%d}%s", digit, digits, tail)
}

var (
	code      = matches("a code (a-z, 0-9 and _, at most 32)", codeForm)
	keyID     = matches("a key ID of 8 lower-case hexadecimal digits", idForm)
	actorID   = matches("an actor (a-z, 0-9, ., _ and -, at most 32)", actForm)
	wmi       = matches("a world manufacturer identifier of 3 or 6 characters", wmiForm)
	country   = matches("a country code of two capital letters", landForm)
	zoneName  = matches("a time zone name such as Europe/Paris", zoneForm)
	typeName  = Form{What: "a record type such as odometer.reading/1", Pattern: `^[a-z]+\.[a-z_]+/[1-9][0-9]?$`, Ok: isTypeName, Max: 64}
	hostPort  = Form{What: "a host and port such as node.example:7400", Pattern: hostForm.String(), Ok: isHostPort}
	name      = Form{What: "a name such as dealer.example/lyon", Pattern: namePattern + "$", Ok: certs.ValidName, Max: 100}
	logOrigin = Form{What: "the origin of a log", Pattern: namePattern + "/[0-9a-f]{40}$", Ok: validOrigin, Max: 141}
	uuidForm  = Form{What: "a UUIDv7 in lower case", Pattern: `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, Format: "uuid",
		Ok: func(s string) bool { return CheckUUIDv7(s) == nil }}
	vinForm = Form{What: "a VIN of 17 characters", Pattern: `^` + vinPattern + `$`,
		Ok: func(s string) bool { _, err := ParseVIN(s); return err == nil }}

	hexHash = Form{What: "a hash of 64 lower-case hexadecimal digits", Pattern: `^[0-9a-f]{64}$`,
		Ok: func(s string) bool { return len(s) == 64 && isHex(s) }}
	digest = Form{What: "base64 of 32 bytes", Pattern: "^" + base64Of(32) + "$",
		Ok: func(s string) bool { return isBase64(s, 32, 32) }}
	proof = Form{What: "base64 of an Ed25519 or ML-DSA-44 signature", Pattern: "^(" + base64Of(64) + "|" + base64Of(2420) + ")$",
		Ok: func(s string) bool { return isBase64(s, 64, 64) || isBase64(s, 2420, 2420) }}
	nonce = Form{What: "base64 of 16 bytes", Pattern: "^" + base64Of(16) + "$",
		Ok: func(s string) bool { return isBase64(s, 16, 16) }}

	dayForm  = Form{What: "a date such as 2026-05-04", Pattern: "^" + dayPattern + "$", Ok: isDate, Format: "date"}
	timeForm = Form{What: "a time such as 2026-05-04T10:12:00+02:00", Pattern: "^" + dayPattern + clockPattern + `(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$`,
		Ok: func(s string) bool { _, err := ParseTime(s); return err == nil }, Format: "date-time"}
	utcForm = Form{What: "a time in UTC such as 2026-05-04T08:12:00Z", Pattern: "^" + dayPattern + clockPattern + "Z$",
		Ok: func(s string) bool { _, err := ParseUTC(s); return err == nil }, Format: "date-time"}

	recordKey = VKey{certs.Ed25519}
)

// isTypeName is [a-z]+ "." [a-z_]+ "/" [1-9][0-9]? of at most 64 bytes. This
// and isHex are no regular expressions because they look at every record.
func isTypeName(s string) bool {
	noun, rest, _ := strings.Cut(s, ".")
	verb, version, _ := strings.Cut(rest, "/")
	if len(s) > 64 || noun == "" || verb == "" || version == "" || len(version) > 2 || version[0] == '0' {
		return false
	}
	for i := range len(noun) {
		if noun[i] < 'a' || noun[i] > 'z' {
			return false
		}
	}
	for i := range len(verb) {
		if (verb[i] < 'a' || verb[i] > 'z') && verb[i] != '_' {
			return false
		}
	}
	for i := range len(version) {
		if version[i] < '0' || version[i] > '9' {
			return false
		}
	}
	return true
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

func isBase64(s string, min, max int) bool {
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil && len(raw) >= min && len(raw) <= max && base64.StdEncoding.EncodeToString(raw) == s
}

func isDate(s string) bool {
	t, err := time.Parse(time.DateOnly, s)
	return err == nil && t.Format(time.DateOnly) == s && t.Year() >= 1900 && t.Year() <= 2999
}

func isHostPort(s string) bool {
	m := hostForm.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	port, err := strconv.Atoi(m[2])
	return err == nil && port <= 65535
}
