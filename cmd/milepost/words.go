package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// words says plainly what a record of governance changes, a line each. sit is
// the present situation; without one only the new values can be said.
func words(r *record.Record, sit *situation) []string {
	w := &wording{b: r.Body, r: r}
	if sit != nil {
		w.sit, w.gov = sit, sit.auth.Governance
		w.member = sit.auth.Members[r.Body.Get("name").Str]
	}
	if say := sayings[r.Type]; say != nil {
		say(w)
	} else {
		w.line("%s", r.Def.Sentence)
		w.line("%s", r.Body.Bytes())
	}
	return w.lines
}

type wording struct {
	r      *record.Record
	b      jcs.Value
	sit    *situation // nil when no node could be asked
	gov    *verify.Governance
	member *verify.Member
	lines  []string
}

func (w *wording) line(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

func (w *wording) text(field string) string { return w.b.Get(field).Str }

// whom names the member with its legal name, where that is known.
func (w *wording) whom() string {
	if w.member != nil {
		return fmt.Sprintf("%s (%s)", w.member.Name, w.member.LegalName)
	}
	return w.text("name")
}

var sayings = map[string]func(*wording){
	"log.genesis/1":       (*wording).genesis,
	"log.closed/1":        (*wording).closed,
	"governors.changed/1": (*wording).governors,
	"rules.published/1":   (*wording).rules,
	"feature.raised/1":    (*wording).feature,
	"node.added/1":        (*wording).nodeAdded,
	"node.changed/1":      (*wording).nodeChanged,
	"node.removed/1":      (*wording).nodeRemoved,
	"member.admitted/1":   (*wording).admitted,
	"member.changed/1":    (*wording).memberChanged,
	"member.suspended/1":  (*wording).suspended,
	"member.reinstated/1": (*wording).reinstated,
	"role.granted/1":      (*wording).roleGranted,
	"role.revoked/1":      (*wording).roleRevoked,
	"key.added/1":         (*wording).keyAdded,
	"key.revoked/1":       (*wording).keyRevoked,
}

// keyID is the ID that a person compares: of a verifier key its own, of a TLS
// key the last eight digits of its pin.
func keyID(public string) string {
	if v, err := certs.ParseVKey(public); err == nil {
		return certs.FormatID(v.ID())
	}
	return public[max(0, len(public)-8):]
}

// plain writes a value as a person reads it.
func plain(v jcs.Value) string {
	switch v.Kind {
	case 0:
		return "(none)"
	case jcs.String:
		return v.Str
	case jcs.List:
		var parts []string
		for _, e := range v.List {
			parts = append(parts, plain(e))
		}
		return strings.Join(parts, ", ")
	}
	return string(v.Bytes())
}

func (w *wording) genesis() {
	f := w.b.Get("founding")
	w.line("Found the log %s", w.r.Origin)
	w.line("fingerprint: %s", record.Fingerprint(w.r.Origin))
	w.line("governors, of whom %d must sign each later change:", f.Get("threshold").Int)
	for _, g := range f.Get("governors").List {
		w.line("  %s, key %s", g.Get("name").Str, keyID(g.Get("key").Str))
	}
	w.line("nodes:")
	for _, n := range w.b.Get("nodes").List {
		w.line("  %s", nodeLine(n))
	}
	if p := verify.PredecessorOf(w.r); p != nil {
		w.line("it goes on from %s", p.Origin)
		w.line("fingerprint of that log: %s", record.Fingerprint(p.Origin))
		w.line("from its size %d on, root %s: whatever was acknowledged there beyond that size is lost", p.Size, p.Root)
		w.line("it begins on node %s, and on no other", w.b.Get("seed").Str)
	}
	w.policy()
	w.line("rules version %d: %d types of record, each written by whom docs/format.md names", w.b.Get("rules").Get("version").Int, len(w.b.Get("rules").Get("types").List))
}

func nodeLine(n jcs.Value) string {
	return fmt.Sprintf("%s at %s, run by %s; keys: log %s, cosigner %s, TLS %s", n.Get("id").Str, n.Get("address").Str, n.Get("member").Str,
		keyID(n.Get("log_key").Str), keyID(n.Get("cosigner_key").Str), keyID(n.Get("tls_key").Str))
}

// policy says what the policy of a record asks for, and warns of a weak one.
func (w *wording) policy() {
	text := verify.PolicyText(w.r)
	if text == "" {
		return
	}
	p, err := verify.ParsePolicy([]byte(text))
	if err != nil {
		w.line("the policy in it is malformed: %v", err)
		return
	}
	was := ""
	if w.gov != nil {
		if old, err := verify.ParsePolicy([]byte(w.gov.Policy)); err == nil {
			was = fmt.Sprintf("%d of %d, tolerating liars: %d -> ", old.Quorum(), old.Of(), old.Tolerates())
		}
	}
	w.line("quorum for a tree head: %s%d of %d, tolerating liars: %d", was, p.Quorum(), p.Of(), p.Tolerates())
	if p.Tolerates() == 0 {
		w.line("WARNING: with this policy two quorums may share only dishonest nodes; a single liar could show two histories")
	}
	if p.Quorum() == p.Of() && p.Of() > 1 {
		w.line("WARNING: every cosigner must sign; a single one that is down stops the log")
	}
}

func (w *wording) closed() {
	w.line("Close this log for ever. Nothing can follow; what is there stays provable.")
	w.line("it goes on in: %s", w.text("successor"))
}

func (w *wording) governors() {
	old := map[string]string{}
	was := ""
	if w.gov != nil {
		was = fmt.Sprintf("%d of %d -> ", w.gov.Threshold, len(w.gov.Governors))
		for _, g := range w.gov.Governors {
			old[g.Name] = g.Key.VKey
		}
	}
	list := w.b.Get("governors").List
	w.line("Change the governors.")
	for _, g := range list {
		name, key := g.Get("name").Str, g.Get("key").Str
		switch have, there := old[name]; {
		case w.gov == nil:
			w.line("  %s, key %s", name, keyID(key))
		case !there:
			w.line("  new:     %s, key %s", name, keyID(key))
		case have != key:
			w.line("  rekeyed: %s, key %s -> %s", name, keyID(have), keyID(key))
		default:
			w.line("  stays:   %s, key %s", name, keyID(key))
		}
		delete(old, name)
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		w.line("  leaves:  %s, key %s", name, keyID(old[name]))
	}
	threshold := int(w.b.Get("threshold").Int)
	w.line("signatures needed from then on: %s%d of %d", was, threshold, len(list))
	w.lines = append(w.lines, thresholdWarnings(threshold, len(list))...)
}

// thresholdWarnings say what may be unwise about a threshold that is allowed.
func thresholdWarnings(threshold, of int) (warnings []string) {
	switch {
	case of == 1:
		warnings = append(warnings, "WARNING: there is a single governor; if that key is lost nobody can change anything any more")
	case threshold == 1:
		warnings = append(warnings, "WARNING: any single governor can change everything; a threshold above one is safer")
	case threshold == of:
		warnings = append(warnings, "WARNING: all governors must sign; if a single key is lost nobody can change anything any more")
	}
	return warnings
}

func (w *wording) rules() {
	was := ""
	if w.gov != nil {
		was = fmt.Sprintf("%d -> ", w.gov.Rules.Version)
	}
	w.line("Publish rules, version %s%d, in force from the next record on.", was, w.b.Get("version").Int)
	if w.sit == nil {
		w.line("%d types of record; the old rules are not known here, so what changes can't be told", len(w.b.Get("types").List))
		return
	}
	old := map[string]jcs.Value{}
	for _, r := range w.sit.rules.Get("rights").List {
		old[r.Get("type").Str] = r
	}
	before := len(w.lines)
	for _, t := range w.b.Get("types").Strings() {
		switch {
		case record.Lookup(t) == nil:
			w.line("WARNING: this program does not know the type %s: if the nodes run this one, all of them will stop", t)
		case !slices.Contains(w.gov.Rules.Types, t):
			w.line("  new type: %s", t)
		}
	}
	for _, r := range w.b.Get("rights").List {
		t := r.Get("type").Str
		for _, f := range []string{"write", "read"} {
			if a, b := plain(old[t].Get(f)), plain(r.Get(f)); a != b {
				w.line("  %s: %s: %s -> %s", t, f, a, b)
			}
		}
		delete(old, t)
	}
	for _, t := range slices.Sorted(maps.Keys(old)) {
		w.line("  %s: nobody may write it any more", t)
	}
	for _, f := range []string{"calendars", "cases", "central_support", "judgement"} {
		if a, b := w.sit.rules.Get(f), w.b.Get(f); plain(a) != plain(b) {
			w.line("  %s: %s -> %s", f, plain(a), plain(b))
		}
	}
	if len(w.lines) == before {
		w.line("  nothing in them changes")
	}
}

func (w *wording) feature() {
	was := ""
	if w.gov != nil {
		was = fmt.Sprintf("%d -> ", w.gov.Level)
	}
	w.line("Raise the feature level: %s%d.", was, w.b.Get("level").Int)
	w.line("nodes and verifiers that do not know it stop and say so: every node needs its new program first")
	if w.b.Get("level").Int > verify.FeatureLevel {
		w.line("WARNING: this program does not know it: if the nodes run this one, all of them will stop")
	}
}

func (w *wording) nodeAdded() {
	w.line("Add a node: %s", nodeLine(w.b))
	w.policy()
}

func (w *wording) nodeChanged() {
	id := w.text("id")
	w.line("Change node %s.", id)
	var old *verify.Node
	if w.gov != nil {
		old = w.gov.Nodes[id]
	}
	if old == nil {
		w.line("  %s", nodeLine(w.b))
	} else {
		for _, f := range []struct{ field, was string }{
			{"address", old.Address}, {"member", old.Member}, {"log_key", old.Log.VKey}, {"cosigner_key", old.Cosigner.VKey}, {"tls_key", old.TLS.VKey},
		} {
			now := w.text(f.field)
			switch {
			case now == f.was:
			case strings.HasSuffix(f.field, "_key"):
				w.line("  %s: %s -> %s", f.field, keyID(f.was), keyID(now))
			default:
				w.line("  %s: %s -> %s", f.field, f.was, now)
			}
		}
	}
	w.policy()
}

func (w *wording) nodeRemoved() {
	who := w.text("id")
	if w.gov != nil && w.gov.Nodes[who] != nil {
		who += ", run by " + w.gov.Nodes[who].Member
	}
	w.line("Remove node %s. Reason: %s.", who, w.text("reason"))
	w.line("its id and keys are never used again; what it cosigned stays valid")
	w.policy()
}
