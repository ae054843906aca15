package node

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// keyring is the node's own keys. While a key is being exchanged it holds
// both: the head that covers the exchange is signed with the one of before
// and the one of after. It is never changed, only replaced.
type keyring struct {
	logs      []certs.Signer
	cosigners []cosignerKey
	identity  *certs.TLSIdentity
}

// cosignerKey is a cosigner, now and at a time of the past.
type cosignerKey struct {
	certs.Signer
	stamped func(unixSeconds uint64) (certs.Signer, error)
}

// loadKeys reads the node's key files, those in use and the next ones where
// there are any, and holds them against what the log has registered. Keys
// that were at hand before stay.
func (n *Node) loadKeys() error {
	n.keysMu.Lock()
	defer n.keysMu.Unlock()
	own := record.NodeName(n.origin, n.id)
	ring := &keyring{}
	if before := n.keys.Load(); before != nil {
		*ring = *before
	}
	v := n.nodesNow()[n.id]
	// One that joins is registered in what it has yet to catch up with, be it
	// everything or what follows the backup that it began with.
	_, removed := n.removedAt()
	if v == nil && removed {
		return errRemoved
	}
	if v == nil && !n.joining() {
		return fault.New("config", "node."+n.id, "the log knows no node of this id").
			WithHint("the founding file and cluster.toml must belong together")
	}
	for _, u := range []struct {
		use, name string
		want      func(*verify.Node) string
	}{
		{keyfile.UseLog, n.origin, func(v *verify.Node) string { return v.Log.VKey }},
		{keyfile.UseCosigner, own, func(v *verify.Node) string { return v.Cosigner.VKey }},
		{keyfile.UseTLS, own, func(v *verify.Node) string { return v.TLS.VKey }},
	} {
		want := ""
		if v != nil {
			want = u.want(v)
		}
		if err := n.loadUse(ring, u.use, u.name, want); err != nil {
			return err
		}
	}
	n.keys.Store(ring)
	return nil
}

// loadUse reads the files of one use. want is the registered public half, ""
// while the log does not know this node yet: then the file in use counts.
func (n *Node) loadUse(ring *keyring, use, name, want string) error {
	found := ring.has(use, want)
	for i, path := range []string{n.cluster.KeyPath("node/"+n.id, use), n.cluster.NextKeyPath("node/"+n.id, use)} {
		k, err := keyfile.ReadKeyFile(path, n.passphrase)
		if errors.Is(err, fs.ErrNotExist) && (i == 1 || found) {
			continue
		}
		if err != nil {
			return err
		}
		if k.Use != use || k.Name != name {
			return foreignKey(path, fmt.Sprintf("it is the %s key of %s, not the %s key of %s", k.Use, k.Name, use, name))
		}
		public, err := k.Public()
		if err != nil {
			return err
		}
		counts := public == want || want == "" && i == 0
		found = found || counts
		if err := ring.add(k, public, counts, n.now); err != nil {
			return err
		}
	}
	if !found {
		return foreignKey(n.cluster.KeyPath("node/"+n.id, use), "it is not the "+use+" key that the log has registered for this node")
	}
	return nil
}

func (r *keyring) has(use, public string) bool {
	switch use {
	case keyfile.UseLog:
		for _, s := range r.logs {
			if s.VKey() == public {
				return true
			}
		}
	case keyfile.UseCosigner:
		for _, s := range r.cosigners {
			if s.VKey() == public {
				return true
			}
		}
	}
	return use == keyfile.UseTLS && r.identity != nil && r.identity.Pin() == public
}

// add takes a key up; the TLS identity is the one that counts.
func (r *keyring) add(k *keyfile.Key, public string, counts bool, now func() time.Time) error {
	if r.has(k.Use, public) {
		return nil
	}
	switch k.Use {
	case keyfile.UseLog:
		s, err := k.Signer()
		if err != nil {
			return err
		}
		r.logs = append(r.logs[:len(r.logs):len(r.logs)], s)
	case keyfile.UseCosigner:
		s, err := k.Cosigner(now)
		if err != nil {
			return err
		}
		r.cosigners = append(r.cosigners[:len(r.cosigners):len(r.cosigners)], cosignerKey{s, func(t uint64) (certs.Signer, error) {
			return k.Cosigner(func() time.Time { return time.Unix(int64(t), 0) })
		}})
	case keyfile.UseTLS:
		if !counts {
			return nil
		}
		id, err := k.TLS()
		if err != nil {
			return err
		}
		r.identity = id
	}
	return nil
}

// logSigners are the node's log keys that any of some policies lists.
func (n *Node) logSigners(policies []*verify.Policy) (out []certs.Signer) {
	listed := map[string]bool{}
	for _, p := range policies {
		for _, l := range p.Logs() {
			listed[l.VKey()] = true
		}
	}
	for _, s := range n.keys.Load().logs {
		if listed[s.VKey()] {
			out = append(out, s)
		}
	}
	return out
}

// cosigners are the node's cosigner keys that any of some policies counts.
func (n *Node) cosigners(policies []*verify.Policy) (out []cosignerKey) {
	keys := counted(policies)
	for _, s := range n.keys.Load().cosigners {
		if keys[cosignerID(s.Name(), s.ID())] != nil {
			out = append(out, s)
		}
	}
	return out
}

// exchangeKeys follows a change of this node's own keys in governance: new
// key files are read, and the port identifies itself with the new TLS key.
func (n *Node) exchangeKeys() {
	if n.nodesNow()[n.id] == nil {
		return // removed; reconcile says so once the last head is cosigned
	}
	before := n.keys.Load().identity
	if err := n.loadKeys(); err != nil {
		n.fail(fmt.Errorf("the log has registered other keys for this node: %w", err))
		return
	}
	if id := n.keys.Load().identity; id != before && n.port != nil {
		n.port.SetIdentity(id)
		n.peersMu.Lock()
		for _, p := range n.peerMap {
			p.end()
		}
		clear(n.peerMap) // they are made anew, under the new identity
		n.peersMu.Unlock()
	}
}

func foreignKey(path, why string) error {
	return fault.New("key_file", path, why).WithHint("the founding file and the keys must come from the same founding; a new key waits in a .next.key file")
}
