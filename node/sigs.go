package node

import (
	"container/list"
	"sync"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"

	"github.com/milepost-log/milepost/certs"
)

// sigCache checks Ed25519 signatures with keys expanded once, at half the
// cost of a plain check: every node checks every record, and that bounds
// what a cluster can carry. It accepts exactly what certs.VerifyEd25519
// accepts (cofactorless, S < L, canonical keys); FuzzSignatures compares the
// two, and no release goes out without it. The batch verifier of the same
// library has other rules and must never be used.
type sigCache struct {
	mu    sync.Mutex
	keys  map[[32]byte]*list.Element
	order *list.List // of *expanded, most recently used first
}

type expanded struct {
	public [32]byte
	key    *voi.ExpandedPublicKey
}

// maxExpanded keys of about 1.3 kB each are kept.
const maxExpanded = 4096

var voiOptions = &voi.Options{Verify: &voi.VerifyOptions{
	AllowSmallOrderA: true, AllowSmallOrderR: true, CofactorlessVerify: true,
}}

func newSigCache() *sigCache {
	return &sigCache{keys: map[[32]byte]*list.Element{}, order: list.New()}
}

// verify is a verify.SigCheck.
func (c *sigCache) verify(public, text, sig []byte) bool {
	if len(public) != 32 || len(sig) != 64 || certs.RIsIdentity(sig) {
		return false
	}
	k := c.expand([32]byte(public))
	return k != nil && voi.VerifyExpandedWithOptions(k, text, sig, voiOptions)
}

func (c *sigCache) expand(public [32]byte) *voi.ExpandedPublicKey {
	c.mu.Lock()
	if e := c.keys[public]; e != nil {
		c.order.MoveToFront(e)
		c.mu.Unlock()
		return e.Value.(*expanded).key
	}
	c.mu.Unlock()
	k, err := voi.NewExpandedPublicKey(public[:])
	if err != nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys[public] == nil {
		c.keys[public] = c.order.PushFront(&expanded{public, k})
		if c.order.Len() > maxExpanded {
			last := c.order.Back()
			delete(c.keys, last.Value.(*expanded).public)
			c.order.Remove(last)
		}
	}
	return k
}
