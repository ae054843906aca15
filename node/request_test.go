package node_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record/jcs"
)

const someOrigin = "milepost.example/demo/0123456789012345678901234567890123456789"

// seeded makes keys whose seeds follow from what they are for.
func seeded(holder, use, name string) (*keyfile.Key, error) {
	return keyfile.NewKey(use, name, strings.NewReader((holder + use + name + strings.Repeat(".", 32))))
}

func requestFor(t testing.TB, kind, name, origin string, details jcs.Value) *node.Request {
	t.Helper()
	q, err := node.NewRequest(kind, name, origin, details, []string{"chief", "deputy"}, seeded)
	must(t, err)
	return q
}

func oslo(t testing.TB) *node.Request {
	return requestFor(t, node.AskMember, "dealer.example/oslo", someOrigin, jcs.Make(
		jcs.Field{Name: "country", Value: jcs.Text("NO")}, jcs.Field{Name: "kind", Value: jcs.Texts([]string{"DLR"})},
		jcs.Field{Name: "legal_name", Value: jcs.Text("Oslo Bil AS")}, jcs.Field{Name: "zone", Value: jcs.Text("Europe/Oslo")}))
}

func TestRequestsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	spare := &node.Request{Kind: node.AskKey, Name: "dealer.example/oslo", Origin: someOrigin}
	k, err := seeded("", keyfile.UseRecord, "dealer.example/oslo")
	must(t, err)
	must(t, spare.Add(k, "anna", jcs.Make(jcs.Field{Name: "kind", Value: jcs.Text("obd")})))
	for name, q := range map[string]*node.Request{
		"a member":          oslo(t),
		"a node":            requestFor(t, node.AskNode, "oslo", someOrigin, (&node.NodeConfig{Address: "127.0.0.1:1", Member: "dealer.example/oslo"}).Details()),
		"a governor":        requestFor(t, node.AskGovernor, "board.example/chair", someOrigin, jcs.Value{}),
		"a founding one":    requestFor(t, node.AskGovernor, "board.example/chair", "", jcs.Value{}),
		"an actor's device": spare,
	} {
		back, err := node.ParseRequest(q.Bytes())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(back.Bytes(), q.Bytes()) || !bytes.Equal(back.Body().Bytes(), q.Body().Bytes()) {
			t.Errorf("%s comes back as %s", name, back.Bytes())
		}
		for _, secret := range []string{"seed", "private"} {
			if strings.Contains(string(q.Bytes()), secret) {
				t.Errorf("%s holds a %s", name, secret)
			}
		}
	}
}

func TestRequestsAreStrict(t *testing.T) {
	t.Parallel()
	good := string(oslo(t).Bytes())
	founder := string(requestFor(t, node.AskGovernor, "board.example/chair", "", jcs.Value{}).Bytes())
	admin := oslo(t).Keys[0]
	for name, c := range map[string]struct{ in, from, to, code string }{
		"no newline":                 {good, "\n", "", "request_file"},
		"a space":                    {good, `"kind":`, `"kind": `, "request_file"},
		"another format":             {good, "request@v1", "request@v2", "request_file"},
		"an unknown field":           {good, `{"details"`, `{"a":1,"details"`, "request_file"},
		"another kind":               {good, `"kind":"member","name"`, `"kind":"king","name"`, "request_file"},
		"a detail out of place":      {good, `"country"`, `"colour"`, "request_file"},
		"no origin":                  {good, `,"origin":"` + someOrigin + `"`, "", "request_file"},
		"another log":                {good, `demo/0123`, `demo/0124`, "pop"},
		"no log":                     {good, `demo/0123`, `demo/01`, "request_file"},
		"another name":               {good, `"name":"dealer.example/oslo"`, `"name":"dealer.example/oslp"`, "request_file"},
		"a name that is none":        {good, `"name":"dealer.example/oslo"`, `"name":"Oslo"`, "request_file"},
		"another actor's same key":   {good, `"actor":"deputy"`, `"actor":"chief"`, "request_file"},
		"no TLS key":                 {good, `"use":"tls"`, `"use":"record"`, "request_file"},
		"a key for another use":      {good, `"use":"record"`, `"use":"admin"`, "request_file"},
		"keys out of order":          {good, `"use":"admin"`, `"use":"tls"`, "request_file"},
		"an admin key without actor": {good, `"actor":"chief",`, "", "request_file"},
		"no key":                     {founder, founder[strings.Index(founder, `"keys":[`)+8 : strings.Index(founder, `],"kind"`)], "", "request_file"},
		"two governors' keys": {founder, `"keys":[`, `"keys":[` + founder[strings.Index(founder, `"keys":[`)+8:strings.Index(founder, `],"kind"`)] + ",",
			"request_file"},
		"a proof that fits no log":   {good, `"pop":"`, `"pop":"AAAA`, "pop"},
		"a founder's proof":          {founder, `"public"`, `"pop":"AAAA","public"`, "pop"},
		"a weak key":                 {good, admin.Public, "dealer.example/oslo+00000000+AQ==", "key_form"},
		"a cosigner key of a member": {good, `"use":"record"`, `"use":"cosigner"`, "request_file"},
	} {
		data := strings.Replace(c.in, c.from, c.to, 1)
		if name == "no newline" {
			data = strings.TrimSuffix(good, "\n")
		}
		if data == c.in {
			t.Errorf("%s changes nothing", name)
		}
		if _, err := node.ParseRequest([]byte(data)); fault.Code(err) != c.code {
			t.Errorf("%s: %s is expected, not %v [%s]", name, c.code, err, fault.Code(err))
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add(oslo(f).Bytes())
	f.Add(requestFor(f, node.AskGovernor, "board.example/chair", "", jcs.Value{}).Bytes())
	f.Add(requestFor(f, node.AskNode, "oslo", someOrigin, jcs.Value{}).Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		q, err := node.ParseRequest(data)
		if err != nil {
			return
		}
		if !bytes.Equal(q.Bytes(), data) {
			t.Fatal("written out it differs")
		}
		q.Body()
	})
}

func TestANextKeyTakesThePlaceOfTheOneBefore(t *testing.T) {
	t.Parallel()
	c := &node.Cluster{}
	c.SetDir(t.TempDir())
	const holder, use, name = "dealer.example/lyon", keyfile.UseRecord, "dealer.example/lyon"
	if _, err := c.PromoteKey(holder, use, "00000001"); err == nil {
		t.Fatal("nothing took the place of nothing")
	}
	first, made, err := node.KeyAt(c.KeyPath(holder, use), use, name, nil)
	if err != nil || !made {
		t.Fatalf("the first key: made %v, %v", made, err)
	}
	again, made, err := node.KeyAt(c.KeyPath(holder, use), use, name, nil)
	if err != nil || made || again.Seed != first.Seed {
		t.Fatalf("the same key once more: made %v, %v", made, err)
	}
	if _, _, err := node.KeyAt(c.KeyPath(holder, use), use, "dealer.example/turin", nil); fault.Code(err) != "key_file" {
		t.Fatalf("somebody else's key: %v", err)
	}
	next, _, err := node.KeyAt(c.NextKeyPath(holder, use), use, name, nil)
	must(t, err)
	former, err := c.PromoteKey(holder, use, "00000001")
	must(t, err)
	read := func(path string) *keyfile.Key {
		k, err := keyfile.ReadKeyFile(path, nil)
		must(t, err)
		return k
	}
	if read(c.KeyPath(holder, use)).Seed != next.Seed || read(former).Seed != first.Seed {
		t.Fatal("the keys are not where they should be")
	}
	if filepath.Base(former) != "dealer.example_lyon.record.00000001.key" {
		t.Errorf("the former key is in %s", former)
	}
	// A run that broke off between the two renames leaves the next key alone.
	must(t, os.Rename(c.KeyPath(holder, use), c.NextKeyPath(holder, use)))
	if _, err := c.PromoteKey(holder, use, "00000002"); err != nil || read(c.KeyPath(holder, use)).Seed != next.Seed {
		t.Fatalf("after a run that broke off: %v", err)
	}
}
