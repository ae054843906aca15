package verify

import (
	"encoding/hex"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// fingerprintLen is the number of hex digits that end an origin: the first
// 20 bytes of the hash of the founding statement.
const fingerprintLen = 40

// CheckOrigin refuses what is not the origin of a milepost log: a name by
// the grammar of member names, "/", and 40 lower-case hex digits. Whether
// the digits fit a genesis record is for others to check. Errors have the
// code "origin_form".
func CheckOrigin(origin string) error {
	cut := strings.LastIndexByte(origin, '/')
	if cut < 0 {
		return fault.New("origin_form", "", "an origin has the form name/fingerprint")
	}
	name, digits := origin[:cut], origin[cut+1:]
	if raw, err := hex.DecodeString(digits); err != nil || len(digits) != fingerprintLen || hex.EncodeToString(raw) != digits {
		return fault.New("origin_form", "", "an origin ends in 40 lower-case hex digits")
	}
	if !certs.ValidName(name) {
		return fault.New("origin_form", "", "the name before an origin's fingerprint is not valid")
	}
	return nil
}
