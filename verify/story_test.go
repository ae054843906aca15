package verify_test

import (
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// verdicts lists the verdicts of a report, by log index.
func verdicts(r *verify.Report) map[uint64]verify.Verdict {
	vs := map[uint64]verify.Verdict{}
	for _, res := range r.Results {
		vs[res.Index] = res.Verdict
	}
	return vs
}

// resultAt is what a report says of the record at a log index.
func resultAt(t *testing.T, r *verify.Report, index uint64) verify.Result {
	t.Helper()
	for _, res := range r.Results {
		if res.Index == index {
			return res
		}
	}
	t.Fatalf("no result for log index %d", index)
	return verify.Result{}
}

func TestACompleteHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := accepted(t, w.file(vinA).Bytes(), w.options())
	want := "all 6 records of vehicle/" + vinA + " registered up to tree size 18, cosigned by 4 of 4 nodes (tolerates 1 liar), complete as of 2026-05-04T13:00:02Z; 0 withheld"
	if got := r.Scope(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if len(r.Warnings) != 0 || r.Later || r.Size != 18 || r.Origin != w.origin || r.SealTime != start.Add(4*time.Hour).UnixMilli() {
		t.Errorf("%+v", r)
	}
	for place, want := range map[string]verify.Verdict{
		"created": verify.Valid, "delivery": verify.KeyLaterRetired, "service in": verify.KeyLaterRetired,
		"visit": verify.KeyLaterRetired, "inspection": verify.Valid, "newest": verify.Valid,
	} {
		if got := resultAt(t, r, w.places[place]); got.Verdict != want || len(got.Flags) > 0 || got.Author == nil || got.Key == nil {
			t.Errorf("%s: %q %v, want %q", place, got.Verdict, got.Flags, want)
		}
	}
	if r.Governance == nil || len(r.Governance.Nodes) != 4 || r.Governance.Threshold != 2 {
		t.Errorf("%+v", r.Governance)
	}
}

// The file is what encoding/json writes of the same document: nothing in its
// form is ours alone.
func TestTheFileIsPlainJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file(vinA)
	at(w, car(f), "service in").Note = nil
	f.Bridges = [][]byte{w.receipt(17, 18, w.signers()...)}
	var histories []map[string]any
	for _, h := range f.Histories {
		entries := []map[string]any{}
		for _, e := range h.Entries {
			m := map[string]any{"index": e.Index, "time": e.Time}
			if e.Note != nil {
				m["note"] = string(e.Note)
			} else {
				m["leaf_hash"] = hex.EncodeToString(e.Hash[:])
			}
			entries = append(entries, m)
		}
		histories = append(histories, map[string]any{"entries": entries, "index_proof": b64(h.IndexProof), "subject": h.Subject})
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	w.must(enc.Encode(map[string]any{"format": "milepost/proof@v1", "subject": f.Subject, "histories": histories,
		"seal": string(f.Seal), "tlog_proof": string(f.TLogProof), "bridges": []string{string(f.Bridges[0])}}))
	if b.String() != string(f.Bytes()) {
		t.Error("encoding/json writes another file")
	}
	if _, err := verify.ParseFile(f.Bytes()); err != nil {
		t.Error(err)
	}
}

func TestAnAbsentVIN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	opt := w.options()
	opt.Subject = "vehicle/" + vinAbsent
	r := accepted(t, w.file(vinAbsent).Bytes(), opt)
	if !strings.HasPrefix(r.Scope(), "no record of vehicle/"+vinAbsent+" registered up to tree size 18") || len(r.Results) != 0 {
		t.Error(r.Scope())
	}
}

func TestOneRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	opt := w.options()
	opt.Subject = ""
	r := accepted(t, w.file(vinB).Bytes(), opt)
	if !strings.HasPrefix(r.Scope(), "the one record of vehicle/"+vinB) {
		t.Error(r.Scope())
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "compare its VIN with the car") {
		t.Errorf("%q", r.Warnings)
	}
}

func TestWithheldContents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file(vinA)
	at(w, car(f), "service in").Note = nil
	opt := w.options()
	r := refused(t, f.Bytes(), opt, "withheld", "the contents of 1 of 6 records are withheld")
	if r.Head == nil || r.Withheld != 1 {
		t.Error("what could be established is not in the report")
	}
	opt.AllowWithheld = true
	r = accepted(t, f.Bytes(), opt)
	if !strings.HasSuffix(r.Scope(), "; 1 withheld") || resultAt(t, r, w.places["service in"]).Verdict != verify.Withheld {
		t.Error(r.Scope(), verdicts(r))
	}
	// Where every record of an author is withheld, so is its name.
	for _, place := range []string{"delivery", "visit", "newest", "inspection"} {
		at(w, car(f), place).Note = nil
	}
	dropHistory(f, "member/"+dealer)
	dropHistory(f, "member/"+inspector)
	if r := accepted(t, f.Bytes(), opt); r.Withheld != 5 || r.Records != 6 {
		t.Error(r.Scope())
	}
}

// A court's file has the car's other histories beside it.
func TestTheOtherHistoriesOfTheCar(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file(vinA)
	f.Histories = append(f.Histories, w.fileHistory("workshop/"+vinA, 18))
	f.Histories = append([]verify.FileHistory{w.fileHistory("access/"+vinA, 18)}, f.Histories...)
	accepted(t, f.Bytes(), w.options())
	f.Histories[0] = w.fileHistory("access/"+vinB, 18)
	refused(t, f.Bytes(), w.options(), "history_extra", "access/"+vinB)
}

func TestFilesAboutMembersAndGovernance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	opt := w.options()
	opt.Subject = "member/" + dealer
	r := accepted(t, w.fileAt(opt.Subject, 18, w.signers()...).Bytes(), opt)
	if r.Records != 3 || len(r.Results) != 3 {
		t.Error(r.Scope())
	}
	for _, res := range r.Results {
		if res.Verdict != verify.Valid {
			t.Errorf("log index %d: %q %s", res.Index, res.Verdict, res.Reason)
		}
	}
	opt.Subject = "governance"
	if r := accepted(t, w.fileAt(opt.Subject, 18, w.signers()...).Bytes(), opt); r.Records != 1 {
		t.Error(r.Scope())
	}
	refused(t, w.fileAt("member/"+dealer, 18, w.signers()...).Bytes(), opt, "subject", "the file is about member/"+dealer)
}

func TestKeysThatEndLater(t *testing.T) {
	t.Parallel()
	hour := func(h int) string { return start.Add(time.Duration(h) * time.Hour).Format(time.RFC3339) }
	for _, c := range []struct {
		name, reason, since string
		want                verify.Verdict
		says                string
	}{
		{"retired", "retired", "", verify.KeyLaterRetired, "reported by " + dealer + " on 2026-05-04T13:00:00.000Z"},
		{"lost", "lost", "", verify.KeyLaterLost, "reported by " + dealer},
		{"compromised before it", "compromised", hour(3), verify.LaterCompromised, "compromised since 2026-05-04T11:00:00Z: this record came into the log after that"},
		{"compromised at that very time", "compromised", hour(4), verify.LaterCompromised, "this record came into the log after that"},
		{"compromised after it", "compromised", hour(5), verify.LaterCompromised, "this record came into the log before that"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.revokeKey(dealer, w.spare(dealer), c.reason, c.since)
			w.seal()
			r := accepted(t, w.file(vinA).Bytes(), w.options())
			got := resultAt(t, r, w.places["newest"])
			if got.Verdict != c.want || !strings.Contains(got.Reason, c.says) {
				t.Errorf("%q, %s", got.Verdict, got.Reason)
			}
			if v := resultAt(t, r, w.places["inspection"]).Verdict; v != verify.Valid {
				t.Errorf("another author's record is %q", v)
			}
		})
	}
}

// A key that was retired in good faith may turn out to have been compromised
// long before.
func TestARetiredKeyReportedCompromised(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.revokeKey(dealer, w.workshop(dealer), "compromised", start.Add(2*time.Hour).Format(time.RFC3339))
	w.seal()
	r := accepted(t, w.file(vinA).Bytes(), w.options())
	for place, side := range map[string]string{"delivery": "before", "service in": "after", "visit": "after"} {
		got := resultAt(t, r, w.places[place])
		if got.Verdict != verify.LaterCompromised || !strings.HasSuffix(got.Reason, side+" that") || !strings.Contains(got.Reason, "revoked after log index 14") {
			t.Errorf("%s: %q, %s", place, got.Verdict, got.Reason)
		}
	}
}

// Keys that a compromised administrator's key added share its fate, and only
// those that it added from then on.
func TestKeysAddedWithACompromisedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := ed25519Key(t, dealer, "owner")
	w.addKey(dealer, owner, "admin", "actor", "owner")
	w.seal()
	since := w.clock
	bad, worse := ed25519Key(t, dealer, "bad admin"), ed25519Key(t, dealer, "worse")
	w.addKey(dealer, bad, "admin", "actor", "intruder")
	body := obj("key", worse.VKey(), "name", dealer, "pop", []string{w.pop(worse, "record")}, "prev", w.prev("member/"+dealer), "use", "record")
	w.add(envelope{"key.added/1", dealer, []string{"member/" + dealer}, body, as("intruder")}, bad)
	forged := w.reading(dealer, vinA, 32000, worse)
	w.seal()
	honest := w.reading(dealer, vinA, 32001, w.spare(dealer))
	w.revokeKey(dealer, w.office(dealer), "compromised", time.UnixMilli(since).UTC().Format(time.RFC3339))
	w.seal()
	r := accepted(t, w.file(vinA).Bytes(), w.options())
	got := resultAt(t, r, forged)
	if got.Verdict != verify.LaterCompromised || !strings.Contains(got.Reason, "registered with the compromised key "+certs.FormatID(w.office(dealer).ID())) {
		t.Errorf("%q, %s", got.Verdict, got.Reason)
	}
	// The office added this one too, but before.
	if v := resultAt(t, r, honest).Verdict; v != verify.Valid {
		t.Errorf("a key of before is %q", v)
	}
	w.reading(dealer, vinA, 32002, worse)
	w.seal()
	refused(t, w.file(vinA).Bytes(), w.options(), "record < key_revoked", "(compromised)")
}

// What was said of a key itself stays, where it would fall with another.
func TestAKeyCompromisedByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addKey(dealer, ed25519Key(t, dealer, "owner"), "admin", "actor", "owner")
	w.seal()
	key := ed25519Key(t, dealer, "k")
	w.addKey(dealer, key, "record")
	i := w.reading(dealer, vinA, 32000, key)
	w.seal()
	stamp := func(ago time.Duration) string { return time.UnixMilli(w.clock).Add(-ago).UTC().Format(time.RFC3339) }
	since := func(c *world, own, office time.Duration) verify.Result {
		c.revokeKey(dealer, key, "compromised", stamp(own))
		c.revokeKey(dealer, c.office(dealer), "compromised", stamp(office))
		c.seal()
		return resultAt(t, accepted(t, c.file(vinA).Bytes(), c.options()), i)
	}
	if got := since(w.clone(t), 2*time.Hour, time.Hour); got.Verdict != verify.LaterCompromised || !strings.HasSuffix(got.Reason, "after that") || strings.Contains(got.Reason, "registered with") {
		t.Errorf("%q, %s", got.Verdict, got.Reason)
	}
	// But not where that was compromised earlier: an intruder could report his
	// own key first, with a date that clears what he wrote.
	if got := since(w.clone(t), time.Minute, time.Hour); got.Verdict != verify.LaterCompromised || !strings.HasSuffix(got.Reason, "after that") || !strings.Contains(got.Reason, "registered with") {
		t.Errorf("%q, %s", got.Verdict, got.Reason)
	}
	// The governors may date it further back than the member did, not nearer.
	for date, code := range map[string]string{"2020-01-01T00:00:00Z": "", stamp(0): "authority < key_unknown"} {
		c := w.clone(t)
		c.revokeKey(dealer, key, "compromised", stamp(time.Minute))
		body := obj("key_id", certs.FormatID(key.ID()), "name", dealer, "prev", c.prev("member/"+dealer), "reason", "compromised", "since", date)
		c.add(envelope{"key.revoked/1", c.govs[0].Name(), []string{"member/" + dealer}, body, nil}, two(c)...)
		c.seal()
		if code != "" {
			refused(t, c.file(vinA).Bytes(), c.options(), code, "no such key in force")
		} else if got := resultAt(t, accepted(t, c.file(vinA).Bytes(), c.options()), i); !strings.HasSuffix(got.Reason, "compromised since 2020-01-01T00:00:00Z: this record came into the log after that") {
			t.Errorf("%q, %s", got.Verdict, got.Reason)
		}
	}
}

// An administrator that retires takes nothing along.
func TestKeysAddedWithARetiredKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addKey(dealer, ed25519Key(t, dealer, "owner"), "admin", "actor", "owner")
	w.revokeKey(dealer, w.office(dealer), "retired", "")
	i := w.reading(dealer, vinA, 32000, w.spare(dealer)) // a key that the office added
	w.seal()
	if r := accepted(t, w.file(vinA).Bytes(), w.options()); resultAt(t, r, i).Verdict != verify.Valid {
		t.Errorf("%+v", resultAt(t, r, i))
	}
}

// The governors may revoke what a member itself may not.
func TestGovernorsRevoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	foreman := ed25519Key(t, dealer, w.name+" admin foreman")
	for _, body := range []jcs.Value{
		obj("key_id", certs.FormatID(foreman.ID()), "name", dealer, "reason", "lost"),
		obj("key_id", certs.FormatID(w.spare(dealer).ID()), "name", dealer, "reason", "compromised", "since", "2020-01-01T00:00:00Z"),
	} {
		body = body.With("prev", jcs.Text(w.prev("member/"+dealer)))
		w.add(envelope{"key.revoked/1", w.govs[0].Name(), []string{"member/" + dealer}, body, nil}, two(w)...)
	}
	w.seal()
	r := accepted(t, w.file(vinA).Bytes(), w.options())
	if got := resultAt(t, r, w.places["newest"]); got.Verdict != verify.LaterCompromised || !strings.Contains(got.Reason, "reported by assoc.example") {
		t.Errorf("%q, %s", got.Verdict, got.Reason)
	}
}

// A member may have the name of a governor; whose signature it is the key says.
func TestAGovernorThatIsAMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addKey(maker, w.spare(maker), "record")
	key := ed25519Key(t, maker, "by the governors")
	body := obj("key", key.VKey(), "name", maker, "pop", []string{w.pop(key, "record")}, "prev", w.prev("member/"+maker), "use", "record")
	w.add(envelope{"key.added/1", "insurer.example", []string{"member/" + maker}, body, nil}, w.govs[1:]...)
	w.reading(maker, vinA, 32000, key)
	w.seal()
	accepted(t, w.file(vinA).Bytes(), w.options())
}

func TestATypeOfTheFuture(t *testing.T) {
	t.Parallel()
	w := withType(newWorld(t), "vehicle.painted/1", "DLR")
	i := w.add(painted(vinA), w.workshop(dealer))
	w.seal()
	r := accepted(t, w.file(vinA).Bytes(), w.options())
	if v := resultAt(t, r, i).Verdict; v != verify.UnknownMeaning {
		t.Errorf("%q", v)
	}
}

func TestTimesAreFlagged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put := func(field string, ahead time.Duration) uint64 {
		e := readingOf(dealer, vinA, 32000)
		e.more = []jcs.Field{{Name: field, Value: jcs.Text(time.UnixMilli(w.clock).Add(ahead).UTC().Format(time.RFC3339))}}
		return w.add(e, w.spare(dealer))
	}
	want := map[uint64][]string{
		put("event_time", 10*time.Minute):                nil,
		put("event_time", 11*time.Minute):                {verify.EventAhead},
		put("captured_time", 24*time.Hour):               nil,
		put("captured_time", 24*time.Hour+1*time.Second): {verify.CapturedAhead},
	}
	w.seal()
	r := accepted(t, w.file(vinA).Bytes(), w.options())
	for i, flags := range want {
		if got := resultAt(t, r, i).Flags; !slices.Equal(got, flags) {
			t.Errorf("log index %d: %q, want %q", i, got, flags)
		}
	}
}

func TestHeadsThatAreGoodEnough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.signers()
	for name, signers := range map[string][]certs.Signer{
		"three of four":               s[:4],
		"another node's log key":      append([]certs.Signer{w.hosts[2].log}, s[2:]...),
		"in another order":            {s[4], s[2], s[0], s[3]},
		"two log keys":                append([]certs.Signer{w.hosts[1].log}, s...),
		"unknown cosigners beside":    append(s[:5:5], strangers(w)...),
		"a useless timestamp beside":  append(s[:4:4], stamped(w, 3, time.Unix(0, 0))),
		"an unknown log key beside":   append(s[:5:5], ed25519Key(t, w.origin, "unknown")),
		"a cosigner a day ahead, too": append(s[:4:4], stamped(w, 3, start.Add(72*time.Hour))),
	} {
		r := accepted(t, w.fileAt("vehicle/"+vinA, 18, signers...).Bytes(), w.options())
		if r.AsOf != start.Add(5*time.Hour).Unix()+2 {
			t.Errorf("%s: complete as of %d", name, r.AsOf)
		}
	}
}

func TestTheAgeOfAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file(vinA).Bytes()
	opt := w.options()
	made := start.Add(5*time.Hour + 2*time.Second)
	opt.MaxAge = 48 * time.Hour
	opt.Now = made.Add(48 * time.Hour)
	accepted(t, f, opt)
	opt.Now = opt.Now.Add(time.Second)
	refused(t, f, opt, "too_old", "the file is complete as of 2026-05-04T13:00:02Z only")

	opt.MaxAge, opt.Now = 0, made.Add(30*24*time.Hour)
	if r := accepted(t, f, opt); len(r.Warnings) != 0 {
		t.Errorf("%q", r.Warnings)
	}
	opt.Now = opt.Now.Add(24 * time.Hour)
	if r := accepted(t, f, opt); len(r.Warnings) != 1 || r.Warnings[0] != "the file is 31 days old; later records are not in it" {
		t.Errorf("%q", r.Warnings)
	}
	// A proof outlives everyone.
	opt.Now = made.AddDate(50, 0, 0)
	accepted(t, f, opt)

	f = w.fileAt("vehicle/"+vinA, 18, stamped0(w, made.Add(time.Hour*1000))...).Bytes()
	opt.Now = made
	if r := accepted(t, f, opt); len(r.Warnings) != 1 || !strings.Contains(r.Scope(), "complete as of a time unknown") {
		t.Errorf("%q, %s", r.Warnings, r.Scope())
	}
}

func TestNoPolicyNoVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := refused(t, w.file(vinA).Bytes(), verify.Options{Now: start}, "policy_missing", "a trust policy is needed")
	if got := r.Scope(); got != "nothing is established" {
		t.Error(got)
	}
}
