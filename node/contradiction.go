package node

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify"
)

// Contradiction is why a node stopped: it holds two heads of one size.
type Contradiction struct {
	Size     uint64
	SignedBy string // nodes that stand behind the head which is not this node's, with blanks between
	Evidence string // directory that holds both
}

func (e *Contradiction) Error() string {
	return fmt.Sprintf("two tree heads of size %d with different roots exist: a node has lied or lost data; both are in %s, the one that is not this node's is signed by %s", e.Size, e.Evidence, e.SignedBy)
}

// contradiction: a head that a log key signed has another root than this
// node's tree at that size. If two nodes stand behind that root, on one note
// or on several, the tree has forked and this node stops with both heads
// kept. One node alone, which signs as log and cosigner what no one else has,
// is a liar or has lost data: its head is kept and refused, and it does not
// stop the others by it.
func (n *Node) contradiction(from string, c *verify.Checkpoint, note *certs.Note, msg []byte) error {
	n.metrics.refusedHeads.Inc()
	behind := n.against(c, n.standBehind(note))
	signed := strings.Join(behind, " ")
	refused := fault.New("root_mismatch", "", fmt.Sprintf("this node's own tree has another root at size %d", c.Size))
	if n.refusedOf(from, c.Size, refused, "head") || len(behind) > 1 {
		n.log.Error("a tree head contradicts this node's tree", "peer", from, "size", c.Size, "theirs", verify.Hex(c.Root), "signed_by", signed, "err", refused)
	}
	if len(behind) < 2 || n.lie.shameless {
		n.keepRefused(msg)
		return refused
	}
	// Another such head may come in while this one is being dealt with.
	if n.contradicted.CompareAndSwap(false, true) {
		n.stopping.Store(true) // it signs nothing more
		own, err := n.ownCheckpoint(c.Size)
		if err != nil {
			err = fmt.Errorf("this node's own head of size %d: %w", c.Size, err)
			n.fail(err)
			return err
		}
		dir, err := evidence(n.dir, "size", own, msg)
		if err != nil {
			n.log.Error("evidence could not be written", "err", err)
		}
		n.tellAll(own)
		n.fail(&Contradiction{Size: c.Size, SignedBy: signed, Evidence: dir})
	}
	return fault.New("contradiction", "", "two tree heads of one size exist; this node has stopped")
}

// tellAll sends the other nodes this node's side of a contradiction before it
// stops: some may not have heard of it yet.
func (n *Node) tellAll(head []byte) {
	ctx, cancel := context.WithTimeout(n.ctx, 2*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range n.peers() {
		wg.Go(func() { p.client.do(ctx, http.MethodPost, "/v1/heads", nil, head) })
	}
	wg.Wait()
}

// against adds those who stand behind a foreign head to those who are known
// to stand behind its root, and returns all.
func (n *Node) against(c *verify.Checkpoint, signers []string) []string {
	n.foreignMu.Lock()
	defer n.foreignMu.Unlock()
	at := c.Text()
	known := n.foreign[at]
	for _, s := range signers {
		if !slices.Contains(known, s) {
			known = append(known, s)
		}
	}
	if len(n.foreign) < maxRefused || n.foreign[at] != nil {
		n.foreign[at] = known
	}
	return known
}

// standBehind lists who signed a head, with any of their keys that the
// policy knows: nodes by id, outside witnesses by name.
func (n *Node) standBehind(note *certs.Note) (names []string) {
	owner := map[string]string{}
	for id, v := range n.nodesNow() {
		owner[v.Log.VKey], owner[v.Cosigner.VKey] = id, id
	}
	policy := n.policy()
	known := policy.Logs()
	for _, w := range policy.Witnesses() {
		known = append(known, w.Key)
	}
	seen := map[string]bool{}
	for _, v := range known {
		for _, s := range note.Sigs {
			if s.Name != v.Name() || s.ID != v.ID() || !v.Verify([]byte(note.Text), s.Bytes) {
				continue
			}
			name := owner[v.VKey()]
			if name == "" {
				name = v.Name()
			}
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// ownCheckpoint is this node's tree head of a size as a note that stands as
// evidence, with a log key's signature and a cosignature: the published one,
// or what this node cosigned then, signature for signature. At a size that it
// never cosigned it signs now, with a timestamp of 0: it has seen larger
// trees (C2SP tlog-cosignature).
func (n *Node) ownCheckpoint(size uint64) ([]byte, error) {
	if h := n.heads.current(); h != nil {
		defer h.view.Release()
		if h.size == size {
			return h.note, nil
		}
	}
	c := verify.Checkpoint{Origin: n.origin, Size: size}
	root, stamp, line, ok := n.heads.cosignedAt(size)
	c.Root = root
	if !ok {
		view := n.heads.newest()
		if view == nil {
			return nil, errStopping
		}
		defer view.Release()
		var err error
		if c.Root, err = view.RootAt(size); err != nil {
			return nil, err
		}
		sig, err := n.keys.Load().logs[0].Sign([]byte(c.Text()))
		if err != nil {
			return nil, err
		}
		stamp, line = 0, sig.Line()
	}
	policies, _ := n.demands(size)
	text := c.Text() + "\n" + line
	for _, k := range n.cosigners(policies) {
		cosigner, err := k.stamped(stamp)
		if err != nil {
			return nil, err
		}
		sig, err := cosigner.Sign([]byte(c.Text()))
		if err != nil {
			return nil, err
		}
		text += sig.Line()
	}
	return []byte(text), nil
}

// maxRefused bounds the refused heads that are kept; the first tell most.
const maxRefused = 64

// keepRefused keeps a head that was refused, for whoever looks into it.
func (n *Node) keepRefused(msg []byte) {
	kept, _ := filepath.Glob(filepath.Join(n.dir, "evidence", "refused-*"))
	if len(kept) >= maxRefused {
		return
	}
	if _, err := evidence(n.dir, "refused", msg); err != nil {
		n.log.Error("a refused head could not be kept", "err", err)
	}
}

// evidence writes heads, synced, where a person and a court can find them,
// and returns the directory.
func evidence(dir, kind string, heads ...[]byte) (string, error) {
	dir = filepath.Join(dir, "evidence")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	for i, h := range heads {
		c, _, err := verify.ParseCheckpoint(h)
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, fmt.Sprintf("%s-%d-%d-%s", kind, c.Size, i+1, verify.Hex(c.Root)[:16]))
		if err := writeSynced(path, h); err != nil {
			return "", fmt.Errorf("write %s: %w", path, err)
		}
	}
	return dir, nil
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
