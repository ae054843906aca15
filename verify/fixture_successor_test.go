package verify_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
)

// succession is how a world goes on as another log.
type succession struct {
	nonce   string
	hosts   []string
	govs    []certs.Signer // the founders; those of the world if nil
	need    int            // their threshold; that of the world if 0
	signers []certs.Signer // of the genesis; the founders if nil
	change  func(jcs.Value) jcs.Value
}

var survivors = succession{nonce: "second", hosts: []string{"insurer2", "lyon2", "maker2"}}

// succeed makes of a sealed world the successor that its governors agree on,
// up to the genesis, which is not sealed yet. It returns its log index.
func (w *world) succeed(s succession) uint64 {
	size := len(w.leaves)
	root := treeHash(w.leafHashes(size))
	predecessor := obj("origin", w.origin, "root", hex.EncodeToString(root[:]), "size", size)
	all := string(slices.Concat(w.leaves...))
	version := 1 + strings.Count(all, `,"type":"rules.published/1"}`+"\n") + strings.Count(all, `,"type":"log.genesis/1"}`+"\n")
	if s.govs != nil {
		w.govs = s.govs
	}
	if s.need > 0 {
		w.need = s.need
	}
	if s.signers == nil {
		s.signers = w.govs
	}
	var governors []jcs.Value
	for _, g := range w.govs {
		governors = append(governors, obj("key", g.VKey(), "name", g.Name()))
	}
	founding := obj("governors", governors, "nonce", b64(seed(s.nonce)[:16]), "threshold", w.need)
	w.origin = w.name + "/" + fingerprint(founding)
	w.hosts = nil
	for _, id := range s.hosts {
		w.hosts = append(w.hosts, w.newHost(id))
	}
	w.policy, w.appointed = w.policyOf(w.hosts), ""
	body := w.genesis()
	body = w.following("governance", body).With("founding", founding).With("predecessor", predecessor).With("seed", jcs.Text(s.hosts[0])).
		With("rules", body.Get("rules").With("version", jcs.Number(int64(version))))
	if s.change != nil {
		body = s.change(body)
	}
	first := slices.MinFunc(s.signers, func(a, b certs.Signer) int { return strings.Compare(a.Name(), b.Name()) })
	return w.add(envelope{"log.genesis/1", first.Name(), []string{"governance"}, body, nil}, s.signers...)
}

// recovered is a world that was recovered once, and went on.
func recovered(w *world, s succession) *world {
	w.succeed(s)
	w.seal()
	w.reading(dealer, vinA, 33000+len(w.leaves), w.spare(dealer))
	w.seal()
	return w
}

func continues(origin string, size int, day string) string {
	return fmt.Sprintf("the log continues %s, recovered at size %d on %s: records that were acknowledged there beyond that size may be missing", origin, size, day)
}
