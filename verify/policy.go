package verify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// Caps on a policy file. C2SP asks for at least 32 logs, 32 witnesses and 32
// groups; a line of an ML-DSA-44 witness is 1.8 kB.
const (
	MaxPolicy      = 256 << 10 // bytes
	MaxPolicyLines = 128       // lines that say something: comments and empty lines are not counted
)

// Policy is a trust policy: whose signatures make a tree head one to believe.
// Only ParsePolicy makes one. It is never changed and safe for concurrent
// use.
type Policy struct {
	text      string
	origin    string
	logs      []certs.Verifier
	witnesses []Witness
	quorum    *member
}

// Witness is a cosigner that a policy lists: a node of the cluster or an
// outside witness.
type Witness struct {
	Name string // the name inside the policy file
	Key  certs.Verifier
	URL  string // may be empty
}

// Origin returns the origin of the log that the policy is about.
func (p *Policy) Origin() string { return p.origin }

// Text returns the policy file as it was given.
func (p *Policy) Text() string { return p.text }

// Logs returns the log keys in the order of the file.
func (p *Policy) Logs() []certs.Verifier { return slices.Clone(p.logs) }

// Witnesses returns the cosigners in the order of the file.
func (p *Policy) Witnesses() []Witness { return slices.Clone(p.witnesses) }

// ParsePolicy reads a C2SP tlog-policy file:
//
//	log <vkey> [<url>]
//	witness <name> <vkey> [<url>]
//	group <name> <k>|any|all <name>...
//	quorum <name>
//
// with milepost's own rules on top: at least one log line, all of them with
// Ed25519 keys (type 0x01) of one name, which is the origin of a milepost
// log; witness keys of types 0x04 and 0x06; no public key twice; and no
// `quorum none`, which would believe a log alone. Errors have the code
// "policy_form" and name the line.
func ParsePolicy(text []byte) (*Policy, error) {
	if len(text) > MaxPolicy {
		return nil, badPolicy("", "it has %d bytes, at most %d are allowed", len(text), MaxPolicy)
	}
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return nil, badPolicy("", "its last line does not end in a newline; it may have been cut off")
	}
	r := policyReader{
		names:  map[string]*member{},
		listed: map[string]bool{},
		keys:   map[string]bool{},
		ids:    map[keyID]bool{},
	}
	said := 0
	for i, line := range strings.Split(string(text[:len(text)-1]), "\n") {
		where := "line " + strconv.Itoa(i+1)
		if j := strings.IndexFunc(line, isPolicyControl); j >= 0 {
			return nil, badPolicy(where, "control character 0x%02x; lines end in a newline alone", line[j])
		}
		// Spaces and tabs only: other white space of Unicode is part of a name.
		items := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' })
		if len(items) == 0 || items[0][0] == '#' {
			continue
		}
		if said++; said > MaxPolicyLines {
			return nil, badPolicy(where, "more than %d lines", MaxPolicyLines)
		}
		if err := r.line(where, items[0], items[1:]); err != nil {
			return nil, err
		}
	}
	if len(r.logs) == 0 {
		return nil, badPolicy("", "it names no log")
	}
	if r.quorum == nil {
		return nil, badPolicy("", "it has no quorum line")
	}
	r.text = string(text)
	p := r.Policy
	return &p, nil
}

func badPolicy(where, format string, args ...any) *fault.Error {
	return fault.New("policy_form", where, "not a trust policy: "+fmt.Sprintf(format, args...))
}

// isPolicyControl holds for what C2SP tlog-policy keeps out of a file. A
// byte that is no UTF-8 arrives as U+FFFD and is allowed.
func isPolicyControl(c rune) bool { return c < 0x20 && c != '\t' || c == 0x7f }

// keyID is what a signature line names its key by.
type keyID struct {
	name string
	id   uint32
}

func idOf(v certs.Verifier) keyID { return keyID{v.Name(), v.ID()} }

// policyReader holds what the lines so far have said.
type policyReader struct {
	Policy
	names  map[string]*member
	listed map[string]bool // names that are a member of a group
	keys   map[string]bool // public keys
	ids    map[keyID]bool
}

func (r *policyReader) line(where, word string, args []string) error {
	switch word {
	case "log":
		return r.log(where, args)
	case "witness":
		return r.witness(where, args)
	case "group":
		return r.group(where, args)
	case "quorum":
		return r.setQuorum(where, args)
	}
	return badPolicy(where, "unknown keyword %q", clip(word))
}

func (r *policyReader) log(where string, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return badPolicy(where, "a log line is: log <vkey> [<url>]")
	}
	v, err := r.key(where, args[0])
	if err != nil {
		return err
	}
	if v.Type() != certs.Ed25519 {
		return badPolicy(where, "a log key is of type 0x01, this one is of type 0x%02x", v.Type())
	}
	if r.origin == "" {
		if err := CheckOrigin(v.Name()); err != nil {
			return badPolicy(where, "the log key's name is not the origin of a milepost log").Because(err)
		}
		r.origin = v.Name()
	}
	if v.Name() != r.origin {
		return badPolicy(where, "a second log, %q; a policy is about one log, %q", v.Name(), r.origin)
	}
	r.logs = append(r.logs, v)
	return nil
}

func (r *policyReader) witness(where string, args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return badPolicy(where, "a witness line is: witness <name> <vkey> [<url>]")
	}
	v, err := r.key(where, args[1])
	if err != nil {
		return err
	}
	if v.Type() != certs.Ed25519Cosig && v.Type() != certs.MLDSA44Cosig {
		return badPolicy(where, "a witness key is of type 0x04 or 0x06, this one is of type 0x%02x", v.Type())
	}
	w := Witness{Name: args[0], Key: v}
	if len(args) == 3 {
		w.URL = args[2]
	}
	if err := r.define(where, &member{name: w.Name, witness: len(r.witnesses)}); err != nil {
		return err
	}
	r.witnesses = append(r.witnesses, w)
	return nil
}

func (r *policyReader) group(where string, args []string) error {
	if len(args) < 3 {
		return badPolicy(where, "a group line is: group <name> <k>|any|all <name>...")
	}
	g := &member{name: args[0], witness: -1}
	for _, name := range args[2:] {
		m := r.names[name]
		if m == nil {
			return badPolicy(where, "%q is not defined on a line above", clip(name))
		}
		if r.listed[name] {
			return badPolicy(where, "%q is a member of a group already", clip(name))
		}
		r.listed[name] = true
		g.members = append(g.members, m)
	}
	switch n := len(g.members); args[1] {
	case "any":
		g.k = 1
	case "all":
		g.k = n
	default:
		k, ok := parseCount(args[1])
		if !ok || k < 1 || k > uint64(n) {
			return badPolicy(where, "%q is not any, all or a number from 1 to %d", clip(args[1]), n)
		}
		g.k = int(k)
	}
	return r.define(where, g)
}

func (r *policyReader) setQuorum(where string, args []string) error {
	if len(args) != 1 {
		return badPolicy(where, "a quorum line is: quorum <name>")
	}
	if r.quorum != nil {
		return badPolicy(where, "a second quorum line")
	}
	if args[0] == "none" {
		return badPolicy(where, "quorum none would believe the log alone").
			WithHint("name a witness or a group of witnesses")
	}
	if r.quorum = r.names[args[0]]; r.quorum == nil {
		return badPolicy(where, "%q is not defined on a line above", clip(args[0]))
	}
	return nil
}

// define gives a name to a witness or a group; they share one name space.
func (r *policyReader) define(where string, m *member) error {
	if m.name == "none" {
		return badPolicy(where, "the name none has a meaning of its own")
	}
	if r.names[m.name] != nil {
		return badPolicy(where, "%q is defined twice", clip(m.name))
	}
	r.names[m.name] = m
	return nil
}

// key reads a verifier key. No public key may come twice, under whatever name
// and type: it would count as two voices. Nor may two keys share a name and
// a key ID, for a signature line could not tell them apart.
func (r *policyReader) key(where, vkey string) (certs.Verifier, error) {
	v, err := certs.ParseVKey(vkey)
	if err != nil {
		return nil, badPolicy(where, "bad key").Because(err)
	}
	id := idOf(v)
	if r.keys[string(v.Public())] {
		return nil, badPolicy(where, "this public key stands on a line above")
	}
	if r.ids[id] {
		return nil, badPolicy(where, "a key of the same name and key ID stands on a line above")
	}
	r.keys[string(v.Public())], r.ids[id] = true, true
	return v, nil
}

// clip keeps a word from a hostile file short enough for a message.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}

// NewPolicy writes the default policy for a cluster with these log keys and
// cosigners (vkeys): floor((n+1)/2)+1 of the n cosigners, but never more than
// n, so that any two quorums of a cluster of two or more share two cosigners,
// hence an honest one if one lies. A cosigner is named by the last segment of
// its key name, "lyon" for "<origin>/node/lyon", or by its whole key name
// where that would be ambiguous. The text does not depend on the order of the
// arguments. They are not checked: ParsePolicy does, and refuses the text if
// there is no log or no cosigner.
func NewPolicy(logKeys []string, witnesses ...string) string {
	const group = "nodes"
	keyName := func(vkey string) string {
		name, _, _ := strings.Cut(vkey, "+")
		return name
	}
	short := func(vkey string) string {
		name := keyName(vkey)
		return name[strings.LastIndexByte(name, '/')+1:]
	}
	uses := map[string]int{"": 2, "none": 1, group: 1}
	for _, w := range witnesses {
		uses[short(w)]++
	}
	var b strings.Builder
	for _, l := range slices.Sorted(slices.Values(logKeys)) {
		b.WriteString("log " + l + "\n")
	}
	var names []string
	for _, w := range slices.Sorted(slices.Values(witnesses)) {
		name := short(w)
		if uses[name] > 1 {
			name = keyName(w)
		}
		names = append(names, name)
		b.WriteString("witness " + name + " " + w + "\n")
	}
	if n := len(names); n > 0 {
		k := min((n+1)/2+1, n)
		fmt.Fprintf(&b, "group %s %d %s\nquorum %s\n", group, k, strings.Join(names, " "), group)
	}
	return b.String()
}
