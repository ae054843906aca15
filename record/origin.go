package record

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/milepost-log/milepost/record/jcs"
)

// Origin computes the origin of a log: its name, and the first 20 bytes of
// SHA-256("milepost/origin@v1\n" || JCS(founding)) in hex. So a genesis
// record fits one origin only.
func Origin(name string, founding jcs.Value) string {
	h := sha256.Sum256(append([]byte("milepost/origin@v1\n"), founding.Bytes()...))
	return name + "/" + hex.EncodeToString(h[:20])
}

// FitsOrigin reports whether a founding hashes to an origin.
func FitsOrigin(origin string, founding jcs.Value) bool {
	name, _, ok := cutLast(origin, "/")
	return ok && Origin(name, founding) == origin
}

// Fingerprint returns the 40 digits of an origin, in groups of four, as a
// person compares them with what the consortium publishes.
func Fingerprint(origin string) string {
	_, digits, _ := cutLast(origin, "/")
	s := ""
	for i, c := range digits {
		if i > 0 && i%4 == 0 {
			s += " "
		}
		s += string(c)
	}
	return s
}
