package record

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
)

var (
	governor       = Object{need("key", recordKey), need("name", name)}
	governorList   = need("governors", listOf(governor, 32))
	thresholdField = need("threshold", Whole{1, 32})
)

// The policy text has several lines, and text in JSON has none: it is the
// list of its lines, each ended by a newline when written out.
var policyLines = listOf(Text{4096}, 128)

var rules = Object{
	need("calendars", listOf(Object{
		may("days_off", listOf(dayForm, 1000)), need("id", code),
		need("weekend", listOf(Whole{1, 7}, 7)), need("zone", zoneName),
	}, 64)),
	need("cases", Map{Whole{0, 3660}}),
	may("central_support", name),
	need("judgement", Map{Whole{0, jcs.MaxInt}}),
	need("rights", listOf(Object{
		need("read", listOf(Text{16}, 16)), need("type", typeName), need("write", listOf(Text{24}, 16)),
	}, 256)),
	need("types", listOf(typeName, 256)),
	need("version", Whole{1, 1 << 31}),
}

var nodeFields = Object{
	need("address", hostPort),
	need("cosigner_key", VKey{certs.MLDSA44Cosig}),
	need("id", code),
	need("log_key", VKey{certs.Ed25519}),
	need("member", name),
	need("tls_key", Pin{}),
}

// proofs holds the proofs of possession of the keys that a record
// registers, in the order in which References to them stand in its body.
func proofs(max int) Field { return need("pop", listOf(proof, max)) }

var prev = may("prev", hexHash)

func init() {
	define(
		Type{
			Name: "log.genesis/1", Sentence: "the founders open the log",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors},
			Body: Object{
				need("feature_level", Whole{1, 1 << 31}),
				need("founding", Object{
					governorList, need("nonce", nonce), thresholdField,
				}),
				need("nodes", listOf(nodeFields, 32)),
				need("policy", policyLines),
				proofs(96),
				may("predecessor", Object{
					need("origin", Form{"the origin of a log", validOrigin}), need("root", hexHash), need("size", Whole{1, jcs.MaxInt}),
				}),
				prev,
				need("rules", rules),
			},
			Rule: checkGenesis,
		},
		Type{
			Name: "node.added/1", Sentence: "the governors add a node",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors},
			Body: append(append(Object{}, nodeFields...), need("policy", policyLines), proofs(3), prev),
			Say:  func(b jcs.Value) (string, string) { return sayNode("add", b), "" },
			Rule: func(r *Record) error { return checkNode(r, r.Body, "body") },
		},
		Type{
			Name: "member.admitted/1", Sentence: "the governors admit a member",
			Subjects: []string{"member"}, Writers: []string{WriterGovernors}, Owner: "name",
			Body: Object{
				need("admin_keys", List{Object{need("actor", actorID), need("key", recordKey)}, 2, 32}),
				need("calendar", code), need("country", country), need("documents_checked", listOf(code, 32)),
				need("keys", listOf(recordKey, 32)),
				need("kind", kinds),
				need("legal_name", Text{200}), need("name", name), proofs(96), prev, may("tax_id", digest),
				need("tls_keys", listOf(Pin{}, 32)), need("valid_from", dayForm), may("valid_to", dayForm),
				may("wmi", listOf(wmi, 64)), need("zone", zoneName),
			},
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("admit %s, %s (%s)", b.Get("name").Str, b.Get("legal_name").Str, strings.Join(b.Get("kind").Strings(), ", ")), ""
			},
			Rule: checkMember,
		},
		Type{
			Name: "key.added/1", Sentence: "a key is added for a member",
			Subjects: []string{"member"}, Writers: []string{WriterAdmin}, Owner: "name",
			Body: Object{
				may("actor", actorID),
				may("device", Object{need("kind", Enum{"telematics", "obd", "camera"}), may("vehicle", vinForm)}),
				need("key", KeyOrPin{}), need("name", name), proofs(1), prev,
				need("use", Enum{"record", "admin", "tls"}),
			},
			Say:  sayKeyAdded,
			Rule: checkKeyAdded,
		},
		Type{
			Name: "key.revoked/1", Sentence: "a key of a member is revoked",
			Subjects: []string{"member"}, Writers: []string{WriterAdmin}, Owner: "name",
			Body: Object{
				need("key_id", keyID), need("name", name), prev,
				need("reason", Enum{"retired", "lost", "compromised"}), may("since", utcForm),
			},
			Say: sayKeyRevoked,
			Rule: func(r *Record) error {
				if r.Body.Has("since") != (r.Body.Get("reason").Str == "compromised") {
					return badField("body.since", "it stands with the reason compromised, and only then")
				}
				return nil
			},
		},
	)
}

func checkGenesis(r *Record) error {
	if err := checkGovernors(r.Body.Get("founding"), "body.founding"); err != nil {
		return err
	}
	nodes := r.Body.Get("nodes").List
	for i, n := range nodes {
		at := "body.nodes[" + strconv.Itoa(i) + "]"
		if i > 0 && nodes[i-1].Get("id").Str >= n.Get("id").Str {
			return badField(at, "nodes are sorted by id, each once")
		}
		if err := checkNode(r, n, at); err != nil {
			return err
		}
	}
	return checkRules(r.Body.Get("rules"), "body.rules")
}

// checkGovernors: sorted by name, each key named as its governor and held by
// one of them alone, and not more of them needed than there are.
func checkGovernors(v jcs.Value, at string) error {
	governors := v.Get("governors").List
	keys := map[string]bool{}
	for i, g := range governors {
		at := at + ".governors[" + strconv.Itoa(i) + "]"
		// One key under two names would be one person with two votes.
		key, err := certs.ParseVKey(g.Get("key").Str)
		if err != nil {
			return err
		}
		if keys[string(key.Public())] {
			return badField(at+".key", "two governors have the same key")
		}
		keys[string(key.Public())] = true
		if err := keyNamed(g.Get("key").Str, g.Get("name").Str, at+".key"); err != nil {
			return err
		}
		if i > 0 && governors[i-1].Get("name").Str >= g.Get("name").Str {
			return badField(at, "governors are sorted by name, each once")
		}
	}
	if int(v.Get("threshold").Int) > len(governors) {
		return badField(at+".threshold", "there are only %d governors", len(governors))
	}
	return nil
}

// checkRules: nothing is said twice, for then it would matter which counts.
func checkRules(rules jcs.Value, at string) error {
	once := func(field string, values []jcs.Value, name func(jcs.Value) string) error {
		seen := map[string]bool{}
		for i, v := range values {
			if n := name(v); seen[n] {
				return badField(at+"."+field+"["+strconv.Itoa(i)+"]", "%s stands there twice", n)
			} else {
				seen[n] = true
			}
		}
		return nil
	}
	if err := once("types", rules.Get("types").List, func(v jcs.Value) string { return v.Str }); err != nil {
		return err
	}
	if err := once("rights", rules.Get("rights").List, func(v jcs.Value) string { return v.Get("type").Str }); err != nil {
		return err
	}
	return once("calendars", rules.Get("calendars").List, func(v jcs.Value) string { return v.Get("id").Str })
}

// checkNode holds a node's keys to their names: its log key is named as the
// origin, its cosigner key <origin>/node/<id>.
func checkNode(r *Record, n jcs.Value, at string) error {
	if err := keyNamed(n.Get("log_key").Str, r.Origin, at+".log_key"); err != nil {
		return err
	}
	return keyNamed(n.Get("cosigner_key").Str, NodeName(r.Origin, n.Get("id").Str), at+".cosigner_key")
}

// NodeName is the name of a node's cosigner and TLS key.
func NodeName(origin, id string) string { return origin + "/node/" + id }

func checkMember(r *Record) error {
	owner := r.Body.Get("name").Str
	if underOrigin(owner, r.Origin) {
		return badField("body.name", "a name at or below the origin belongs to the log itself")
	}
	if err := checkPeriod(r.Body, "valid_from", "valid_to"); err != nil {
		return err
	}
	actors := map[string]bool{}
	for i, a := range r.Body.Get("admin_keys").List {
		if err := keyNamed(a.Get("key").Str, owner, "body.admin_keys["+strconv.Itoa(i)+"].key"); err != nil {
			return err
		}
		actors[a.Get("actor").Str] = true
	}
	if len(actors) < 2 {
		return badField("body.admin_keys", "a member has at least two administrators")
	}
	for i, k := range r.Body.Get("keys").Strings() {
		if err := keyNamed(k, owner, "body.keys["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	return nil
}

func checkKeyAdded(r *Record) error {
	key, use := r.Body.Get("key"), r.Body.Get("use").Str
	switch {
	case use == "admin" && !r.Body.Has("actor"):
		return badField("body.actor", "an administrator's key is bound to an actor")
	case use != "record" && r.Body.Has("device"):
		return badField("body.device", "only a record key is bound to a device")
	}
	if use == "tls" {
		return Pin{}.check(key, "body.key")
	}
	if err := recordKey.check(key, "body.key"); err != nil {
		return err
	}
	return keyNamed(key.Str, r.Body.Get("name").Str, "body.key")
}

func keyNamed(vkey, want, at string) error {
	if got, _, _ := strings.Cut(vkey, "+"); got != want {
		return badField(at, "the key is named %s, not %s", got, want)
	}
	return nil
}
