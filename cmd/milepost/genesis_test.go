package main

import (
	"bytes"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// The file in which the first step of a founding is kept lies among files
// that strangers send: it is what that step wrote, or refused.
func FuzzParseFounding(f *testing.F) {
	const name = "milepost.example/small"
	founding := func(threshold int64) jcs.Value {
		governor := jcs.Make(jcs.Field{Name: "name", Value: jcs.Text("board.example/chair")}, jcs.Field{Name: "key", Value: jcs.Text("x")})
		return jcs.Make(jcs.Field{Name: "governors", Value: jcs.Array(governor)}, jcs.Field{Name: "nonce", Value: jcs.Text("AAECAwQFBgcICQoLDA0ODw==")},
			jcs.Field{Name: "threshold", Value: jcs.Number(threshold)})
	}
	g := &gathering{cl: &node.Cluster{Name: name}}
	g.cl.Governs.Names, g.cl.Governs.Threshold = []string{"board.example/chair"}, 1
	whole := g.foundingFile(founding(1), record.Origin(name, founding(1)))
	if _, _, err := g.parseFounding(whole); err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(bytes.ToUpper(whole))
	f.Add(g.foundingFile(founding(2), record.Origin(name, founding(2)))) // the threshold has changed
	f.Add(g.foundingFile(founding(1), record.Origin("milepost.example/other", founding(1))))
	f.Add([]byte("{}\n"))
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, origin, err := g.parseFounding(data)
		switch {
		case err == nil && (!bytes.Equal(g.foundingFile(v, origin), data) || record.Origin(name, v) != origin):
			t.Errorf("%q is read as the founding of %s", data, origin)
		case err != nil && fault.Code(err) != "founding":
			t.Errorf("%v (%s)", err, fault.Code(err))
		}
	})
}
