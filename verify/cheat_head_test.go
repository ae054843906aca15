package verify_test

import (
	"bytes"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/verify"
)

// headed puts another tree head under a true file: the note of a text,
// signed line by line.
func headed(signers func(w *world) []certs.Signer) func(*world) []byte {
	return func(w *world) []byte {
		f, n := w.file(vinA), len(w.leaves)
		f.TLogProof = w.receipt(uint64(n-1), n, signers(w)...)
		return f.Bytes()
	}
}

// proofText changes the text of the file's tlog-proof, in one place.
func proofText(old, new string) func(*world) []byte {
	return doctored(func(w *world, f *verify.File) { f.TLogProof = once(w, f.TLogProof, old, new) })
}

// strangers have the names of the nodes, and keys of their own.
func strangers(w *world) (s []certs.Signer) {
	for _, h := range w.hosts {
		c, err := certs.NewCosigner(h.cosigner.Name(), seed("stranger "+h.id), func() time.Time { return start })
		w.must(err)
		s = append(s, c)
	}
	return s
}

// stamped is a node's cosigner with a clock of its own.
func stamped(w *world, i int, t time.Time) certs.Signer {
	own := w.hosts[i].cosigner.Name()
	c, err := certs.NewCosigner(own, seed(own), func() time.Time { return t })
	w.must(err)
	return c
}

// flip changes the last bytes of the signature line of a signer.
func flip(w *world, note []byte, s certs.Signer) []byte {
	at := bytes.LastIndex(note, []byte("— "+s.Name()+" "))
	if at < 0 {
		w.t.Fatalf("no line of %s", s.Name())
	}
	end := at + bytes.IndexByte(note[at:], '\n')
	b := bytes.Clone(note)
	swap := byte('A')
	if b[end-8] == 'A' {
		swap = 'B'
	}
	b[end-8] = swap
	return b
}

// Tree heads, seals and their inclusion.
var headCheats = []cheat{
	{name: "a line injected into the checkpoint", do: func(w *world) []byte {
		return proofText("\n\n— "+w.origin+" ", "\nanother line\n\n— "+w.origin+" ")(w)
	}, code: "checkpoint_form", says: "its text does not have exactly three lines"},
	{name: "a blank line and text injected into the checkpoint", do: func(w *world) []byte {
		return proofText("\n\n— "+w.origin+" ", "\n\nanother line\n\n— "+w.origin+" ")(w)
	}, code: "checkpoint_form", says: "its text does not have exactly three lines"},
	{name: "a tree size with a leading zero", do: proofText("\n18\n", "\n018\n"),
		code: "checkpoint_form", says: "its size is not a canonical decimal"},
	{name: "a tree size with a sign", do: proofText("\n18\n", "\n+18\n"),
		code: "checkpoint_form", says: "its size is not a canonical decimal"},
	{name: "the checkpoint of another log", do: doctored(func(w *world, f *verify.File) {
		n := len(w.leaves)
		other := w.clone(w.t)
		other.origin = strings.Replace(w.origin, "/demo/", "/deno/", 1)
		f.TLogProof = tlogProof(uint64(n-1), auditPath(n-1, w.leafHashes(n)), w.note(other.headText(n), w.signers()...))
	}), code: "checkpoint_origin", says: "the policy is about"},
	{name: "the whole file of another log", do: func(w *world) []byte {
		other := emptyWorld(w.t, cast{"milepost.example/other", fullCast.governors, 2, fullCast.hosts})
		other.found(nil)
		other.live()
		return other.file(vinA).Bytes()
	}, code: "seal_origin", says: "the seal is of another log: milepost.example/other/"},
	{name: "two cosigners of four", do: headed(func(w *world) []certs.Signer { return w.signers()[:3] }),
		code: "quorum_missing", says: "2 of 4 cosigners signed"},
	{name: "no cosigner", do: headed(func(w *world) []certs.Signer { return w.signers()[:1] }),
		code: "quorum_missing", says: "0 of 4 cosigners signed"},
	{name: "one cosigner twice", do: headed(func(w *world) []certs.Signer {
		s := w.signers()
		return []certs.Signer{s[0], s[1], s[2], s[2]}
	}), code: "cosigner_twice", says: "the key signed the checkpoint on two lines"},
	{name: "one cosigner twice at two times, beside a quorum", do: headed(func(w *world) []certs.Signer {
		return append(w.signers(), stamped(w, 0, start))
	}), code: "cosigner_twice", says: "the key signed the checkpoint on two lines"},
	{name: "unknown cosigners only", do: headed(func(w *world) []certs.Signer {
		return append(w.signers()[:1], strangers(w)...)
	}), code: "quorum_missing", says: "lines of keys that it does not know: 4"},
	{name: "cosigners at timestamp 0", do: headed(func(w *world) []certs.Signer {
		s := w.signers()[:3]
		return append(s, stamped(w, 2, time.Unix(0, 0)), stamped(w, 3, time.Unix(0, 0)))
	}), code: "cosigner_time", says: "only with cosignatures of timestamp 0"},
	{name: "a cosignature of another tree head", do: doctored(func(w *world, f *verify.File) {
		n := len(w.leaves)
		old := w.note(w.headText(13), w.signers()...)
		lines := strings.SplitAfter(string(w.note(w.headText(n), w.signers()...)), "\n")
		lines[6] = strings.SplitAfter(string(old), "\n")[6]
		f.TLogProof = tlogProof(uint64(n-1), auditPath(n-1, w.leafHashes(n)), []byte(strings.Join(lines, "")))
	}), code: "cosigner_bad", says: "the key's signature on the checkpoint does not verify"},
	{name: "a cosignature with a bit changed, beside a quorum", do: doctored(func(w *world, f *verify.File) {
		f.TLogProof = flip(w, f.TLogProof, w.hosts[3].cosigner)
	}), code: "cosigner_bad", says: "/node/ulm"},
	{name: "no signature of the log", do: headed(func(w *world) []certs.Signer { return w.signers()[1:] }),
		code: "log_key_missing", says: "no log key of the policy signed"},
	{name: "the log's signature by an unknown key", do: headed(func(w *world) []certs.Signer {
		s := w.signers()
		s[0] = ed25519Key(w.t, w.origin, "not of a node")
		return s
	}), code: "log_key_missing", says: "no log key of the policy signed"},
	{name: "the log's signature twice", do: headed(func(w *world) []certs.Signer {
		return append(w.signers(), w.hosts[0].log)
	}), code: "log_key_twice", says: "on two lines"},
	{name: "the log's signature with a bit changed", do: doctored(func(w *world, f *verify.File) {
		f.TLogProof = flip(w, f.TLogProof, w.hosts[0].log)
	}), code: "log_key_bad", says: "does not verify"},
	{name: "the head of a larger tree", do: func(w *world) []byte {
		f := w.file(vinA)
		w.reading(dealer, vinA, 32000, w.spare(dealer))
		w.seal()
		f.TLogProof = w.receipt(17, len(w.leaves), w.signers()...)
		return f.Bytes()
	}, code: "seal_last", says: "the seal is leaf 17 of a tree of 20"},
	{name: "a stale seal under the newest head", do: func(w *world) []byte {
		f := w.fileAt("vehicle/"+vinA, 13, w.signers()...)
		f.TLogProof = w.receipt(12, len(w.leaves), w.signers()...)
		return f.Bytes()
	}, code: "seal_last", says: "the seal is leaf 12 of a tree of 18"},
	{name: "a stale seal with the newest seal's place", do: doctored(func(w *world, f *verify.File) { f.Seal = w.leaves[12] }),
		code: "inclusion < inclusion", says: "the seal is not in the tree"},
	{name: "a true file of long ago", do: func(w *world) []byte {
		return w.fileAt("vehicle/"+vinA, 13, stamped0(w, start)...).Bytes()
	}, opt: func(o *verify.Options) { o.MaxAge = 2 * time.Hour }, code: "too_old", says: "complete as of 2026-05-04T08:00:00Z only"},
	{name: "cosigners whose clocks are a day ahead", do: headed(func(w *world) []certs.Signer {
		return stamped0(w, start.Add(48*time.Hour))
	}), opt: func(o *verify.Options) { o.MaxAge = 100 * 24 * time.Hour }, code: "too_old", says: "the age of the file is unknown"},
	{name: "the seal's index root changed", do: doctored(func(w *world, f *verify.File) {
		lines := strings.SplitAfter(string(f.Seal), "\n")
		h := indexRoot(w.pairs(16))
		lines[5] = b64(h[:]) + "\n"
		f.Seal = []byte(strings.Join(lines, ""))
	}), code: "inclusion < inclusion", says: "the seal is not in the tree"},
	{name: "the seal's time changed", do: doctored(func(w *world, f *verify.File) { f.Seal = once(w, f.Seal, "12:00:00.000Z", "13:00:00.000Z") }),
		code: "inclusion < inclusion", says: "the seal is not in the tree"},
	{name: "a seal of another log in this one", do: func(w *world) []byte {
		w.reading(dealer, vinA, 32000, w.spare(dealer))
		w.sealAs(func(origin *string, _ *uint64, _ *int64, _ *uint64, _ *hash) {
			*origin = strings.Replace(*origin, "/demo/", "/deno/", 1)
		})
		return w.file(vinA).Bytes()
	}, code: "seal_origin", says: "/deno/"},
	{name: "a seal that gives itself another place", do: func(w *world) []byte {
		w.reading(dealer, vinA, 32000, w.spare(dealer))
		w.sealAs(func(_ *string, index *uint64, _ *int64, _ *uint64, _ *hash) { *index++ })
		return w.file(vinA).Bytes()
	}, code: "seal_index", says: "the seal says that it is leaf 20, the proof is of leaf 19"},
	{name: "a seal of an earlier time than its records", do: func(w *world) []byte {
		w.reading(dealer, vinA, 32000, w.spare(dealer))
		w.sealAs(func(_ *string, _ *uint64, ms *int64, _ *uint64, _ *hash) { *ms = start.UnixMilli() })
		return w.file(vinA).Bytes()
	}, code: "history_future", says: "its log time lies after the seal's"},
	{name: "a seal whose index lacks a record", do: func(w *world) []byte {
		root := indexRoot(w.pairs(len(w.leaves)))
		w.reading(dealer, vinA, 32000, w.spare(dealer))
		w.sealAs(func(_ *string, _ *uint64, _ *int64, _ *uint64, r *hash) { *r = root })
		return w.file(vinA).Bytes()
	}, code: "index_present < index_proof", says: "it does not lead to the index root"},
	{name: "a root that is not that of the tree, cosigned", do: doctored(func(w *world, f *verify.File) {
		n := len(w.leaves)
		f.TLogProof = tlogProof(uint64(n-1), auditPath(n-1, w.leafHashes(n)), w.note(checkpointText(w.origin, n, leafHash(nil)), w.signers()...))
	}), code: "inclusion < inclusion", says: "does not lead from the leaf at index 17 to the root of 18 leaves"},
	{name: "the place of another leaf", do: proofText("\nindex 17\n", "\nindex 16\n"), code: "inclusion < inclusion", says: "the seal is not in the tree"},
	{name: "a place beyond the tree", do: proofText("\nindex 17\n", "\nindex 18\n"), code: "inclusion < inclusion", says: "leaf 18 is not in a tree of 18 leaves"},
	{name: "a place with a sign", do: proofText("\nindex 17\n", "\nindex +17\n"), code: "proof_form", says: "its index is not a canonical decimal"},
	{name: "a place with a leading zero", do: proofText("\nindex 17\n", "\nindex 017\n"), code: "proof_form", says: "its index is not a canonical decimal"},
	{name: "an extra line in the tlog-proof", do: proofText("\nindex 17\n", "\nextra AAAA\nindex 17\n"), code: "proof_form", says: "it has an extra line"},
	{name: "a hash of the path dropped", do: doctored(func(w *world, f *verify.File) {
		lines := strings.SplitAfter(string(f.TLogProof), "\n")
		f.TLogProof = []byte(strings.Join(append(lines[:2:2], lines[3:]...), ""))
	}), code: "inclusion < inclusion", says: "the seal is not in the tree"},
	{name: "a hash of the path with loose bits", do: doctored(func(w *world, f *verify.File) {
		line := strings.Split(string(f.TLogProof), "\n")[2]
		f.TLogProof = once(w, f.TLogProof, line, loose(line))
	}), code: "proof_form", says: "hash 1 is not the base64 of 32 bytes"},
	{name: "a root with loose bits", do: func(w *world) []byte {
		root := strings.Split(w.headText(len(w.leaves)), "\n")[2]
		return proofText(root, loose(root))(w)
	}, code: "checkpoint_form", says: "its root is not the base64 of 32 bytes"},
	{name: "a cosignature with loose bits", do: doctored(func(w *world, f *verify.File) {
		line := strings.Split(string(f.TLogProof), "\n")[11]
		f.TLogProof = once(w, f.TLogProof, line, loose(line))
	}), code: "checkpoint_form", says: "signature line 3 has bad base64"},
}

// stamped0 are all signers, the cosigners at one time.
func stamped0(w *world, t time.Time) []certs.Signer {
	s := w.signers()[:1]
	for i := range w.hosts {
		s = append(s, stamped(w, i, t))
	}
	return s
}

// loose sets a bit that base64 with one "=" leaves unused.
func loose(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	body := strings.TrimRight(s, "=")
	if body == s {
		panic("no bits left over in " + s)
	}
	last := strings.IndexByte(alphabet, body[len(body)-1])
	return body[:len(body)-1] + alphabet[last|1:last|1+1] + s[len(body):]
}
