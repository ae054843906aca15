package main

import (
	"bytes"
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
	w.policy()
	w.line("rules version 1: %d types of record, each written by whom docs/format.md names", len(w.b.Get("rules").Get("types").List))
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
			w.line("  new:    %s, key %s", name, keyID(key))
		case have != key:
			w.line("  rekeyed: %s, key %s -> %s", name, keyID(have), keyID(key))
		default:
			w.line("  stays:  %s, key %s", name, keyID(key))
		}
		delete(old, name)
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		w.line("  leaves: %s, key %s", name, keyID(old[name]))
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
		if !slices.Contains(w.gov.Rules.Types, t) {
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

func (w *wording) admitted() {
	w.line("Admit %s (%s).", w.text("name"), w.text("legal_name"))
	for _, f := range []string{"kind", "country", "zone", "calendar", "wmi", "tax_id", "valid_from", "valid_to", "documents_checked"} {
		if v := w.b.Get(f); v.Kind != 0 {
			w.line("  %s: %s", f, plain(v))
		}
	}
	var keys []string
	for _, k := range w.b.Get("admin_keys").List {
		keys = append(keys, "administrator "+k.Get("actor").Str+" "+keyID(k.Get("key").Str))
	}
	for _, k := range w.b.Get("keys").Strings() {
		keys = append(keys, "records "+keyID(k))
	}
	for _, k := range w.b.Get("tls_keys").Strings() {
		keys = append(keys, "TLS "+keyID(k))
	}
	w.line("  keys: %s", strings.Join(keys, ", "))
	w.line("compare the key IDs with the member by telephone: whoever holds these keys is this member from then on")
}

func (w *wording) memberChanged() {
	w.line("Change what the log says of %s.", w.whom())
	was := map[string]jcs.Value{}
	if m := w.member; m != nil {
		was = map[string]jcs.Value{
			"legal_name": jcs.Text(m.LegalName), "kind": jcs.Texts(m.Kinds), "country": jcs.Text(m.Country), "zone": jcs.Text(m.Zone),
			"calendar": jcs.Text(m.Calendar), "documents_checked": jcs.Texts(m.Documents), "valid_from": jcs.Text(m.ValidFrom),
		}
		if m.TaxID != "" {
			was["tax_id"] = jcs.Text(m.TaxID)
		}
		if len(m.WMI) > 0 {
			was["wmi"] = jcs.Texts(m.WMI)
		}
		if m.ValidTo != "" {
			was["valid_to"] = jcs.Text(m.ValidTo)
		}
	}
	for _, f := range w.b.Obj {
		switch old := was[f.Name]; {
		case f.Name == "name" || f.Name == "prev":
		case w.member == nil:
			w.line("  %s: %s", f.Name, plain(f.Value))
		case old.Kind != 0 && bytes.Equal(old.Bytes(), f.Value.Bytes()):
			w.line("  %s: %s (as before)", f.Name, plain(f.Value))
		default:
			w.line("  %s: %s -> %s", f.Name, plain(old), plain(f.Value))
		}
	}
}

func (w *wording) suspended() {
	w.line("Suspend %s. Reason: %s.", w.whom(), w.text("reason"))
	w.line("from then on it can't write, connect or read; its nodes go on keeping their copy and cosigning")
}

func (w *wording) reinstated() {
	was := ""
	if w.member != nil && w.member.Suspended != nil {
		was = fmt.Sprintf(" It was suspended on %s, reason: %s.", verify.FormatLogTime(w.member.Suspended.Time), w.member.Suspended.Reason)
	}
	w.line("Reinstate %s.%s", w.whom(), was)
}

func (w *wording) roleGranted() {
	w.line("Give %s of %s the role %s.%s", w.text("actor"), w.whom(), w.text("role"), w.rolesNow())
}

func (w *wording) roleRevoked() {
	w.line("Take the role %s from %s of %s.%s", w.text("role"), w.text("actor"), w.whom(), w.rolesNow())
}

func (w *wording) rolesNow() string {
	if w.member == nil {
		return ""
	}
	if have := w.member.Roles[w.text("actor")]; len(have) > 0 {
		return " Has now: " + strings.Join(have, ", ") + "."
	}
	return " Has none now."
}

func (w *wording) keyAdded() {
	bound := ""
	if a := w.text("actor"); a != "" {
		bound = ", bound to actor " + a
	}
	if d := w.b.Get("device"); d.Kind != 0 {
		bound += ", bound to a device: " + strings.TrimSuffix(d.Get("kind").Str+" of "+d.Get("vehicle").Str, " of ")
	}
	w.line("Add a key for %s: %s, for %s%s.", w.whom(), keyID(w.text("key")), useWords[w.text("use")], bound)
	w.line("compare the key ID with the member by telephone: whoever holds this key acts for the member")
}

var useWords = map[string]string{
	verify.UseRecord: "signing records", verify.UseAdmin: "administration (adding and revoking keys)", verify.UseTLS: "connecting (TLS)",
}

func (w *wording) keyRevoked() {
	id, what := w.text("key_id"), ""
	if w.member != nil {
		if k, err := keyOf(w.member, id); err == nil {
			what = " (" + useWords[k.Use]
			if k.Actor != "" {
				what += ", actor " + k.Actor
			}
			what += ")"
		}
	}
	reason := w.text("reason")
	if since := w.text("since"); since != "" {
		reason += " since " + since
	}
	w.line("Revoke key %s%s of %s. Reason: %s.", id, what, w.whom(), reason)
	w.line("from the next record on it can't write, connect or read; what it signed before stays valid")
	if w.text("reason") == "compromised" {
		w.line("every proof file made from then on marks its records, before or after the time given; keys that it added since then fall with it")
	}
}
