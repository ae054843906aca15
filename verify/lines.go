package verify

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxIndex is the largest log index and tree size that any format here
// carries: 2^63-1, as the timestamps of C2SP tlog-cosignature and the sizes
// of most log software.
const MaxIndex uint64 = math.MaxInt64

// b64 is RFC 4648 section 4, padded, no loose bits. It skips line breaks, so
// what it reads is always compared with what it writes.
var b64 = base64.StdEncoding.Strict()

// textLines parts s into exactly n lines, each ended by a newline.
func textLines(s string, n int) ([]string, bool) {
	lines := strings.SplitN(s, "\n", n+2)
	if len(lines) != n+1 || lines[n] != "" {
		return nil, false
	}
	return lines[:n], true
}

// plainText reports whether s is not empty, valid UTF-8 and free of control
// characters.
func plainText(s string) bool {
	return s != "" && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// parseCount reads a decimal of at most MaxIndex without sign or leading
// zeroes.
func parseCount(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return n, err == nil && strconv.FormatUint(n, 10) == s
}

func formatCount(n uint64) string { return strconv.FormatUint(n, 10) }

// parseHash reads the base64 of 32 bytes.
func parseHash(s string) (h [32]byte, ok bool) {
	raw, err := b64.DecodeString(s)
	if err != nil || len(raw) != len(h) || b64.EncodeToString(raw) != s {
		return h, false
	}
	return [32]byte(raw), true
}

func formatHash(h [32]byte) string { return b64.EncodeToString(h[:]) }
