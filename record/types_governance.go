package record

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
)

var (
	governor       = Object{need("key", recordKey, "the governor's key, named as the governor"), need("name", name, "the governor")}
	governorList   = need("governors", listOf(governor, 32), "who govern, sorted by name")
	thresholdField = need("threshold", Whole{1, 32}, "how many of them sign")
)

// The policy text has several lines, and text in JSON has none: it is the
// list of its lines, each ended by a newline when written out.
var policyLines = listOf(Text{4096}, 128)

var rules = Object{
	need("calendars", listOf(Object{
		may("days_off", listOf(dayForm, 1000), "other days that are no working days"), need("id", code, "its name"),
		need("weekend", listOf(Whole{1, 7}, 7), "days of the week that are no working days; 1 is Monday"), need("zone", zoneName, "where its days begin"),
	}, 64), "which days are working days"),
	need("cases", Map{Whole{0, 3660}}, "bounds of the deadlines of cases, by name"),
	may("central_support", name, "the member that decides where no manufacturer can"),
	need("judgement", Map{Whole{0, jcs.MaxInt}}, "parameters of the mileage judgement, by name"),
	need("rights", listOf(Object{
		need("read", listOf(Text{16}, 16), "read classes"), need("type", typeName, "a type of record"), need("write", listOf(Text{24}, 16), "who may write it"),
	}, 256), "who may read and write each type"),
	need("types", listOf(typeName, 256), "the types that the log knows"),
	need("version", Whole{1, 1 << 31}, "number of these rules"),
}

var nodeFields = Object{
	need("address", hostPort, "where it is reached"),
	need("cosigner_key", VKey{certs.MLDSA44Cosig}, "its cosigner key, named <origin>/node/<id>"),
	need("id", code, "its name among the nodes"),
	need("log_key", VKey{certs.Ed25519}, "its log key, named as the origin"),
	need("member", name, "the member that runs it"),
	need("tls_key", Pin{}, "its TLS key"),
}

// proofs holds the proofs of possession of the keys that a record
// registers, in the order in which References to them stand in its body.
func proofs(max int) Field {
	return need("pop", listOf(proof, max), "proofs of possession of its keys, in order")
}

var prev = may("prev", hexHash, "leaf hash of the newest record of this history; absent in its first")

// What the rules over several fields demand, for a person.
const (
	governorsDemand = "Governors are sorted by name, each once, each with a key of that name and no key twice; threshold is at most their number."
	rulesDemand     = "No type, and no calendar's id, stands there twice."
	nodeDemand      = "log_key is named as the origin, cosigner_key <origin>/node/<id>."
)

func init() {
	define(
		Type{
			Name: "log.genesis/1", Sentence: "the founders open the log",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors}, Fresh: "when decided",
			Body: Object{
				need("feature_level", Whole{1, 1 << 31}, "the newest feature of the log that a program must know"),
				need("founding", Object{
					governorList, need("nonce", nonce, "random"), thresholdField,
				}, "what the origin is computed from"),
				need("nodes", listOf(nodeFields, 32), "the first nodes, sorted by id"),
				need("policy", policyLines, "the lines of the first trust policy"),
				proofs(96),
				may("predecessor", Object{
					need("origin", logOrigin, "its origin"), need("root", hexHash, "its last root"), need("size", Whole{1, jcs.MaxInt}, "its last size"),
				}, "the log that this one goes on from"),
				prev,
				need("rules", rules, "the first rules"),
				may("seed", code, "the node that begins with the leaves of the predecessor; the others fetch them"),
			},
			Example: `{"feature_level":1,"founding":{"governors":` + exampleGovernors + `,"nonce":"AAECAwQFBgcICQoLDA0ODw==","threshold":2},` +
				`"nodes":[{` + exampleNode + exampleTLS + `}],"policy":["# the lines of a trust policy"],"pop":["` + examplePop + `"],` +
				`"rules":{"calendars":[{"id":"utc","weekend":[6,7],"zone":"UTC"}],"cases":{},"judgement":{},` + exampleRules + `}`,
			Demands: "Nodes are sorted by id, each once. seed is one of them. " + governorsDemand + " " + nodeDemand + " " + rulesDemand,
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("open this log: founded by %s; first nodes: %s",
					strings.Join(namesOf(b.Get("founding").Get("governors"), "name"), ", "), strings.Join(namesOf(b.Get("nodes"), "id"), ", ")), ""
			},
			Rule: checkGenesis,
		},
		Type{
			Name: "node.added/1", Sentence: "the governors add a node",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors}, Fresh: "when decided",
			Body:    append(append(Object{}, nodeFields...), need("policy", policyLines, "the lines of the trust policy from now on"), proofs(3), prev),
			Example: `{` + exampleNode + `"policy":["# the lines of a trust policy"],"pop":["` + examplePop + `"],"prev":"` + exampleHash + `",` + exampleTLS + `}`,
			Say:     func(b jcs.Value) (string, string) { return sayNode("add", b), "" },
			Rule:    func(r *Record) error { return checkNode(r, r.Body, "body") },
			Demands: nodeDemand,
		},
		Type{
			Name: "member.admitted/1", Sentence: "the governors admit a member",
			Subjects: []string{"member"}, Writers: []string{WriterGovernors}, Fresh: "when decided", Owner: "name",
			Body: Object{
				need("admin_keys", List{Object{need("actor", actorID, "an administrator"), need("key", recordKey, "the administrator's key")}, 2, 32},
					"who may add and revoke its keys"),
				need("calendar", calendarField.Kind, calendarField.Means), need("country", country, "its seat"),
				need("documents_checked", listOf(code, 32), "which of its documents were checked"),
				need("keys", listOf(recordKey, 32), "its record keys"),
				need("kind", kinds, kindsMean),
				need("legal_name", Text{200}, "its name in the register of companies"), need("name", name, "its name on this log"), proofs(96), prev,
				may("tax_id", digest, "commitment to its tax number"),
				need("tls_keys", listOf(Pin{}, 32), "keys of its connections"), need("valid_from", dayForm, "first day of membership"),
				may("valid_to", dayForm, "last day of membership"),
				may("wmi", listOf(wmi, 64), "of a manufacturer: how its VINs begin"), need("zone", zoneName, "its time zone"),
			},
			Example: `{"admin_keys":[{"actor":"office","key":"dealer.example/lyon+55005927+ASfHKcIOy+hihEyzQs8QzsK3oHW4NpUs5Xy8VlBqFsvL"},` +
				`{"actor":"foreman","key":"dealer.example/lyon+f51fd678+AXw3IwJyqM2lc2628DB1OufUx30VtYshxOtJalrAgoPL"}],"calendar":"utc","country":"FR",` +
				`"documents_checked":["register"],"keys":["dealer.example/lyon+d8fc4bef+AXtqE6o3F32ZSkhuJU4GsaY3rOYvK8oKxPdchut8p2wC"],` +
				`"kind":["DLR"],"legal_name":"Garage de Lyon","name":"dealer.example/lyon","pop":["` + examplePop + `"],"prev":"` + exampleHash + `",` +
				`"tax_id":"` + exampleB64 + `","tls_keys":["302a300506032b6570032100764c1fc12491c654c56e3eaa76665d0495d890ae25eacaaacfe4d11746a2748d"],` +
				`"valid_from":"2026-01-01","valid_to":"2027-01-01","wmi":["1N4","VF1001"],"zone":"Europe/Paris"}`,
			Demands: "The keys are named as the member, which lies neither at nor below the origin; there are two different administrators at least; valid_to is not before valid_from.",
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("admit %s, %s (%s)", b.Get("name").Str, b.Get("legal_name").Str, strings.Join(b.Get("kind").Strings(), ", ")), ""
			},
			Rule: checkMember,
		},
		Type{
			Name: "key.added/1", Sentence: "a key is added for a member",
			Subjects: []string{"member"}, Writers: []string{WriterAdmin}, Fresh: "at once", Owner: "name",
			Body: Object{
				may("actor", actorID, "whom the key is bound to; needed for the use admin"),
				may("device", Object{
					need("kind", Enum{"telematics", "obd", "camera"}, "what it is"), may("vehicle", vinForm, "the vehicle that it is built into"),
				}, "the device that the key is bound to; with the use record only"),
				need("key", KeyOrPin{}, "the key"), memberName, proofs(1), prev,
				need("use", Enum{"record", "admin", "tls"}, "what the key is for"),
			},
			Example: `{"actor":"fitter","device":{"kind":"obd","vehicle":"` + exampleVIN + `"},` +
				`"key":"dealer.example/lyon+99eed23c+AccnlI+q8LyqQhuVtxw5TivmM8yzE0G+ll0CzrsvgXhR","name":"dealer.example/lyon",` +
				`"pop":["` + examplePop + `"],"prev":"` + exampleHash + `","use":"record"}`,
			Demands: "The use admin needs actor, and device goes with the use record only; the key is named as the member, that of the use tls is a pin.",
			Say:     sayKeyAdded,
			Rule:    checkKeyAdded,
		},
		Type{
			Name: "key.revoked/1", Sentence: "a key of a member is revoked",
			Subjects: []string{"member"}, Writers: []string{WriterAdmin}, Fresh: "at once", Owner: "name",
			Body: Object{
				need("key_id", keyID, "which key"), memberName, prev,
				need("reason", Enum{"retired", "lost", "compromised"}, "why"),
				may("since", utcForm, "from when on the key's records are in doubt"),
			},
			Example: `{"key_id":"0123abcd","name":"dealer.example/lyon","prev":"` + exampleHash + `","reason":"compromised","since":"2026-05-04T08:00:00Z"}`,
			Demands: "since stands exactly with the reason compromised.",
			Say:     sayKeyRevoked,
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
	seed := r.Body.Get("seed").Str
	if seed != "" && !slices.ContainsFunc(nodes, func(n jcs.Value) bool { return n.Get("id").Str == seed }) {
		return badField("body.seed", "%s is none of the nodes", clip(seed))
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
	if err := once(rules.Get("types"), "", at+".types"); err != nil {
		return err
	}
	if err := once(rules.Get("rights"), "type", at+".rights"); err != nil {
		return err
	}
	return once(rules.Get("calendars"), "id", at+".calendars")
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
