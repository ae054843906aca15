package node

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// MaxRequest is the cap on a request file in bytes.
const MaxRequest = 512 << 10

const requestFormat = "milepost/request@v1"

// What a request asks for.
const (
	AskMember   = "member"   // to be admitted
	AskNode     = "node"     // a node, or other keys for one
	AskGovernor = "governor" // to be a governor, or another key for one
	AskKey      = "key"      // one more key for a member
)

// Request is what someone sends to those who decide: the public halves of
// keys with their proofs of possession, and what is to be said of their
// holder. It holds no secret. A file is canonical JSON and a newline:
//
//	{"details":{...},"format":"milepost/request@v1","keys":[
//	  {"actor":"...","device":{...},"pop":"base64","public":"vkey or pin","use":"record"}],
//	 "kind":"member","name":"dealer.example/lyon","origin":"..."}
//
// The founding itself fixes the origin, so that a founding governor's request
// has neither origin nor proof: the signature under the genesis takes its
// place.
type Request struct {
	Kind    string
	Name    string // of the member or governor; a node's id
	Origin  string
	Details jcs.Value // an object of fields of the record that is asked for
	Keys    []RequestKey
}

// RequestKey is one key of a request.
type RequestKey struct {
	Use    string
	Public string // verifier key, or the pin of a TLS key
	Actor  string // that it is bound to; "" for none
	Device jcs.Value
	Pop    []byte
}

// requestFields are the details that each kind of request may give; the
// definition of the record type checks their values.
var requestFields = map[string][]string{
	AskMember:   {"calendar", "country", "kind", "legal_name", "tax_id", "wmi", "zone"},
	AskNode:     {"address", "member"},
	AskGovernor: nil,
	AskKey:      nil,
}

// requestUses are the uses of keys of each kind of request, in the order in
// which the record lists them.
var requestUses = map[string][]string{
	AskMember:   {keyfile.UseAdmin, keyfile.UseRecord, keyfile.UseTLS},
	AskNode:     {keyfile.UseLog, keyfile.UseCosigner, keyfile.UseTLS},
	AskGovernor: {keyfile.UseGovernor},
	AskKey:      {keyfile.UseAdmin, keyfile.UseRecord, keyfile.UseTLS},
}

func badRequest(where, format string, args ...any) *fault.Error {
	return fault.New("request_file", where, "not a request: "+fmt.Sprintf(format, args...))
}

// RequestKeyName is the name that a key of a request bears: a node's log key
// is named as the origin, its others as the node.
func RequestKeyName(kind, origin, name, use string) string {
	switch {
	case kind != AskNode:
		return name
	case use == keyfile.UseLog:
		return origin
	}
	return record.NodeName(origin, name)
}

// Add adds a key and its proof of possession to a request.
func (q *Request) Add(k *keyfile.Key, actor string, device jcs.Value) error {
	if want := RequestKeyName(q.Kind, q.Origin, q.Name, k.Use); k.Name != want {
		return fault.New("key_file", "", fmt.Sprintf("it is a key of %s, not of %s", k.Name, want))
	}
	public, err := k.Public()
	if err != nil {
		return err
	}
	key := RequestKey{Use: k.Use, Public: public, Actor: actor, Device: device}
	if q.Origin != "" {
		if key.Pop, err = Possess(k, q.Origin); err != nil {
			return err
		}
	}
	q.Keys = append(q.Keys, key)
	slices.SortStableFunc(q.Keys, func(a, b RequestKey) int { return q.place(a) - q.place(b) })
	return nil
}

// place is where a key stands among those of its request.
func (q *Request) place(k RequestKey) int { return slices.Index(requestUses[q.Kind], k.Use) }

// Possess makes the proof of possession with which a key is registered in
// the log of an origin.
func Possess(k *keyfile.Key, origin string) ([]byte, error) {
	switch k.Use {
	case keyfile.UseTLS:
		id, err := k.TLS()
		if err != nil {
			return nil, err
		}
		return id.Possess(origin, k.Name), nil
	case keyfile.UseCosigner:
		s, err := k.Cosigner(time.Now) // the clock is not asked
		if err != nil {
			return nil, err
		}
		return s.Possess(origin, k.Use)
	}
	s, err := k.Signer()
	if err != nil {
		return nil, err
	}
	return s.Possess(origin, k.Use)
}

// Check holds a request against itself: its keys are such as it may have, and
// each proof of possession fits.
func (q *Request) Check() error {
	uses, known := requestUses[q.Kind]
	switch {
	case !known:
		return badRequest("kind", "%.40q is not one of member, node, governor and key", q.Kind)
	case q.Kind == AskNode && !codeID(q.Name):
		return badRequest("name", "%.80q is not a node's id", q.Name)
	case q.Kind != AskNode && !certs.ValidName(q.Name):
		return badRequest("name", "%.80q is not a name", q.Name)
	case q.Origin == "" && q.Kind != AskGovernor:
		return badRequest("origin", "it names no log")
	case q.Origin != "" && verify.CheckOrigin(q.Origin) != nil:
		return badRequest("origin", "%.80q is not the origin of a log", q.Origin)
	case len(q.Keys) == 0 || len(q.Keys) > 96:
		return badRequest("keys", "1 to 96 are expected, here are %d", len(q.Keys))
	case len(q.Keys) > 1 && (q.Kind == AskGovernor || q.Kind == AskKey):
		return badRequest("keys", "one is expected, here are %d", len(q.Keys))
	}
	if q.Kind == AskMember {
		actors := map[string]bool{}
		count := map[string]int{}
		for _, k := range q.Keys {
			count[k.Use]++
			if k.Use == keyfile.UseAdmin {
				actors[k.Actor] = true
			}
		}
		if len(actors) < 2 || count[keyfile.UseRecord] == 0 || count[keyfile.UseTLS] == 0 {
			return badRequest("keys", "a member has admin keys of two administrators at least, a record key and a TLS key")
		}
	}
	for _, f := range q.Details.Obj {
		if !slices.Contains(requestFields[q.Kind], f.Name) {
			return badRequest("details", "%.40q has no place there", f.Name)
		}
	}
	for i, k := range q.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		name := RequestKeyName(q.Kind, q.Origin, q.Name, k.Use)
		switch {
		case !slices.Contains(uses, k.Use):
			return badRequest(at+".use", "%.40q is not one of %s", k.Use, strings.Join(uses, ", "))
		case i > 0 && (q.place(q.Keys[i-1]) > q.place(k) || q.Kind == AskNode && q.Keys[i-1].Use == k.Use):
			return badRequest(at, "keys stand in the order %s", strings.Join(uses, ", "))
		case k.Use == keyfile.UseAdmin && k.Actor == "":
			return badRequest(at, "an administrator's key is bound to an actor")
		case k.Actor != "" && q.Kind == AskMember && k.Use != keyfile.UseAdmin:
			return badRequest(at, "of the keys that a member begins with, only an administrator's is bound to an actor")
		case k.Actor != "" && q.Kind != AskMember && q.Kind != AskKey:
			return badRequest(at, "only a member's key is bound to an actor")
		case k.Device.Kind != 0 && (q.Kind != AskKey || k.Use != keyfile.UseRecord):
			return badRequest(at, "only a record key is bound to a device")
		}
		if err := k.check(q.Origin, name); err != nil {
			return fault.New(fault.Code(err), at, err.Error()).WithHint(fault.Hint(err))
		}
	}
	return nil
}

func (k *RequestKey) check(origin, name string) error {
	fits := false
	if k.Use == keyfile.UseTLS {
		if _, err := certs.ParsePin(k.Public); err != nil {
			return err
		}
		fits = certs.PinPossessed(k.Public, origin, name, k.Pop)
	} else {
		v, err := certs.ParseVKey(k.Public)
		if err != nil {
			return err
		}
		want := certs.Ed25519
		if k.Use == keyfile.UseCosigner {
			want = certs.MLDSA44Cosig
		}
		if v.Name() != name || v.Type() != want {
			return badRequest("", "the %s key is not one of %s", k.Use, name)
		}
		fits = origin == "" && len(k.Pop) == 0 || v.Possessed(origin, k.Use, k.Pop)
	}
	if !fits {
		return fault.New("pop", "", fmt.Sprintf("the proof of possession of the %s key does not fit", k.Use)).
			WithHint("it is made for one log and one name: ask for a request for this log")
	}
	return nil
}

// Bytes writes the request in its one form.
func (q *Request) Bytes() []byte {
	keys := jcs.Array()
	for _, k := range q.Keys {
		keys.List = append(keys.List, jcs.Make(optional("actor", k.Actor), jcs.Field{Name: "device", Value: k.Device},
			optional("pop", base64.StdEncoding.EncodeToString(k.Pop)),
			jcs.Field{Name: "public", Value: jcs.Text(k.Public)}, jcs.Field{Name: "use", Value: jcs.Text(k.Use)}))
	}
	v := jcs.Make(
		jcs.Field{Name: "details", Value: jcs.Make(q.Details.Obj...)}, jcs.Field{Name: "format", Value: jcs.Text(requestFormat)},
		jcs.Field{Name: "keys", Value: keys}, jcs.Field{Name: "kind", Value: jcs.Text(q.Kind)},
		jcs.Field{Name: "name", Value: jcs.Text(q.Name)}, optional("origin", q.Origin))
	return append(v.Bytes(), '\n')
}

func optional(name, text string) jcs.Field {
	if text == "" {
		return jcs.Field{Name: name}
	}
	return jcs.Field{Name: name, Value: jcs.Text(text)}
}

// ParseRequest reads a request file strictly, and checks it.
func ParseRequest(data []byte) (*Request, error) {
	body, ok := bytes.CutSuffix(data, []byte("\n"))
	v, err := jcs.Parse(body, jcs.Limits{Bytes: MaxRequest, Depth: 6, Values: 4096})
	if err != nil || !ok {
		return nil, badRequest("", "it is not canonical JSON and a newline").Because(err).
			WithHint("it comes from `milepost member request`; mail programs change bytes, so send it as an attachment")
	}
	if got := v.Get("format").Str; got != requestFormat {
		return nil, badRequest("format", "%.40q is not %s", got, requestFormat)
	}
	q := &Request{Kind: v.Get("kind").Str, Name: v.Get("name").Str, Origin: v.Get("origin").Str, Details: v.Get("details")}
	for _, e := range v.Get("keys").List {
		pop, _ := base64.StdEncoding.DecodeString(e.Get("pop").Str)
		q.Keys = append(q.Keys, RequestKey{
			Use: e.Get("use").Str, Public: e.Get("public").Str, Actor: e.Get("actor").Str, Device: e.Get("device"), Pop: pop})
	}
	// Unknown, missing or mistyped fields would make a difference.
	if !bytes.Equal(q.Bytes(), data) {
		return nil, badRequest("", "it has a field that does not belong there, or lacks one")
	}
	return q, q.Check()
}

// Body returns the fields that the request gives to the record that it asks
// for: member.admitted, node.added or key.added. Of a governor's request
// there are none: governors.changed lists all governors at once.
func (q *Request) Body() jcs.Value {
	var admins, keys, pins, pops []jcs.Value
	body := jcs.Make(q.Details.Obj...)
	for _, k := range q.Keys {
		public := jcs.Text(k.Public)
		pops = append(pops, k.Proof())
		switch {
		case q.Kind == AskNode:
			body = body.With(k.Use+"_key", public)
		case q.Kind == AskKey:
			body = jcs.Make(optional("actor", k.Actor), jcs.Field{Name: "device", Value: k.Device},
				jcs.Field{Name: "key", Value: public}, jcs.Field{Name: "use", Value: jcs.Text(k.Use)})
		case k.Use == keyfile.UseAdmin:
			admins = append(admins, jcs.Make(jcs.Field{Name: "actor", Value: jcs.Text(k.Actor)}, jcs.Field{Name: "key", Value: public}))
		case k.Use == keyfile.UseRecord:
			keys = append(keys, public)
		case k.Use == keyfile.UseTLS:
			pins = append(pins, public)
		}
	}
	body = body.With("pop", jcs.Array(pops...))
	switch q.Kind {
	case AskNode:
		return body.With("id", jcs.Text(q.Name))
	case AskMember:
		body = body.With("admin_keys", jcs.Array(admins...)).With("keys", jcs.Array(keys...)).With("tls_keys", jcs.Array(pins...))
	}
	return body.With("name", jcs.Text(q.Name))
}

// Proof is the key's proof of possession as records carry it.
func (k *RequestKey) Proof() jcs.Value { return jcs.Text(base64.StdEncoding.EncodeToString(k.Pop)) }
