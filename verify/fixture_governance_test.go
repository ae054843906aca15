package verify_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// What governors and administrators do in a world. Each function puts one
// record at its end, as those who may would write it.

// following is a body with prev as the history asks for it at this point.
func (w *world) following(subject string, body jcs.Value) jcs.Value {
	if len(w.history(subject, len(w.leaves))) == 0 {
		return body
	}
	return body.With("prev", jcs.Text(w.prev(subject)))
}

// ballot is what governors sign.
func (w *world) ballot(typ, subject string, body jcs.Value) envelope {
	e := envelope{typ, w.govs[0].Name(), []string{subject}, w.following(subject, body), nil}
	if w.appointed != "" && subject != "governance" {
		e.more = []jcs.Field{{Name: "refs", Value: jcs.Texts([]string{w.appointed})}}
	}
	return e
}

func (w *world) byGovernors(typ, subject string, body jcs.Value) uint64 {
	return w.add(w.ballot(typ, subject, body), w.govs[:w.need]...)
}

// byAdmin has the office of a member write into its history.
func (w *world) byAdmin(typ, name string, body jcs.Value) uint64 {
	subject := "member/" + name
	return w.add(envelope{typ, name, []string{subject}, w.following(subject, body.With("name", jcs.Text(name))), as("office")}, w.office(name))
}

func (w *world) suspend(name string) uint64 {
	return w.byGovernors("member.suspended/1", "member/"+name, obj("name", name, "reason", "unpaid"))
}

func (w *world) reinstate(name string) uint64 {
	return w.byGovernors("member.reinstated/1", "member/"+name, obj("name", name))
}

func (w *world) grantRole(name, actor, role string) uint64 {
	return w.byAdmin("role.granted/1", name, obj("actor", actor, "role", role))
}

func (w *world) revokeRole(name, actor, role string) uint64 {
	return w.byAdmin("role.revoked/1", name, obj("actor", actor, "role", role))
}

// governorsBody is the body of a change of governors; pops are those of the
// keys that no present governor has.
func (w *world) governorsBody(need int, govs ...certs.Signer) jcs.Value {
	slices.SortFunc(govs, func(a, b certs.Signer) int { return strings.Compare(a.Name(), b.Name()) })
	var list []jcs.Value
	var pops []string
	for _, g := range govs {
		list = append(list, obj("key", g.VKey(), "name", g.Name()))
		if !slices.ContainsFunc(w.govs, func(have certs.Signer) bool { return have.VKey() == g.VKey() }) {
			pops = append(pops, w.pop(g, "governor"))
		}
	}
	body := obj("governors", list, "threshold", need)
	if pops != nil {
		body = body.With("pop", jcs.Texts(pops))
	}
	return body
}

// appoint changes the governors, by the threshold of those before.
func (w *world) appoint(need int, govs ...certs.Signer) uint64 {
	i := w.byGovernors("governors.changed/1", "governance", w.governorsBody(need, govs...))
	w.govs, w.need = govs, need
	w.appointed = w.prev("governance")
	return i
}

// publish puts rules in force: those of genesis, changed.
func (w *world) publish(version int, change func(jcs.Value) jcs.Value) uint64 {
	body := w.genesis().Get("rules").With("version", jcs.Number(int64(version)))
	if change != nil {
		body = change(body)
	}
	return w.byGovernors("rules.published/1", "governance", body)
}

// mayWrite is a change of rules: who writes a type.
func mayWrite(typ string, writers ...string) func(jcs.Value) jcs.Value {
	return func(rules jcs.Value) jcs.Value {
		var rights []jcs.Value
		for _, r := range rules.Get("rights").List {
			if r.Get("type").Str != typ {
				rights = append(rights, r)
			} else if len(writers) > 0 {
				rights = append(rights, r.With("write", jcs.Texts(writers)))
			}
		}
		return rules.With("rights", jcs.Array(rights...))
	}
}

// numbered is a policy of a text that was not in force before.
func numbered(n int, policy string) string { return fmt.Sprintf("# version %d\n%s", n, policy) }

// changeBody is the body of a change of the node that now is h, with a policy
// or, if that is "", without; keys are the uses of those that are new.
func (w *world) changeBody(h host, policy string, keys ...string) jcs.Value {
	fields, all := w.nodeValue(h, dealer)
	body := obj(fields...)
	var pops []string
	for i, use := range []string{"log", "cosigner", "tls"} {
		if slices.Contains(keys, use) {
			pops = append(pops, all[i])
		}
	}
	if pops != nil {
		body = body.With("pop", jcs.Texts(pops))
	}
	if policy != "" {
		body = body.With("policy", jcs.Texts(lines(policy)))
	}
	return body
}

func (w *world) changeHost(h host, policy string, keys ...string) uint64 {
	return w.byGovernors("node.changed/1", "governance", w.changeBody(h, policy, keys...))
}

func (w *world) removeHost(id, policy string) uint64 {
	return w.byGovernors("node.removed/1", "governance", obj("id", id, "policy", lines(policy), "reason", "left"))
}

// without are the hosts less one.
func without(hosts []host, id string) []host {
	return slices.DeleteFunc(slices.Clone(hosts), func(h host) bool { return h.id == id })
}

// replaced is a host with some of its keys new.
func (w *world) replaced(h host, label string, keys ...string) host {
	own := w.origin + "/node/" + h.id
	for _, use := range keys {
		var err error
		switch use {
		case "log":
			h.log = ed25519Key(w.t, w.origin, "log "+h.id+label)
		case "cosigner":
			h.cosigner, err = certs.NewCosigner(own, seed(own+label), func() time.Time { return time.UnixMilli(w.clock).Add(2 * time.Second) })
		case "tls":
			h.tls, err = certs.NewTLSIdentity(seed("tls " + own + label))
		}
		w.must(err)
	}
	return h
}

// access puts a record of a car's access history into the log.
func (w *world) access(typ, author, vin string, body jcs.Value) uint64 {
	key := w.workshop(author)
	if author == dealer && w.places["key retired"] != 0 {
		key = w.spare(dealer)
	}
	return w.add(envelope{typ, author, []string{"access/" + vin}, body, nil}, key)
}

func grantBody(more ...any) jcs.Value {
	b := obj("basis", "ownership_papers", "expires", "2026-06-03T08:00:00Z", "grantee", obj("secret_sha256", secretHash(1)), "purpose", "purchase", "types", "all")
	for i := 0; i < len(more); i += 2 {
		b = b.With(more[i].(string), val(more[i+1]))
	}
	return b
}

// hashAt is the leaf hash at a log index, hex.
func (w *world) hashAt(i uint64) string { return leafHex(w.leaves[i]) }

func leafHex(leaf []byte) string {
	h := leafHash(leaf)
	return hex.EncodeToString(h[:])
}

// court is the true file of the first car with its other histories, and
// those of whoever wrote in them.
func (w *world) court() *verify.File {
	f := w.file(vinA)
	n := len(w.leaves)
	for _, s := range []string{"workshop/" + vinA, "access/" + vinA} {
		f.Histories = append(f.Histories, w.fileHistory(s, n))
		for _, e := range w.history(s, n-1) {
			author, _, _ := strings.Cut(strings.SplitAfter(string(e.note), `"author":"`)[1], `"`)
			if f.History("member/"+author) == nil {
				f.Histories = append(f.Histories, w.fileHistory("member/"+author, n))
			}
			sortHistories(f)
		}
	}
	sortHistories(f)
	return f
}

func sortHistories(f *verify.File) {
	slices.SortFunc(f.Histories, func(a, b verify.FileHistory) int { return strings.Compare(a.Subject, b.Subject) })
}

// undo takes back what was put after n leaves, which is not sealed yet.
func (a *asked) undo(n int) {
	a.leaves, a.times, a.subjects = a.leaves[:n], a.times[:n], a.subjects[:n]
}

// take applies what was just put into the log, which must be allowed.
func (a *asked) take(index uint64) uint64 {
	a.t.Helper()
	a.apply(index, a.newest(index))
	return index
}

// decoded is the same authority after a restart.
func (a *asked) decoded(t testing.TB) *verify.Authority {
	t.Helper()
	again := verify.NewAuthority(a.origin)
	for _, s := range a.auth.Subjects() {
		if err := again.Decode(s, a.auth.Encode(s)); err != nil {
			t.Fatal(err)
		}
	}
	return again
}
