package record

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

// uuidLength is the length of a UUID's text: 32 hex digits and four dashes.
const uuidLength = 36

// ParseUUID reads the text form of RFC 9562 section 4, lower case only, of
// any version. The error's code is id_form.
func ParseUUID(s string) ([16]byte, error) {
	var u [16]byte
	bad := func(why string) ([16]byte, error) {
		return [16]byte{}, fault.New("id_form", "", fmt.Sprintf("%s is not a UUID: %s", quoteShort(s), why)).
			WithHint("the form is 8-4-4-4-12 lower-case hexadecimal digits")
	}
	if len(s) != uuidLength {
		return bad(fmt.Sprintf("it has %d characters, not %d", len(s), uuidLength))
	}
	digits := make([]byte, 0, 32)
	for i := 0; i < len(s); i++ {
		c := s[i]
		dash := i == 8 || i == 13 || i == 18 || i == 23
		switch {
		case dash && c == '-':
		case !dash && (c >= '0' && c <= '9' || c >= 'a' && c <= 'f'):
			digits = append(digits, c)
		case c >= 'A' && c <= 'F':
			return bad("it has upper-case digits")
		default:
			return bad(fmt.Sprintf("character %d does not belong there", i+1))
		}
	}
	if _, err := hex.Decode(u[:], digits); err != nil {
		return bad(err.Error())
	}
	return u, nil
}

// FormatUUID writes a UUID as ParseUUID reads it.
func FormatUUID(u [16]byte) string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// CheckUUIDv7 accepts a version 7 UUID (RFC 9562 section 5.7): version
// nibble 7, variant bits 10. Its timestamp is not looked at, because the
// author chose it. The error's code is id_form.
func CheckUUIDv7(s string) error {
	u, err := ParseUUID(s)
	if err != nil {
		return err
	}
	if u[6]>>4 != 7 || u[8]>>6 != 0b10 {
		return fault.New("id_form", "", fmt.Sprintf("%s is a UUID, but not of version 7", s)).
			WithHint("the 15th character is 7 and the 20th one of 8, 9, a, b")
	}
	return nil
}

// NewUUIDv7 makes an id from now, to the millisecond, and 74 bits of random.
func NewUUIDv7(now time.Time, random io.Reader) (string, error) {
	var u [16]byte
	if _, err := io.ReadFull(random, u[6:]); err != nil {
		return "", fmt.Errorf("random bits of a UUID: %w", err)
	}
	return FormatUUID(UUIDv7(now.UnixMilli(), u)), nil
}

// UUIDv7 makes a version 7 UUID of ms, milliseconds since 1970 UTC, and of
// the last ten bytes of rest, of which six bits are overwritten. A time that
// the 48 bits cannot hold becomes the nearest one that they can.
func UUIDv7(ms int64, rest [16]byte) [16]byte {
	ms = min(max(ms, 0), 1<<48-1)
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(ms))
	u := rest
	copy(u[:6], stamp[2:])
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return u
}
