package verify_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// obj writes an object from names and values in turn.
func obj(pairs ...any) jcs.Value {
	var fields []jcs.Field
	for i := 0; i < len(pairs); i += 2 {
		fields = append(fields, jcs.Field{Name: pairs[i].(string), Value: val(pairs[i+1])})
	}
	return jcs.Make(fields...)
}

func val(v any) jcs.Value {
	switch v := v.(type) {
	case jcs.Value:
		return v
	case string:
		return jcs.Text(v)
	case int:
		return jcs.Number(int64(v))
	case bool:
		return jcs.Boolean(v)
	case []string:
		return jcs.Texts(v)
	case []jcs.Value:
		return jcs.Array(v...)
	}
	panic(fmt.Sprintf("no JSON value for %T", v))
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

// pop is the proof of possession of one of a world's keys, base64.
func (w *world) pop(s certs.Signer, use string) string {
	p, err := s.Possess(w.origin, use)
	w.must(err)
	return b64(p)
}

func (w *world) nodeValue(h host, member string) (fields []any, pops []string) {
	own := w.origin + "/node/" + h.id
	return []any{"address", h.id + ".example:7400", "cosigner_key", h.cosigner.VKey(), "id", h.id,
			"log_key", h.log.VKey(), "member", member, "tls_key", h.tls.Pin()},
		[]string{w.pop(h.log, "log"), w.pop(h.cosigner, "cosigner"), b64(h.tls.Possess(w.origin, own))}
}

// genesis is the body of the world's first record.
func (w *world) genesis() jcs.Value {
	var governors, nodes []jcs.Value
	for _, g := range w.govs {
		governors = append(governors, obj("key", g.VKey(), "name", g.Name()))
	}
	var pops []string
	for _, h := range w.hosts {
		fields, p := w.nodeValue(h, dealer)
		nodes, pops = append(nodes, obj(fields...)), append(pops, p...)
	}
	var types []string
	var rights []jcs.Value
	for _, d := range record.Types() {
		types = append(types, d.Name)
		rights = append(rights, obj("read", d.ReadClasses(), "type", d.Name, "write", d.Writers))
	}
	return obj("feature_level", 1,
		"founding", obj("governors", governors, "nonce", b64(seed(w.name)[:16]), "threshold", w.need),
		"nodes", nodes, "policy", lines(w.policy), "pop", pops,
		"rules", obj("calendars", []jcs.Value{obj("id", "utc", "weekend", []jcs.Value{jcs.Number(6), jcs.Number(7)}, "zone", "UTC")},
			"cases", obj(), "judgement", obj(), "rights", rights, "types", types, "version", 1))
}

// memberKeys are the keys that a member of the fixture begins with.
func memberKeys(t testing.TB, w *world, name string) (admins []certs.Signer, rec certs.Signer, tls *certs.TLSIdentity) {
	tls, err := certs.NewTLSIdentity(seed("tls " + w.name + name))
	w.must(err)
	return []certs.Signer{ed25519Key(t, name, w.name+" admin office"), ed25519Key(t, name, w.name+" admin foreman")},
		ed25519Key(t, name, w.name+" workshop"), tls
}

func (w *world) memberBody(name string, kinds ...string) jcs.Value {
	admins, rec, tls := memberKeys(w.t, w, name)
	return obj("admin_keys", []jcs.Value{obj("actor", "office", "key", admins[0].VKey()), obj("actor", "foreman", "key", admins[1].VKey())},
		"calendar", "utc", "country", "FR", "documents_checked", []string{"register"}, "keys", []string{rec.VKey()},
		"kind", kinds, "legal_name", "The firm of "+name, "name", name,
		"pop", []string{w.pop(admins[0], "admin"), w.pop(admins[1], "admin"), w.pop(rec, "record"), b64(tls.Possess(w.origin, name))},
		"tls_keys", []string{tls.Pin()}, "valid_from", "2026-01-01", "zone", "Europe/Paris")
}

func (w *world) admit(name string, change func(jcs.Value) jcs.Value, kinds ...string) uint64 {
	body := w.memberBody(name, kinds...)
	if change != nil {
		body = change(body)
	}
	return w.add(envelope{"member.admitted/1", w.govs[0].Name(), []string{"member/" + name}, body, nil}, w.govs[:w.need]...)
}

// reading is a mileage reading of a vehicle, signed by a key of its author.
func (w *world) reading(author, vin string, km int, key certs.Signer) uint64 {
	return w.add(readingOf(author, vin, km), key)
}

func readingOf(author, vin string, km int) envelope {
	return envelope{"odometer.reading/1", author, []string{"vehicle/" + vin},
		obj("precision", "exact", "purpose", "service_in", "result", "read", "source", "visual", "unit", "KMT", "value", km), nil}
}

// workshop is the record key that a member of the fixture begins with;
// office and foreman are its administrators'.
func (w *world) workshop(name string) certs.Signer {
	_, s, _ := memberKeys(w.t, w, name)
	return s
}

func (w *world) office(name string) certs.Signer {
	admins, _, _ := memberKeys(w.t, w, name)
	return admins[0]
}

// spare is a key of a member that key.added brings in.
func (w *world) spare(name string) certs.Signer { return ed25519Key(w.t, name, w.name+" spare") }

func as(actor string) []jcs.Field { return []jcs.Field{{Name: "actor", Value: jcs.Text(actor)}} }

// addKey has a member's office register a key; more fields may be given.
func (w *world) addKey(name string, key certs.Signer, use string, more ...any) uint64 {
	body := obj(append([]any{"key", key.VKey(), "name", name, "pop", []string{w.pop(key, use)}, "prev", w.prev("member/" + name), "use", use}, more...)...)
	return w.add(envelope{"key.added/1", name, []string{"member/" + name}, body, as("office")}, w.office(name))
}

// revokeKey has a member's office revoke a key; since may be "".
func (w *world) revokeKey(name string, key certs.Signer, reason, since string) uint64 {
	body := obj("key_id", certs.FormatID(key.ID()), "name", name, "prev", w.prev("member/"+name), "reason", reason)
	if since != "" {
		body = body.With("since", jcs.Text(since))
	}
	return w.add(envelope{"key.revoked/1", name, []string{"member/" + name}, body, as("office")}, w.office(name))
}

func (w *world) visit(author, vin string, reading string, key certs.Signer) uint64 {
	return w.add(envelope{"service.visit/1", author, []string{"vehicle/" + vin},
		obj("lines", []jcs.Value{obj("op_code", "OIL-1", "pay", "customer", "work_type", "maintenance")}, "odometer_work", false,
			"order_no", "A-1001", "reading_in", reading, "service_type", "maintenance"), nil}, key)
}

// found fills a world with its genesis and members, sealed.
func (w *world) found(genesis func(jcs.Value) jcs.Value) {
	body := w.genesis()
	if genesis != nil {
		body = genesis(body)
	}
	w.add(envelope{"log.genesis/1", w.govs[0].Name(), []string{"governance"}, body, nil}, w.govs...)
	w.admit(dealer, nil, "DLR")
	w.admit(inspector, nil, "PTI")
	w.admit(maker, nil, "MFR")
	w.seal()
}

// live goes on with some months in the life of two cars.
func (w *world) live() {
	at := func(name string, i uint64) { w.places[name] = i }
	at("created", w.add(envelope{"vehicle.created/1", maker, []string{"vehicle/" + vinA},
		obj("imported", false, "make", "Nissan", "model", "Leaf", "model_year", 2013), nil}, w.workshop(maker)))
	at("delivery", w.reading(dealer, vinA, 12, w.workshop(dealer)))
	at("other car", w.reading(inspector, vinB, 70210, w.workshop(inspector)))
	w.seal()
	at("key added", w.addKey(dealer, w.spare(dealer), "record"))
	at("service in", w.reading(dealer, vinA, 15031, w.workshop(dealer)))
	at("visit", w.visit(dealer, vinA, w.ref("service in"), w.workshop(dealer)))
	w.seal()
	at("inspection", w.reading(inspector, vinA, 29877, w.workshop(inspector)))
	at("key retired", w.revokeKey(dealer, w.workshop(dealer), "retired", ""))
	w.seal()
	at("newest", w.reading(dealer, vinA, 31450, w.spare(dealer)))
	w.seal()
}

var honest = sync.OnceValue(func() *world {
	w := emptyWorld(tb{}, fullCast)
	w.found(nil)
	w.live()
	return w
})

// tb makes the shared world outside of any one test: it may only panic.
type tb struct{ testing.TB }

func (tb) Helper()           {}
func (tb) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// newWorld is an honest log of five batches.
func newWorld(t testing.TB) *world { return honest().clone(t) }

// founded is a world that begins with a genesis of the test's making.
func founded(t testing.TB, genesis func(jcs.Value) jcs.Value) *world {
	w := emptyWorld(t, fullCast)
	w.found(genesis)
	return w
}
