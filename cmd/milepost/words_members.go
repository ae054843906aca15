package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

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
	w.line("compare the key IDs with the member by telephone: whoever holds these keys is this member")
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
	w.line("compare the key ID with its holder by telephone: whoever holds this key acts for the member")
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
		w.line("every new proof file marks its records, as before or after the time given; keys that it added since fall with it")
	}
}
