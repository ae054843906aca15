package certs

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/milepost-log/milepost/certs/fault"
)

// Note is a C2SP signed note: a text and the signatures below it.
type Note struct {
	Text string // ends in a newline
	Sigs []Sig  // in the order of the note, at least one
}

// Sig is one signature line of a note.
type Sig struct {
	Name  string // key name
	ID    uint32 // key ID: the first four bytes of SHA-256(name || "\n" || type || public key)
	Bytes []byte // what follows the key ID; its shape depends on the key's type
}

// sigPrefix begins every signature line: U+2014 and a space.
const sigPrefix = "— "

// b64 is RFC 4648 section 4 with padding and no loose bits. It still skips
// line breaks, so what it reads is always compared with what it writes.
var b64 = base64.StdEncoding.Strict()

// Line returns the signature line with its newline.
func (s Sig) Line() string {
	var room [4 + 64]byte
	raw := append(binary.BigEndian.AppendUint32(room[:0], s.ID), s.Bytes...)
	line := make([]byte, 0, len(sigPrefix)+len(s.Name)+1+b64.EncodedLen(len(raw))+1)
	line = append(append(append(line, sigPrefix...), s.Name...), ' ')
	return string(append(b64.AppendEncode(line, raw), '\n'))
}

// ParseNote reads a signed note of at most maxBytes with at most maxSigs
// signature lines. It checks no signature. The note written out again is
// the input, byte for byte.
func ParseNote(msg []byte, maxBytes, maxSigs int) (*Note, error) {
	bad := func(format string, args ...any) (*Note, error) {
		return nil, fault.New("note_form", "", "not a signed note: "+fmt.Sprintf(format, args...))
	}
	if len(msg) > maxBytes {
		return nil, fault.New("too_large", "", fmt.Sprintf("the note has %d bytes, at most %d are allowed", len(msg), maxBytes))
	}
	if !utf8.Valid(msg) {
		return bad("it is not valid UTF-8")
	}
	// The text may hold blank lines; the signatures follow the last one.
	split := bytes.LastIndex(msg, []byte("\n\n"))
	if split < 0 {
		return bad("no blank line between text and signatures")
	}
	whole := string(msg)
	for i := 0; i < len(whole); i++ {
		if whole[i] < 0x20 && whole[i] != '\n' {
			return bad("control character 0x%02x at byte %d", whole[i], i)
		}
	}
	text, sigs := whole[:split+1], whole[split+2:]
	n := &Note{Text: text}
	for len(sigs) > 0 {
		line, rest, ok := strings.Cut(sigs, "\n")
		if !ok {
			return bad("the last signature line has no newline")
		}
		sigs = rest
		if len(n.Sigs) == maxSigs {
			return bad("more than %d signature lines", maxSigs)
		}
		s, err := parseSig(line)
		if err != nil {
			return bad("signature line %d %v", len(n.Sigs)+1, err)
		}
		if l := s.Line(); l[:len(l)-1] != line {
			return bad("signature line %d is not in its one canonical form", len(n.Sigs)+1)
		}
		n.Sigs = append(n.Sigs, s)
	}
	if len(n.Sigs) == 0 {
		return bad("it has no signature")
	}
	return n, nil
}

func parseSig(line string) (Sig, error) {
	body, ok := strings.CutPrefix(line, sigPrefix)
	if !ok {
		return Sig{}, fmt.Errorf("does not begin with an em dash and a space")
	}
	name, b, ok := strings.Cut(body, " ")
	if !ok || !validKeyName(name) {
		return Sig{}, fmt.Errorf("has no valid key name")
	}
	raw, err := b64.DecodeString(b)
	if err != nil {
		return Sig{}, fmt.Errorf("has bad base64")
	}
	if len(raw) < 5 {
		return Sig{}, fmt.Errorf("is too short")
	}
	return Sig{Name: name, ID: binary.BigEndian.Uint32(raw), Bytes: raw[4:]}, nil
}

// Bytes writes the note out.
func (n *Note) Bytes() []byte {
	var b strings.Builder
	b.WriteString(n.Text)
	b.WriteString("\n")
	for _, s := range n.Sigs {
		b.WriteString(s.Line())
	}
	return []byte(b.String())
}

// validKeyName is the rule of C2SP signed-note: not empty, no space of any
// script, no plus sign.
func validKeyName(s string) bool {
	return s != "" && len(s) <= 255 && utf8.ValidString(s) &&
		strings.IndexFunc(s, unicode.IsSpace) < 0 && !strings.Contains(s, "+")
}

// ValidName reports whether s is a member's or governor's name: lower-case
// segments of [a-z0-9._-] parted by "/", the first of [a-z0-9.-], none of
// them empty, "." or "..", at most 100 bytes.
func ValidName(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	for first, more := true, true; more; first = false {
		var seg string
		seg, s, more = strings.Cut(s, "/")
		if seg == "" || seg == "." || seg == ".." {
			return false
		}
		for _, c := range []byte(seg) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' && !first) {
				return false
			}
		}
	}
	return true
}
